"""Ways through the automations: a worker is killed in every state of each of them.

Whoever writes an automation adds its ways in `tests/faults/ways/`, an entry each, and names them here.
"""

from tests.faults.ways.checkouts import CHECKOUTS
from tests.faults.ways.compensations import COMPENSATIONS
from tests.faults.ways.hotel import HOTEL
from tests.faults.ways.onboarding import ONBOARDINGS
from tests.faults.ways.operations import CHANGES
from tests.faults.ways.shop import ERRANDS, REFUNDS
from tests.faults.ways.support import TICKETS

JOURNEYS = (
    *CHECKOUTS,
    *COMPENSATIONS,
    *HOTEL,
    *REFUNDS,
    *TICKETS,
    *ERRANDS,
    *CHANGES,
    *ONBOARDINGS,
)

"""Ways through a compensation, each after the checkout that it puts right."""

from typing import Any

from contracts.decisions import Verdict
from tests.faults.ways.checkouts import A_GUEST_LEAVES, ALL_IS_UNDONE
from tests.faults.ways.journey import Journey
from tests.workflows.test_compensate_checkout_failure import ASKED, ROSTER

_STAY = {"booking_number": "B-2041"}
_BY_A_MANAGER: dict[str, Any] = {"requester": "sam", "roster": ROSTER}
COMPENSATIONS = (
    Journey(
        "a checkout is undone by a manager",
        "compensate_checkout_failure",
        ASKED,
        "compensated",
        {
            "payments.authorisations": ({**_STAY, "cents": 45_050, "status": "refunded"},),
            "property.bookings": ({**_STAY, "status": "in_house"},),
            "property.rooms": ({"room_number": "204", "status": "clean"},),
            "housekeeping.tasks": ({"room_number": "204", "status": "cancelled"},),
            "crm.opportunities": ({"opportunity_id": "OP-71", "stage": "open"},),
            "compliance.entries": ({**_STAY, "kind": "reversal"},),
        },
        people=((Verdict.APPROVE, "fiona"),),
        after=A_GUEST_LEAVES,
        **_BY_A_MANAGER,
    ),
    Journey(
        "finance rejects what a manager asks for",
        "compensate_checkout_failure",
        ASKED,
        "rejected",
        people=((Verdict.REJECT, "fiona"),),
        after=A_GUEST_LEAVES,
        **_BY_A_MANAGER,
    ),
    Journey(
        "the front desk compensates nothing",
        "compensate_checkout_failure",
        ASKED,
        "declined",
        after=A_GUEST_LEAVES,
        roster=ROSTER,
    ),
    Journey(
        "a checkout has undone itself",
        "compensate_checkout_failure",
        ASKED,
        "nothing_left",
        after=ALL_IS_UNDONE,
        **_BY_A_MANAGER,
    ),
    Journey("there is no such payment", "compensate_checkout_failure", ASKED, "refused", **_BY_A_MANAGER),
)

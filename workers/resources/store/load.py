"""How many runs are under way, and whether there is room for one more."""

from sqlalchemy import Connection, Subquery, and_, func, select

from activities.inbox import Load
from workers.resources.store.database import alone
from workers.resources.store.schema import REQUESTS, STARTS

_REGISTERING = 0x696E7465726C6F64  # any constant of our own will do, as long as it is no other lock's
_RUN = (STARTS.c.workflow_id, STARTS.c.first_run_id)
_ITS_REQUESTS = and_(*(column == REQUESTS.c[column.name] for column in _RUN))
_WAITING: Subquery = (
    select(*_RUN)
    .join(REQUESTS, _ITS_REQUESTS)
    .where(REQUESTS.c.closed_at.is_(None), STARTS.c.ending.is_(None))
    .distinct()
    .subquery()
)
# Built once: that costs more than running them.
_COUNT_UNENDED = select(func.count()).select_from(STARTS).where(STARTS.c.ending.is_(None))
_COUNT_WAITING = select(func.count()).select_from(_WAITING)
_COUNT = select(_COUNT_UNENDED.scalar_subquery(), _COUNT_WAITING.scalar_subquery())


def load_of(connection: Connection) -> Load:
    """The runs that have not ended, in one statement."""
    unended, waiting = connection.execute(_COUNT).one()
    return Load(active=unended - waiting, waiting=waiting)


def has_room(connection: Connection, most: int) -> bool:
    """Whether fewer than `most` runs are active. Nobody else asks until this transaction is over.

    Who waits is only counted when that can matter: most deployments have fewer runs in all.
    """
    alone(connection, _REGISTERING)
    unended = connection.execute(_COUNT_UNENDED).scalar_one()
    return unended < most or unended - connection.execute(_COUNT_WAITING).scalar_one() < most

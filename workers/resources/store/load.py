"""How many runs are under way, and whether there is room for one more."""

from sqlalchemy import Connection, func, or_, select

from activities.inbox import Load
from workers.resources.store.database import alone
from workers.resources.store.schema import CHILDREN, REQUESTS, STARTS

_REGISTERING = 0x696E7465726C6F64  # any constant of our own will do, as long as it is no other lock's
_UNENDED = STARTS.c.ending.is_(None)
_ASKS_PEOPLE = (
    select(REQUESTS.c.request_id)
    .where(
        REQUESTS.c.workflow_id == STARTS.c.workflow_id,
        REQUESTS.c.first_run_id == STARTS.c.first_run_id,
        REQUESTS.c.closed_at.is_(None),
    )
    .exists()
)
_CHILD = STARTS.alias("child")
_WAITS_FOR_A_CHILD = (
    select(CHILDREN.c.workflow_id)
    .where(
        CHILDREN.c.parent_workflow_id == STARTS.c.workflow_id,
        CHILDREN.c.parent_first_run_id == STARTS.c.first_run_id,
        CHILDREN.c.workflow_id == _CHILD.c.workflow_id,
        CHILDREN.c.first_run_id == _CHILD.c.first_run_id,
        _CHILD.c.ending.is_(None),
    )
    .correlate(STARTS)
    .exists()
)
_WAITS = or_(_ASKS_PEOPLE, _WAITS_FOR_A_CHILD)
# Built once: that costs more than running them.
_COUNT_UNENDED = select(func.count()).select_from(STARTS).where(_UNENDED)
_COUNT_ACTIVE = _COUNT_UNENDED.where(~_WAITS)
_COUNT = select(_COUNT_ACTIVE.scalar_subquery(), _COUNT_UNENDED.where(_WAITS).scalar_subquery())


def load_of(connection: Connection) -> Load:
    """The runs that have not ended, in one statement."""
    active, waiting = connection.execute(_COUNT).one()
    return Load(active=active, waiting=waiting)


def has_room(connection: Connection, most: int) -> bool:
    """Whether fewer than `most` runs are active. Nobody else asks until this transaction is over.

    Who waits is only counted when that can matter: most deployments have fewer runs in all.
    """
    alone(connection, _REGISTERING)
    return any(connection.execute(count).scalar_one() < most for count in (_COUNT_UNENDED, _COUNT_ACTIVE))

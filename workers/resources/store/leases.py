"""Leases: work that one worker does for all of them, until then."""

from sqlalchemy import BindParameter, Connection, bindparam, or_, update

from contracts.model import Moment
from workers.resources.store.columns import MomentText
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import LEASES

_NOW = bindparam("now", type_=MomentText)
_UNTIL = bindparam("new_until", type_=MomentText)
_OWNER: BindParameter[str] = bindparam("by_owner")
# Either database decides under the row's lock: of any number of rivals, one finds it free.
_TAKE = Prepared(
    update(LEASES)
    .where(LEASES.c.name == bindparam("of_name"), or_(LEASES.c.owner == _OWNER, LEASES.c.until <= _NOW))
    .values(owner=_OWNER, until=_UNTIL)
)
_GIVE_BACK = Prepared(
    update(LEASES).where(LEASES.c.name == bindparam("of_name"), LEASES.c.owner == _OWNER).values(until=_NOW)
)


class SqlLeases:
    """One row per name; whoever holds it may prolong it, and nobody else takes it before it is over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, name: str, owner: str, until: Moment, now: Moment) -> bool:
        """Hold `name` until then, newly or longer; False while another owner does."""
        values = {"of_name": name, "by_owner": owner, "new_until": until, "now": now}

        def work(connection: Connection) -> bool:
            if insert_new(connection, LEASES, {"name": name, "owner": owner, "until": until}):
                return True
            return _TAKE.run(connection, values) == 1

        return await self._database.write(work)

    async def give_back(self, name: str, owner: str, now: Moment) -> None:
        """Let others have it at once; of somebody else's nothing changes."""
        values = {"of_name": name, "by_owner": owner, "now": now}
        await self._database.write(lambda connection: _GIVE_BACK.run(connection, values))

"""Freezes in the store: what people stopped, and how each was taken back; nothing of them is believed here."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Text, select, type_coerce, update

from activities.notices import Notice, Route
from contracts.audit import GOVERNANCE, AuditKind, AuditRecord
from contracts.canonical import canonical_json
from contracts.freezing import Freeze, Thaw
from contracts.model import Moment
from workers.resources.store.audit import append, lock
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.outbox import put_notices
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import FREEZES

# As they stand, unread: what somebody has made unreadable must not keep the others from being read.
_ROWS = Prepared(
    select(
        FREEZES.c.nonce,
        *(type_coerce(FREEZES.c[name], Text).label(name) for name in ("freeze", "frozen_at", "thaw", "thawed_at")),
    ).order_by(FREEZES.c.frozen_at, FREEZES.c.nonce)
)


@dataclass(frozen=True)
class FreezeRow:
    """A freeze as it stands in the store, unread."""

    nonce: str
    freeze: str
    frozen_at: str
    thaw: str | None
    thawed_at: str | None


class SqlFreezes:
    """Every write commits before it returns, together with its record in the audit chain and the notices of it."""

    def __init__(self, database: Database, routes: Sequence[Route] = ()) -> None:
        self._database = database
        self._routes = tuple(routes)

    async def all(self) -> tuple[FreezeRow, ...]:
        """Every freeze there ever was, the oldest first: a few rows, since only people make them. One statement."""
        rows = await self._database.look_up(_ROWS.all)
        return tuple(FreezeRow(**row) for row in rows)

    async def freeze(self, freeze: Freeze, notices: tuple[Notice, ...], at: Moment) -> bool:
        """From now on it stands; False when its nonce was used before."""

        def work(connection: Connection) -> bool:
            if not insert_new(connection, FREEZES, {"nonce": freeze.nonce, "freeze": freeze, "frozen_at": at}):
                return False
            _tell(connection, AuditKind.FROZEN, freeze, freeze.nonce, at)
            put_notices(connection, notices, self._routes, at)
            return True

        return await self._database.write(work)

    async def thaw(self, thaw: Thaw, instead_of: str | None, notices: tuple[Notice, ...], at: Moment) -> bool:
        """Record a thaw, in the place of one that does not count (the text that stands there), or of none.

        False when no such freeze is known, or another thaw was recorded meanwhile.
        """
        same = FREEZES.c.nonce == thaw.freeze

        def work(connection: Connection) -> bool:
            lock(connection, GOVERNANCE)
            found = connection.execute(select(type_coerce(FREEZES.c.thaw, Text)).where(same)).one_or_none()
            if found is None or found[0] != instead_of:
                return False
            connection.execute(update(FREEZES).where(same).values(thaw=thaw, thawed_at=at))
            _tell(connection, AuditKind.THAWED, thaw, thaw.freeze, at)
            put_notices(connection, notices, self._routes, at)
            return True

        return await self._database.write(work)


def _tell(connection: Connection, kind: AuditKind, statement: Freeze | Thaw, nonce: str, at: Moment) -> None:
    about = put_content(connection, canonical_json(statement))
    append(connection, AuditRecord(kind=kind, at=at, who=statement.subject, about=about, facts={"freeze": nonce}))

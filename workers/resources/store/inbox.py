"""The inbox: requests to people, one row each, open until they are closed."""

from pydantic import JsonValue
from sqlalchemy import RowMapping, select, update

from activities.inbox import InboxEntry
from contracts.model import Moment
from workers.resources.store.database import Database, insert_new
from workers.resources.store.schema import REQUESTS


class SqlInbox:
    """The port `activities.inbox.Inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, entry: InboxEntry) -> None:
        """List a request; opening the same request of the same run again changes nothing."""
        row = {
            "request_id": entry.request_id,
            "first_run_id": entry.first_run_id,
            "workflow_id": entry.workflow_id,
            "entry": entry,
            "opened_at": entry.opened_at,
            "deadline": entry.deadline,
        }
        await self._database.write(lambda connection: insert_new(connection, REQUESTS, row))

    async def close(self, request_id: str, outcome: str, by: str, at: Moment) -> None:
        """Take a request out of the open ones; closing it again changes nothing."""
        closing: dict[str, JsonValue] = {"outcome": outcome, "by": by}
        still_open = update(REQUESTS).where(REQUESTS.c.request_id == request_id, REQUESTS.c.closed_at.is_(None))
        change = still_open.values(closed_at=at, closing=closing)
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def waiting(self, limit: int) -> tuple[InboxEntry, ...]:
        """Open requests: those with a deadline first, the nearest first, then the oldest."""
        query = select(REQUESTS).where(REQUESTS.c.closed_at.is_(None)).limit(limit)
        query = query.order_by(
            REQUESTS.c.deadline.is_(None), REQUESTS.c.deadline, REQUESTS.c.opened_at, REQUESTS.c.request_id
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(_entry(row) for row in rows)

    async def find(self, request_id: str) -> InboxEntry | None:
        """One request, open or closed, or None; that of the latest run when a case was started anew."""
        query = select(REQUESTS).where(REQUESTS.c.request_id == request_id)
        query = query.order_by(REQUESTS.c.opened_at.desc()).limit(1)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().one_or_none())
        return None if row is None else _entry(row)


def _entry(row: RowMapping) -> InboxEntry:
    closed = {"closed_at": row["closed_at"], **(row["closing"] or {})}
    return InboxEntry.model_validate({**row["entry"], **closed})

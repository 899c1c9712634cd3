"""The inbox: requests to people, one row each, open until they are closed; people are told in the same transaction."""

from collections.abc import Sequence

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from activities.inbox import InboxEntry, Passing
from activities.notices import Notice, Route
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment, rfc3339
from workers.resources.store.audit import append
from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.database import Database, insert_new
from workers.resources.store.ledger_records import json_digest
from workers.resources.store.outbox import put_notices
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.schema import REQUESTS

# Built once: that costs more than running them.
_OF_ID = (
    select(REQUESTS)
    .where(REQUESTS.c.request_id == bindparam("of_request_id"))
    .order_by(REQUESTS.c.opened_at.desc())
    .limit(1)
)
_LATEST = Prepared(_OF_ID)
_OF_RUN = Prepared(_OF_ID.where(REQUESTS.c.first_run_id == bindparam("of_first_run_id")))
_CLOSE = Prepared(
    update(REQUESTS)
    .where(
        REQUESTS.c.request_id == bindparam("of_request_id"),
        REQUESTS.c.first_run_id == bindparam("of_first_run_id"),
        REQUESTS.c.closed_at.is_(None),
    )
    .values(closed_at=bindparam("at", type_=MomentText), closing=bindparam("by_whom_and_how", type_=JsonText))
)


class SqlInbox:
    """The port `activities.inbox.Inbox`."""

    def __init__(self, database: Database, routes: Sequence[Route] = ()) -> None:
        self._database = database
        self._routes = tuple(routes)

    async def open(self, entry: InboxEntry, notices: tuple[Notice, ...] = ()) -> None:
        """List a request and enter the notices of it; opening it again changes nothing."""
        row = {
            "request_id": entry.request_id,
            "first_run_id": entry.first_run_id,
            "workflow_id": entry.workflow_id,
            "entry": entry,
            "opened_at": entry.opened_at,
            "deadline": entry.deadline,
        }
        facts: dict[str, JsonValue] = {
            "kind": entry.kind.value,
            "action": entry.action_digest,
            "display": entry.display_digest,
            "demanded": [f"{one.quorum} {one.role}" for one in entry.obligations],
            "until": rfc3339(entry.deadline) if entry.deadline else "",
            "entry": json_digest(entry.model_dump(mode="json")),
        }

        def work(connection: Connection) -> None:
            if insert_new(connection, REQUESTS, row):
                append(connection, _record(AuditKind.REQUEST_OPENED, entry, entry.opened_at, facts))
                put_notices(connection, notices, self._routes, entry.opened_at)

        await self._database.write(work)

    async def pass_on(self, entry: InboxEntry, passing: Passing, notices: tuple[Notice, ...] = ()) -> None:
        """Record a reminder, or that a request was handed on, and enter the notices of it; each once."""
        field = f"{passing.event.value}_at"

        def work(connection: Connection) -> None:
            standing = connection.execute(select(REQUESTS).where(_is(entry)).with_for_update()).mappings().one()
            passed: dict[str, JsonValue] = standing["passed"] or {}
            if field in passed or standing["closed_at"] is not None:
                return
            passed = passed | {field: rfc3339(passing.at)}
            connection.execute(update(REQUESTS).where(_is(entry)).values(passed=passed))
            facts: dict[str, JsonValue] = {"event": passing.event.value}
            append(connection, _record(AuditKind.REQUEST_PASSED, entry, passing.at, facts))
            put_notices(connection, notices, self._routes, passing.at)

        await self._database.write(work)

    async def close(
        self, entry: InboxEntry, outcome: str, by: str, at: Moment, notices: tuple[Notice, ...] = ()
    ) -> None:
        """Take a request out of the open ones and enter the notices of that; closing it again changes nothing."""
        closing: dict[str, JsonValue] = {"outcome": outcome, "by": by}
        values = _of(entry.request_id, entry.first_run_id) | {"at": at, "by_whom_and_how": closing}

        def work(connection: Connection) -> None:
            if _CLOSE.run(connection, values):
                append(connection, _record(AuditKind.REQUEST_CLOSED, entry, at, {"outcome": outcome}, by))
                put_notices(connection, notices, self._routes, at)

        await self._database.write(work)

    async def waiting(self, limit: int) -> tuple[InboxEntry, ...]:
        """Open requests: those with a deadline first, the nearest first, then the oldest."""
        query = select(REQUESTS).where(REQUESTS.c.closed_at.is_(None)).limit(limit)
        query = query.order_by(
            REQUESTS.c.deadline.is_(None), REQUESTS.c.deadline, REQUESTS.c.opened_at, REQUESTS.c.request_id
        )
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(entry_of(row) for row in rows)

    async def find(self, request_id: str, first_run_id: str = "") -> InboxEntry | None:
        """One request, open or closed, or None; of this run, or of the latest one when a case was started anew."""
        query, values = (_OF_RUN, _of(request_id, first_run_id)) if first_run_id else (_LATEST, _of(request_id))
        row = await self._database.look_up(lambda connection: query.one_or_none(connection, values))
        return None if row is None else entry_of(row)


def _of(request_id: str, first_run_id: str | None = None) -> dict[str, object]:
    named: dict[str, object] = {"of_request_id": request_id}
    return named if first_run_id is None else named | {"of_first_run_id": first_run_id}


def _is(entry: InboxEntry) -> ColumnElement[bool]:
    return and_(REQUESTS.c.request_id == entry.request_id, REQUESTS.c.first_run_id == entry.first_run_id)


def _record(kind: AuditKind, entry: InboxEntry, at: Moment, facts: dict[str, JsonValue], who: str = "") -> AuditRecord:
    return AuditRecord(
        kind=kind,
        at=at,
        workflow_id=entry.workflow_id,
        first_run_id=entry.first_run_id,
        who=who,
        about=entry.request_id,
        facts=facts,
    )


def entry_of(row: Found) -> InboxEntry:
    """A request as it stands, with what became of it since it was opened."""
    since = {"closed_at": row["closed_at"], **(row["closing"] or {}), **(row["passed"] or {})}
    return InboxEntry.model_validate({**row["entry"], **since})

"""The outbox: notices to people, one row per message and channel, leased by whoever sends them."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, func, or_, select, update

from activities.notices import Notice, NoticeRow, NoticeState, Route
from contracts.audit import AuditKind, AuditRecord
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.columns import MomentText
from workers.resources.store.database import Database, insert_new
from workers.resources.store.schema import OUTBOX

ERASED = "it was erased, because it was about somebody who was"
"""The problem of a notice that will never be sent."""

# Built once: that costs more than running them.
_AT = bindparam("at", type_=MomentText)
_IS_DUE = and_(
    OUTBOX.c.state == NoticeState.WAITING.value,
    OUTBOX.c.channel == bindparam("of_channel"),
    OUTBOX.c.next_at <= _AT,
    or_(OUTBOX.c.leased_until.is_(None), OUTBOX.c.leased_until <= _AT),
)
_ANY_DUE = select(OUTBOX.c.id).where(_IS_DUE).limit(1)
_DUE = select(OUTBOX.c.id).where(_IS_DUE).order_by(OUTBOX.c.next_at, OUTBOX.c.id).limit(bindparam("at_most"))
_DUE_AND_FREE = _DUE.with_for_update(skip_locked=True)  # SQLite, which has one writer at a time, leaves that out
_ROW = and_(OUTBOX.c.id == bindparam("of_id"), OUTBOX.c.channel == bindparam("of_channel"))
_LEASE = (
    update(OUTBOX)
    .where(_ROW, _IS_DUE)
    .values(
        leased_by=bindparam("by_owner"),
        leased_until=bindparam("until", type_=MomentText),
        attempts=OUTBOX.c.attempts + 1,
    )
    .returning(OUTBOX)
)
# What was sent stays sent, even when the sender's lease was over: it is not told twice on purpose.
_SENT = (
    update(OUTBOX)
    .where(_ROW, OUTBOX.c.state == NoticeState.WAITING.value)
    .values(state=NoticeState.SENT.value, next_at=_AT, leased_by=None, leased_until=None, last_problem="")
)
_NOT_SENT = (
    update(OUTBOX)
    .where(
        _ROW,
        OUTBOX.c.state == NoticeState.WAITING.value,
        OUTBOX.c.leased_by == bindparam("by_owner"),
        OUTBOX.c.attempts == bindparam("of_attempt"),
    )
    .values(
        state=bindparam("new_state"),
        next_at=_AT,
        leased_by=None,
        leased_until=None,
        last_problem=bindparam("problem"),
    )
)
_AGAIN = (
    update(OUTBOX)
    .where(
        OUTBOX.c.id == bindparam("of_id"),
        OUTBOX.c.state != NoticeState.SENT.value,
        OUTBOX.c.last_problem != ERASED,
    )
    .values(
        state=NoticeState.WAITING.value,
        attempts=0,
        entered_at=_AT,
        next_at=_AT,
        leased_by=None,
        leased_until=None,
    )
)


class SqlOutbox:
    """The port `activities.notices.Outbox`, and what a sender needs beside it."""

    def __init__(self, database: Database, routes: Sequence[Route] = ()) -> None:
        self._database = database
        self._routes = tuple(routes)

    async def put(self, notices: tuple[Notice, ...], at: Moment) -> None:
        """Enter notices, once per id and channel that takes them."""
        await self._database.write(lambda connection: put_notices(connection, notices, self._routes, at))

    async def undeliverable(self, limit: int) -> tuple[NoticeRow, ...]:
        """What could not be delivered, the newest first."""
        return await self._rows(_in_state(NoticeState.UNDELIVERABLE).order_by(OUTBOX.c.next_at.desc()), limit)

    async def waiting(self, limit: int) -> tuple[NoticeRow, ...]:
        """What is still to be sent, the next one first."""
        return await self._rows(_in_state(NoticeState.WAITING).order_by(OUTBOX.c.next_at), limit)

    async def undeliverable_since(self, since: Moment) -> int:
        """How many were given up since then."""
        query = select(func.count()).select_from(OUTBOX)
        query = query.where(OUTBOX.c.state == NoticeState.UNDELIVERABLE.value, OUTBOX.c.next_at >= since)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def lease(self, channel: str, owner: str, until: Moment, now: Moment, limit: int) -> tuple[NoticeRow, ...]:
        """At most `limit` notices that are due, for this owner alone until then; each has one attempt more."""
        values = {"of_channel": channel, "at": now}
        if await self._database.read(lambda connection: connection.execute(_ANY_DUE, values).first()) is None:
            return ()  # without holding up whoever writes

        def work(connection: Connection) -> tuple[NoticeRow, ...]:
            due = connection.scalars(_DUE_AND_FREE, values | {"at_most": limit}).all()
            leased = (_leased(connection, values | {"of_id": each, "by_owner": owner, "until": until}) for each in due)
            return tuple(row for row in leased if row is not None)

        return await self._database.write(work)

    async def sent(self, row: NoticeRow, at: Moment) -> None:
        """It was sent."""
        values = {"of_id": row.notice.id, "of_channel": row.channel, "at": at}
        await self._database.write(lambda connection: connection.execute(_SENT, values).rowcount)

    async def failed(self, row: NoticeRow, owner: str, next_at: Moment, problem: str) -> bool:
        """It could not be sent, and is tried again then; False when the lease was lost to somebody else."""
        values = _outcome(row, owner, NoticeState.WAITING, next_at, problem)
        return await self._database.write(lambda connection: connection.execute(_NOT_SENT, values).rowcount == 1)

    async def give_up(self, row: NoticeRow, owner: str, at: Moment, problem: str) -> bool:
        """It is undeliverable, and the audit chain says so; False when the lease was lost to somebody else."""
        values = _outcome(row, owner, NoticeState.UNDELIVERABLE, at, problem)

        def work(connection: Connection) -> bool:
            if connection.execute(_NOT_SENT, values).rowcount == 0:
                return False
            append(connection, _given_up(row, at))
            return True

        return await self._database.write(work)

    async def again(self, notice_id: str, by: str, at: Moment) -> int:
        """Send a notice anew on every channel where it was not sent; on how many. The audit chain has who asked."""
        values = {"of_id": notice_id, "at": at}
        facts: dict[str, JsonValue] = {"command": "notices retry"}
        record = AuditRecord(kind=AuditKind.COMMAND, at=at, who=by, about=notice_id, facts=facts)

        def work(connection: Connection) -> int:
            if changed := connection.execute(_AGAIN, values).rowcount:
                append(connection, record)
            return changed

        return await self._database.write(work)

    async def _rows(self, query: Select[tuple[object, ...]], limit: int) -> tuple[NoticeRow, ...]:
        ordered = query.order_by(OUTBOX.c.id, OUTBOX.c.channel).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(ordered).mappings().all())
        return tuple(map(_row, rows))


def put_notices(connection: Connection, notices: Sequence[Notice], routes: Sequence[Route], at: datetime) -> None:
    """Enter notices within a transaction that does more, once per id and channel that takes them."""
    for notice in notices:
        for route in routes:
            if route.takes(notice):
                insert_new(connection, OUTBOX, _new(notice, route, at))


def _new(notice: Notice, route: Route, at: datetime) -> dict[str, object]:
    return {
        "id": notice.id,
        "channel": route.channel,
        "notice": notice,
        "state": NoticeState.WAITING.value,
        "attempts": 0,
        "entered_at": at,
        "next_at": at,
        "last_problem": "",
    }


def _leased(connection: Connection, values: dict[str, object]) -> NoticeRow | None:
    row = connection.execute(_LEASE, values).mappings().one_or_none()
    return None if row is None else _row(row)


def _outcome(row: NoticeRow, owner: str, state: NoticeState, at: datetime, problem: str) -> dict[str, object]:
    named = {"of_id": row.notice.id, "of_channel": row.channel, "by_owner": owner, "of_attempt": row.attempts}
    return named | {"new_state": state.value, "at": at, "problem": problem}


def _given_up(row: NoticeRow, at: datetime) -> AuditRecord:
    """By names of ours alone: neither the address nor what the other side answered."""
    notice = row.notice
    facts: dict[str, JsonValue] = {
        "notice": notice.id,
        "event": notice.event.value,
        "channel": row.channel,
        "recipient": notice.recipient,
        "attempts": row.attempts,
    }
    return AuditRecord(
        kind=AuditKind.NOTICE_FAILED,
        at=at,
        workflow_id=notice.workflow_id,
        first_run_id=notice.first_run_id,
        about=notice.request_id or notice.id,
        facts=facts,
    )


def _in_state(state: NoticeState) -> Select[tuple[object, ...]]:
    return select(OUTBOX).where(OUTBOX.c.state == state.value)


def _row(row: RowMapping) -> NoticeRow:
    return NoticeRow.model_validate({name: row[name] for name in NoticeRow.model_fields})

"""Conversations: one row per turn, whose two halves are written once each."""

import json

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, or_, select, update

from activities.conversations import Delta, RunKey
from contracts.audit import AuditKind, AuditRecord
from contracts.budgets import Spender
from contracts.canonical import digest
from contracts.claude import TurnOutcome
from contracts.model import Moment
from workers.resources.store.audit import append
from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Found, Prepared
from workers.resources.store.schema import TURNS
from workers.resources.store.spending import count_turn

# Built once: that costs more than running them.
_CONVERSATION = (
    TURNS.c.workflow_id == bindparam("of_workflow_id"),
    TURNS.c.first_run_id == bindparam("of_first_run_id"),
    TURNS.c.conversation == bindparam("of_conversation"),
)
_TURN = (*_CONVERSATION, TURNS.c.turn == bindparam("of_turn"))
_LAST = TURNS.alias("last")
_SHOWN_SINCE = (
    select(_LAST.c.folded_before)
    .where(
        _LAST.c.workflow_id == bindparam("of_workflow_id"),
        _LAST.c.first_run_id == bindparam("of_first_run_id"),
        _LAST.c.conversation == bindparam("of_conversation"),
        _LAST.c.turn == bindparam("before_turn") - 1,
    )
    .scalar_subquery()
)
_READ = Prepared(
    select(TURNS)
    .where(
        *_CONVERSATION,
        TURNS.c.turn < bindparam("before_turn"),
        or_(TURNS.c.turn == 0, TURNS.c.turn >= func.coalesce(_SHOWN_SINCE, 0)),
    )
    .order_by(TURNS.c.turn)
)
_ADDRESS = Prepared(select(TURNS.c.address).where(*_CONVERSATION, TURNS.c.turn == bindparam("of_turn")))
_FIND = Prepared(select(TURNS).where(*_TURN))
_ANSWER = Prepared(
    update(TURNS)
    .where(*_TURN, TURNS.c.answered_at.is_(None))
    .values(
        assistant=bindparam("blocks", type_=JsonText),
        outcome=bindparam("their_outcome", type_=JsonText),
        answered_at=bindparam("at", type_=MomentText),
        address=bindparam("own_address"),
    )
    .execution_options(preserve_rowcount=True)
)


_ASKED = (
    "turn",
    "user",
    "offered",
    "system",
    "facts",
    "asked_of",
    "stubbed_before",
    "folded_before",
    "folded",
)


class TurnNeverAsked(Exception):
    """An answer was given to a turn that is not in the store."""

    def __init__(self, run: RunKey, name: str, turn: int) -> None:
        super().__init__(
            f"turn {turn} of conversation {name!r} of {run.workflow_id!r} ({run.first_run_id!r}) "
            "was never asked; append its user side before the answer"
        )


class SqlConversations:
    """The port `activities.conversations.Conversations`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, run: RunKey, name: str, before_turn: int) -> tuple[Delta, ...]:
        """The deltas of turns 0 to `before_turn` - 1 that are shown still, in order.

        These are turn 0, and those from `folded_before` of the last one on.
        """
        values = {**_of(run, name), "before_turn": before_turn}
        rows = await self._database.read(lambda connection: _READ.all(connection, values))
        return tuple(_delta(row) for row in rows)

    async def find(self, run: RunKey, name: str, turn: int) -> Delta | None:
        """The delta of one turn, or None."""
        return await self._database.look_up(lambda connection: _find(connection, run, name, turn))

    async def ask(self, run: RunKey, name: str, delta: Delta, at: Moment) -> Delta:
        """Append the user side of a turn; when it stands already (a retry), return the one that stands."""
        row = {
            "workflow_id": run.workflow_id,
            "first_run_id": run.first_run_id,
            "conversation": name,
            "asked_at": at,
            **{field: getattr(delta, field) for field in _ASKED},
        }

        def work(connection: Connection) -> Delta | None:
            return delta if insert_new(connection, TURNS, row) else _find(connection, run, name, delta.turn)

        return _standing(await self._database.write(work), run, name, delta.turn)

    async def answer(
        self,
        run: RunKey,
        name: str,
        turn: int,
        assistant: list[JsonValue],
        outcome: TurnOutcome,
        at: Moment,
        spender: Spender | None = None,
    ) -> Delta:
        """Add the answer to a turn; when one stands already, the first one wins and is returned.

        Auditors are told of the answer by its address, and `spender` is charged, in the same transaction.
        Raises TurnNeverAsked.
        """
        values = {**_of(run, name), "of_turn": turn}
        values |= {"blocks": assistant, "their_outcome": outcome, "at": at}

        def work(connection: Connection) -> Delta | None:
            asked = _find(connection, run, name, turn)
            if asked is None:
                return None
            before = _ADDRESS.scalar(connection, {**_of(run, name), "of_turn": turn - 1})
            address = address_of(before or "", asked.user, assistant)
            if _ANSWER.run(connection, {**values, "own_address": address}) != 1:
                return _find(connection, run, name, turn)  # it was answered before, or a rival was faster
            if spender is not None:
                count_turn(connection, run, spender, outcome.usage, at)
            append(connection, _told(run, name, asked, assistant, address, outcome, at))
            answer = {"assistant": assistant, "outcome": outcome, "address": address}
            return asked.model_copy(update=answer)

        return _standing(await self._database.write(work), run, name, turn)


def address_of(before: str, user: list[JsonValue], assistant: list[JsonValue]) -> str:
    """The digest of a conversation up to an answer: of the address before it, and of both sides as they are kept."""
    return digest("\n".join([before, side_digest(user), side_digest(assistant)]).encode())


def side_digest(side: list[JsonValue]) -> str:
    """The digest of one side of a turn as it is kept."""
    return digest(json.dumps(side, separators=(",", ":")).encode())


def _told(
    run: RunKey, name: str, asked: Delta, said: list[JsonValue], address: str, outcome: TurnOutcome, at: Moment
) -> AuditRecord:
    facts: dict[str, JsonValue] = {
        "conversation": name,
        "turn": asked.turn,
        "asked": side_digest(asked.user),
        "said": side_digest(said),
        "model": outcome.model,
        "request": outcome.request_id,
        "stopped": outcome.stop_reason.value,
        "usage": outcome.usage.model_dump(mode="json"),
    }
    return AuditRecord(kind=AuditKind.TURN, at=at, **run.model_dump(), about=address, facts=facts)


def _of(run: RunKey, name: str) -> dict[str, object]:
    return {
        "of_workflow_id": run.workflow_id,
        "of_first_run_id": run.first_run_id,
        "of_conversation": name,
    }


def _find(connection: Connection, run: RunKey, name: str, turn: int) -> Delta | None:
    values = {**_of(run, name), "of_turn": turn}
    row = _FIND.one_or_none(connection, values)
    return None if row is None else _delta(row)


def _standing(delta: Delta | None, run: RunKey, name: str, turn: int) -> Delta:
    if delta is None:
        raise TurnNeverAsked(run, name, turn)
    return delta


def _delta(row: Found) -> Delta:
    known = {name: row[name] for name in Delta.model_fields}
    return Delta.model_validate({**known, "address": row["address"] or ""})

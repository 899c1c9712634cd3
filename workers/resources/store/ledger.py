"""The ledger: one row per idempotency key, moved only by compare-and-set; every move is in the audit chain with it."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, case, func, null, select, update

from activities.conversations import RunKey
from activities.ledger import UNFINISHED, Answered, Claim, KnownResult, LedgerEntry, LedgerState
from contracts.canonical import digest
from contracts.model import Moment
from contracts.tools import CallStatus, EffectClass, Purpose, ToolOutcome
from workers.resources.store import ledger_records
from workers.resources.store.audit import append
from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import LEDGER

COLUMNS = {name for name in Claim.model_fields if name in LEDGER.c}
"""Of a claim; the rest, which says by what it is permitted, stands in the audit chain alone."""
RECORDABLE = tuple(state for state in LedgerState if state not in (LedgerState.CLAIMED, LedgerState.SENT))

LOOKED_THROUGH = 100
"""Answers to one question; the newest may be old ones that served again."""

# Built once: that costs more than running them.
_OF_KEY = LEDGER.c.key == bindparam("of_key")
_FIND = Prepared(select(LEDGER).where(_OF_KEY))
# Either database decides under the row's lock: of any number of rivals, one still finds its generation.
_CHANGE = update(LEDGER).where(
    _OF_KEY,
    LEDGER.c.generation == bindparam("of_generation"),
    LEDGER.c.state.in_([state.value for state in UNFINISHED]),
)
_MARK_SENT = Prepared(
    _CHANGE.values(
        state=LedgerState.SENT.value,
        generation=LEDGER.c.generation + 1,
        sends=LEDGER.c.sends + 1,
        owner=bindparam("by_owner"),
        first_sent_at=func.coalesce(LEDGER.c.first_sent_at, bindparam("at", type_=MomentText)),
        last_sent_at=bindparam("at", type_=MomentText),
        outcome=None,
        content=None,
        finished_at=None,
        lookups=0,
        looked_up_at=None,
    ).returning(LEDGER)
)
_FINISH = Prepared(
    _CHANGE.values(
        state=bindparam("final_state"),
        outcome=bindparam("final_outcome", type_=JsonText),
        content=bindparam("address"),
        finished_at=bindparam("at", type_=MomentText),
    ).returning(LEDGER)
)
# The generation stays, so that it never means two sends. What an earlier send did is still to be found out.
_SENT_BEFORE = LEDGER.c.sends > 1
_RELEASE = Prepared(
    update(LEDGER)
    .where(_OF_KEY, LEDGER.c.generation == bindparam("of_generation"), LEDGER.c.state == LedgerState.SENT.value)
    .values(
        state=case((_SENT_BEFORE, LedgerState.UNKNOWN.value), else_=LedgerState.CLAIMED.value),
        sends=LEDGER.c.sends - 1,
        first_sent_at=case((_SENT_BEFORE, LEDGER.c.first_sent_at), else_=null()),
        outcome=case((_SENT_BEFORE, bindparam("earlier_outcome", type_=JsonText)), else_=null()),
    )
    .returning(LEDGER)
)
_LOOKED_UP = Prepared(
    update(LEDGER)
    .where(
        _OF_KEY,
        LEDGER.c.generation == bindparam("of_generation"),
        LEDGER.c.lookups == bindparam("of_lookups"),
        LEDGER.c.state.in_([LedgerState.SENT.value, LedgerState.UNKNOWN.value]),
    )
    .values(
        state=LedgerState.UNKNOWN.value,
        lookups=LEDGER.c.lookups + 1,
        looked_up_at=bindparam("at", type_=MomentText),
        outcome=bindparam("so_far", type_=JsonText),
    )
    .returning(LEDGER)
)
_ANSWERED = Prepared(
    select(LEDGER.c.outcome, LEDGER.c.finished_at)
    .where(
        LEDGER.c.question == bindparam("of_question"),
        LEDGER.c.state == LedgerState.DONE.value,
        LEDGER.c.content.is_not(None),
        LEDGER.c.finished_at >= bindparam("since", type_=MomentText),
    )
    .order_by(LEDGER.c.finished_at.desc())
    .limit(LOOKED_THROUGH)
)
_WRITTEN_SINCE = Prepared(
    select(LEDGER.c.key)
    .where(
        LEDGER.c.resource == bindparam("of_resource"),
        LEDGER.c.first_sent_at > bindparam("since", type_=MomentText),
        LEDGER.c.key != bindparam("besides"),
    )
    .limit(1)
)
_SENT = Prepared(
    select(LEDGER.c.arguments)
    .where(
        LEDGER.c.workflow_id == bindparam("of_workflow_id"),
        LEDGER.c.first_run_id == bindparam("of_first_run_id"),
        LEDGER.c.server == bindparam("of_server"),
        LEDGER.c.tool == bindparam("of_tool"),
        LEDGER.c.purpose == Purpose.FORWARD.value,
        LEDGER.c.effect_class != EffectClass.READ.value,
        LEDGER.c.sends > 0,
    )
    .order_by(LEDGER.c.key)
)
_RESULTS_OF = Prepared(
    select(LEDGER.c.occurrence, LEDGER.c.server, LEDGER.c.tool, LEDGER.c.content)
    .where(
        LEDGER.c.workflow_id == bindparam("of_workflow_id"),
        LEDGER.c.first_run_id == bindparam("of_first_run_id"),
        LEDGER.c.step == bindparam("of_step"),
        LEDGER.c.content.is_not(None),
    )
    .order_by(LEDGER.c.finished_at.desc(), LEDGER.c.occurrence.desc())
    .limit(bindparam("most"))
)


class SqlLedger:
    """The port `activities.ledger.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, claim: Claim, at: Moment) -> LedgerEntry:
        """Enter `claim`, or return the entry that stands under its key, unchanged."""
        row = _row(claim, LedgerState.CLAIMED, at)

        def work(connection: Connection) -> LedgerEntry | None:
            if claim.action:
                put_content(connection, claim.action)
            if insert_new(connection, LEDGER, row) and ledger_records.is_told_in_full(claim.effect_class.value):
                append(connection, ledger_records.claimed(claim, at))
            return _find(connection, claim.key)

        entry = await self._database.write(work)
        assert entry is not None  # inserted, or there before; nothing is ever deleted
        return entry

    async def send_new(self, claim: Claim, owner: str, at: Moment) -> LedgerEntry | None:
        """As `claim`, and then `mark_sent`, at one moment: for reads, of whose claim nothing is told.

        None, and nothing is entered, where an entry stands under the key. Raises ValueError for an effect.
        """
        if ledger_records.is_told_in_full(claim.effect_class.value):
            raise ValueError(f"{claim.effect_class.value}: of what is no read auditors learn that it is claimed")
        sent: dict[str, object] = {"generation": 1, "sends": 1, "owner": owner, "first_sent_at": at, "last_sent_at": at}
        row = _row(claim, LedgerState.SENT, at) | sent

        def work(connection: Connection) -> LedgerEntry | None:
            if claim.action:
                put_content(connection, claim.action)
            return _entry(row) if insert_new(connection, LEDGER, row) else None

        return await self._database.write(work)

    async def mark_sent(self, key: str, generation: int, owner: str, at: Moment) -> LedgerEntry | None:
        """Compare-and-set on key and generation, from claimed, sent or unknown to sent, both counters + 1.

        None: somebody else was faster, or the entry is final; nothing may be sent.
        """
        values = {"of_key": key, "of_generation": generation, "by_owner": owner, "at": at}

        def work(connection: Connection) -> LedgerEntry | None:
            row = _MARK_SENT.one_or_none(connection, values)
            if row is None:
                return None
            if ledger_records.is_told_in_full(row["effect_class"]):
                append(connection, ledger_records.sent(row, at))
            return _entry(row)

        return await self._database.write(work)

    async def finish(
        self,
        key: str,
        generation: int,
        state: LedgerState,
        outcome: ToolOutcome,
        content: bytes | None,
        at: Moment,
        who: str = "",
        evidence: str = "",
    ) -> bool:
        """Record the outcome, and the content under its digest, in one transaction.

        `who` says so, where a person does, by the decision with the nonce `evidence`; auditors are told.
        False: the generation is no longer current, or another final outcome stands; nothing was written.
        Recording what stands already is True, so that a commit whose answer was lost can be repeated.
        """
        if state not in RECORDABLE:
            raise ValueError(f"{state!r} is not an outcome; finish with one of {[s.value for s in RECORDABLE]}")
        address = None if content is None else digest(content)
        values = {"of_key": key, "of_generation": generation, "at": at}
        values |= {"final_state": state.value, "final_outcome": outcome, "address": address}

        def work(connection: Connection) -> bool:
            row = _FINISH.one_or_none(connection, values)
            if row is None:
                return _stands(_find(connection, key), generation, state, outcome)
            if content is not None:
                put_content(connection, content)
            append(connection, ledger_records.finished(row, at, who, evidence))
            return True

        return await self._database.write(work)

    async def release(self, key: str, generation: int, at: Moment | None = None) -> None:
        """Take a send back: nothing reached the server. Only for the current generation, and once.

        Back to claimed; to unknown when an earlier send was never answered. Without `at` the audit chain has the
        moment of the send.
        """
        earlier = ToolOutcome(status=CallStatus.UNKNOWN, message="an earlier send was never answered")
        values = {"of_key": key, "of_generation": generation, "earlier_outcome": earlier}

        def work(connection: Connection) -> None:
            row = _RELEASE.one_or_none(connection, values)
            if row is not None and ledger_records.is_told_in_full(row["effect_class"]):
                append(connection, ledger_records.released(row, at or row["last_sent_at"]))

        await self._database.write(work)

    async def looked_up(self, key: str, generation: int, lookups: int, at: Moment) -> LedgerEntry | None:
        """It was looked up once more and not found: compare-and-set on key, generation and `lookups`, to unknown.

        None: somebody else was faster, or the entry is final.
        """
        so_far = ToolOutcome(status=CallStatus.UNKNOWN, message="it was looked up, and not found")
        values = {"of_key": key, "of_generation": generation, "of_lookups": lookups, "at": at, "so_far": so_far}

        def work(connection: Connection) -> LedgerEntry | None:
            row = _LOOKED_UP.one_or_none(connection, values)
            if row is None:
                return None
            append(connection, ledger_records.looked_up(row, at))
            return _entry(row)

        return await self._database.write(work)

    async def answered(self, question: str, since: Moment) -> Answered | None:
        """The newest answer of a server to this question that came at `since` or later, whoever asked; else None."""
        values = {"of_question": question, "since": since}
        rows = await self._database.look_up(lambda connection: _ANSWERED.all(connection, values))
        found = (Answered.model_validate({"outcome": row["outcome"], "at": row["finished_at"]}) for row in rows)
        # An old answer that served once more has not become younger by that.
        return next((each for each in found if not each.outcome.age_seconds), None)

    async def written_since(self, resource: str, since: Moment, besides: str) -> bool:
        """Whether an effect under another key than `besides` on this resource was first sent later than `since`."""
        values = {"of_resource": resource, "since": since, "besides": besides}
        found = await self._database.look_up(lambda connection: _WRITTEN_SINCE.scalar(connection, values))
        return found is not None

    async def find(self, key: str) -> LedgerEntry | None:
        """The entry of `key`, or None."""
        return await self._database.look_up(lambda connection: _find(connection, key))

    async def sent(
        self, workflow_id: str, first_run_id: str, server: str, tool: str
    ) -> tuple[dict[str, JsonValue], ...]:
        """The arguments of every forward effect (any class but read) that this run has sent, whatever came of it."""
        values = {
            "of_workflow_id": workflow_id,
            "of_first_run_id": first_run_id,
            "of_server": server,
            "of_tool": tool,
        }
        return await self._database.look_up(lambda connection: tuple(_SENT.scalars(connection, values)))

    async def results_of(self, run: RunKey, step: str, most: int) -> tuple[KnownResult, ...]:
        """The answers of a run's step that have content, the newest first."""
        values = {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id, "of_step": step, "most": most}
        rows = await self._database.look_up(lambda connection: _RESULTS_OF.all(connection, values))
        return tuple(
            KnownResult(occurrence=row["occurrence"], tool=f"{row['server']}.{row['tool']}", address=row["content"])
            for row in rows
        )


def _row(claim: Claim, state: LedgerState, at: Moment) -> dict[str, object]:
    plain = claim.model_dump(mode="json", include=COLUMNS)
    return plain | {"claimed_at": at, "state": state.value, "generation": 0, "sends": 0}


def _find(connection: Connection, key: str) -> LedgerEntry | None:
    row = _FIND.one_or_none(connection, {"of_key": key})
    return None if row is None else _entry(row)


def _stands(entry: LedgerEntry | None, generation: int, state: LedgerState, outcome: ToolOutcome) -> bool:
    if entry is None:
        return False
    return (entry.generation, entry.state, entry.outcome) == (generation, state, outcome)


def _entry(row: Mapping[Any, Any]) -> LedgerEntry:
    return LedgerEntry.model_validate({name: row[name] for name in LedgerEntry.model_fields if name in row})

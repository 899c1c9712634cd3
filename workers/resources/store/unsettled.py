"""What runs left unsettled in the store, how it is settled once they are over, and what is reported of that."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from activities.conversations import RunKey
from activities.inbox import InboxEntry
from activities.ledger import LedgerState
from activities.notices import Notice, Route
from activities.orphans import (
    ORPHANED,
    UNANSWERED,
    Effect,
    Fate,
    OperatorsTold,
    Orphan,
    Place,
    Standing,
    Swept,
    Unsettled,
)
from activities.totals import Spending
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest, parse_json
from contracts.model import Moment
from contracts.tools import CallStatus, EffectClass, ToolOutcome
from workers.resources.store import ledger_records
from workers.resources.store.audit import append
from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.database import Database
from workers.resources.store.inbox import entry_of
from workers.resources.store.outbox import put_notices
from workers.resources.store.schema import AUDIT, LEDGER, REQUESTS, RESERVATIONS, STARTS
from workers.resources.store.totals import given_back, take_back

ORPHANS_READ = 10_000
_THE_FIRST = Place(since=datetime(1970, 1, 1, tzinfo=UTC), run=RunKey(workflow_id="", first_run_id=""))
NEVER_SENT = ToolOutcome(status=CallStatus.REFUSED, message="its run was over before this was sent; nothing was sent")
ONLY_READ = ToolOutcome(status=CallStatus.REFUSED, message="its run was over before this was answered; it only reads")
NOBODY_KNOWS = ToolOutcome(status=CallStatus.UNKNOWN, message="its run was over before an answer came; find out")


def _one_of(*states: LedgerState) -> str:
    """As the partial index has it: SQLite takes that index only for the very words."""
    return "ledger.state IN (" + ", ".join(f"'{state.value}'" for state in states) + ")"


# Built once: that costs more than running them.
_UNFINISHED: ColumnElement[bool] = literal_column(_one_of(LedgerState.CLAIMED, LedgerState.SENT, LedgerState.UNKNOWN))
_HAS_EFFECT = LEDGER.c.effect_class != EffectClass.READ.value
_BEFORE = bindparam("before", type_=MomentText)
_SAME_RUN = {
    table: and_(table.c.workflow_id == STARTS.c.workflow_id, table.c.first_run_id == STARTS.c.first_run_id)
    for table in (REQUESTS, LEDGER)
}


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text)


def _after(table: Table, since: str) -> Select[tuple[datetime, str, str]]:
    """Runs in the order of that moment, after a place among them."""
    place = (table.c[since], table.c.workflow_id, table.c.first_run_id)
    after = tuple_(bindparam("after", type_=MomentText), _text("after_workflow"), _text("after_first"))
    query = select(table.c[since].label("since"), table.c.workflow_id, table.c.first_run_id)
    query = query.where(table.c[since] <= _BEFORE, tuple_(*place) > after)
    return query.order_by(*place).limit(bindparam("at_most", type_=Integer))


_UNENDED = _after(STARTS, "registered_at").where(STARTS.c.ending.is_(None))
# What a run that has recorded its ending left behind; the others are found by having none.
_STILL_ASKING = (
    _after(REQUESTS, "opened_at")
    .join(STARTS, _SAME_RUN[REQUESTS])
    .where(REQUESTS.c.closed_at.is_(None), STARTS.c.ending.is_not(None), STARTS.c.ended_at <= _BEFORE)
)
_STILL_CLAIMING = (
    _after(LEDGER, "claimed_at")
    .join(STARTS, _SAME_RUN[LEDGER])
    .where(
        _UNFINISHED,
        LEDGER.c.state != LedgerState.UNKNOWN.value,
        STARTS.c.ending.is_not(None),
        STARTS.c.ended_at <= _BEFORE,
    )
)


def _of_run(table: Table) -> ColumnElement[bool]:
    return and_(
        table.c.workflow_id == bindparam("of_workflow_id"), table.c.first_run_id == bindparam("of_first_run_id")
    )


_START = select(STARTS.c.ending, STARTS.c.ended_at, STARTS.c.registered_at).where(_of_run(STARTS))
_REQUESTS = select(REQUESTS).where(_of_run(REQUESTS)).order_by(REQUESTS.c.opened_at, REQUESTS.c.request_id)
_LAST_MOVES = select(
    func.max(LEDGER.c.claimed_at), func.max(LEDGER.c.last_sent_at), func.max(LEDGER.c.finished_at)
).where(_of_run(LEDGER))
_LEFT = select(LEDGER).where(_of_run(LEDGER), _UNFINISHED).order_by(LEDGER.c.key)
_RESERVED = select(AUDIT.c.payload).where(_of_run(AUDIT), AUDIT.c.kind == AuditKind.RESERVED.value)
# Compare-and-set on state and generation: what a late worker sends or finishes meanwhile stands.
_SETTLE = (
    update(LEDGER)
    .where(
        LEDGER.c.key == bindparam("of_key"),
        LEDGER.c.state == bindparam("from_state"),
        LEDGER.c.generation == bindparam("of_generation"),
    )
    .values(
        state=bindparam("new_state"),
        outcome=bindparam("new_outcome", type_=JsonText),
        finished_at=bindparam("at", type_=MomentText),
    )
    .returning(LEDGER)
)
_REOPEN = update(REQUESTS).where(
    REQUESTS.c.request_id == bindparam("of_request"),
    REQUESTS.c.first_run_id == bindparam("of_first_run_id"),
    REQUESTS.c.closed_at.is_not(None),
)
_REOPEN = _REOPEN.values(closed_at=None, closing=None)

_LATER = AUDIT.alias("later")
_ACKNOWLEDGED_SINCE = select(_LATER.c.seq).where(
    _LATER.c.workflow_id == AUDIT.c.workflow_id,
    _LATER.c.first_run_id == AUDIT.c.first_run_id,
    _LATER.c.kind == AuditKind.ACKNOWLEDGED.value,
    _LATER.c.seq > AUDIT.c.seq,
)
_IS_ORPHAN: ColumnElement[bool] = literal_column(f"audit.kind = '{AuditKind.ORPHANED.value}'")
_REPORTED = (
    select(AUDIT.c.workflow_id, AUDIT.c.first_run_id, AUDIT.c.payload)
    .where(_IS_ORPHAN, ~_ACKNOWLEDGED_SINCE.exists())
    .order_by(AUDIT.c.workflow_id, AUDIT.c.first_run_id, AUDIT.c.seq)
)
_ANY_ORPHAN_OF_ENTRY = select(AUDIT.c.seq).where(
    _IS_ORPHAN, AUDIT.c.workflow_id == LEDGER.c.workflow_id, AUDIT.c.first_run_id == LEDGER.c.first_run_id
)
_WITHOUT_VERDICT = (
    select(LEDGER)
    .where(_UNFINISHED, LEDGER.c.state != LedgerState.CLAIMED.value, _HAS_EFFECT, _ANY_ORPHAN_OF_ENTRY.exists())
    .order_by(LEDGER.c.workflow_id, LEDGER.c.first_run_id, LEDGER.c.key)
)


class SqlUnsettled:
    """What a sweeper needs of the store, and the port `activities.orphans.Orphans`."""

    def __init__(self, database: Database, routes: Sequence[Route] = ()) -> None:
        self._database, self._routes = database, tuple(routes)

    async def page(self, after: Place | None, before: Moment, limit: int) -> tuple[Place, ...]:
        """Runs that were unsettled before then: without an ending, or with an ending and something left open."""
        start = after or _THE_FIRST
        values: dict[str, object] = {"before": before, "at_most": limit, "after": start.since}
        values |= {"after_workflow": start.run.workflow_id, "after_first": start.run.first_run_id}
        found: dict[RunKey, Place] = {}
        for query in (_UNENDED, _STILL_ASKING, _STILL_CLAIMING):
            for place in await self._places(query, values):
                found.setdefault(place.run, place)
        in_order = sorted(found.values(), key=lambda each: (each.since, each.run.workflow_id, each.run.first_run_id))
        return tuple(in_order[:limit])

    async def of(self, run: RunKey) -> Unsettled | None:
        """What stands of one run, as it is now; None when it was never registered."""
        values = _named(run)
        start = await self._database.read(lambda connection: connection.execute(_START, values).mappings().first())
        if start is None:
            return None
        rows = await self._database.read(lambda connection: connection.execute(_REQUESTS, values).mappings().all())
        moves = await self._database.read(lambda connection: tuple(connection.execute(_LAST_MOVES, values).one()))
        requests = tuple(entry_of(row) for row in rows)
        moments = [start["registered_at"], start["ended_at"], *moves]
        moments += [moment for entry in requests for moment in (entry.opened_at, entry.closed_at)]
        changed_at = max(moment for moment in moments if moment is not None)
        return Unsettled(ending=start["ending"] or "", changed_at=changed_at, requests=requests)

    async def registered(self, workflow_ids: Iterable[str]) -> dict[RunKey, Moment]:
        """When the runs of these names were registered."""
        query = select(STARTS.c.workflow_id, STARTS.c.first_run_id, STARTS.c.registered_at)
        query = query.where(STARTS.c.workflow_id.in_(list(workflow_ids)))
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return {_run(row): row["registered_at"] for row in rows}

    async def settle(
        self,
        run: RunKey,
        fate: Fate,
        requests: tuple[str, ...],
        at: Moment,
        operators_told: OperatorsTold,
        *,
        ended_by_itself: bool = False,
    ) -> Swept:
        """Release what was never sent, mark what nobody knows, and record both, in one transaction.

        What was sent is neither sent again nor said to have happened or not. `requests` were closed before, and are
        only told of; `ended_by_itself`: it has recorded an ending.
        """

        def work(connection: Connection) -> Swept:
            rows = connection.execute(_LEFT, _named(run)).mappings().all()
            settled = [row for row in (_settled(connection, row, at) for row in rows) if row is not None]
            returned = _give_back(connection, run, at)
            left = connection.execute(_LEFT, _named(run)).mappings().all()
            swept = Swept(
                requests=requests,
                abandoned=tuple(row["key"] for row in settled if row["state"] == LedgerState.ABANDONED.value),
                without_verdict=tuple(_effects(left)),
            )
            if ended_by_itself and not (requests or settled or returned):
                return Swept()
            moved = [ledger_records.finished(row, at) for row in settled]
            # Last, as everybody does: whoever holds the head of a stream waits for no row.
            append(connection, *moved, *returned, _orphaned(run, fate, ended_by_itself, swept, at))
            put_notices(connection, operators_told(swept.without_verdict), self._routes, at)
            return swept

        return await self._database.write(work)

    async def reopen(self, entry: InboxEntry, at: Moment, notices: tuple[Notice, ...] = ()) -> None:
        """List a closed request again, because its run waits for it; people are told. An open one stays as it is."""
        values = {"of_request": entry.request_id, "of_first_run_id": entry.first_run_id}
        record = AuditRecord(
            kind=AuditKind.REQUEST_REOPENED,
            at=at,
            workflow_id=entry.workflow_id,
            first_run_id=entry.first_run_id,
            about=entry.request_id,
            facts={"was": entry.outcome},
        )

        def work(connection: Connection) -> None:
            if connection.execute(_REOPEN, values).rowcount:
                append(connection, record)
                put_notices(connection, notices, self._routes, at)

        await self._database.write(work)

    async def orphans(self, limit: int) -> tuple[Orphan, ...]:
        """Runs that were swept and not acknowledged: those with effects without a verdict first, then the latest."""
        reported = await self._database.read(
            lambda connection: connection.execute(_REPORTED.limit(ORPHANS_READ)).mappings().all()
        )
        left = await self._database.read(lambda connection: connection.execute(_WITHOUT_VERDICT).mappings().all())
        of_run: dict[RunKey, list[RowMapping]] = {}
        for row in left:
            of_run.setdefault(_run(row), []).append(row)
        latest = {_run(row): _record(row["payload"]) for row in reported}
        told = [
            _orphan(run, record, of_run.get(run, ()))
            for run, record in latest.items()
            if of_run.get(run) or not _ended_well(record)
        ]
        told.sort(key=lambda each: (not each.without_verdict, -each.swept_at.timestamp(), each.workflow_id))
        return tuple(told[:limit])

    async def acknowledge(self, workflow_id: str, by: str, note: str, at: Moment) -> int:
        """Take the runs of this name out of the report, and say who did; how many that were."""
        query = _REPORTED.where(AUDIT.c.workflow_id == workflow_id)

        def work(connection: Connection) -> int:
            runs = list(dict.fromkeys(_run(row) for row in connection.execute(query).mappings()))
            append(connection, *(_acknowledged(run, by, note, at) for run in runs))
            return len(runs)

        return await self._database.write(work)

    async def _places(self, query: Select[tuple[datetime, str, str]], values: dict[str, object]) -> list[Place]:
        rows = await self._database.read(lambda connection: connection.execute(query, values).mappings().all())
        return [Place(since=row["since"], run=_run(row)) for row in rows]


def _settled(connection: Connection, row: RowMapping, at: Moment) -> RowMapping | None:
    """The entry as it stands afterwards; None when it stays as it is, or somebody moves it at this moment."""
    settlement = _settlement(LedgerState(row["state"]), EffectClass(row["effect_class"]))
    if settlement is None:
        return None
    state, outcome = settlement
    values = {
        "of_key": row["key"],
        "from_state": row["state"],
        "of_generation": row["generation"],
        "new_state": state.value,
        "new_outcome": outcome,
        "at": at,
    }
    return connection.execute(_SETTLE, values).mappings().one_or_none()


def _settlement(state: LedgerState, effect_class: EffectClass) -> tuple[LedgerState, ToolOutcome] | None:
    """What becomes of an unfinished entry; None: it stays unknown, for people to find out."""
    if state is LedgerState.CLAIMED:
        return LedgerState.ABANDONED, NEVER_SENT
    if effect_class is EffectClass.READ:
        return LedgerState.ABANDONED, ONLY_READ
    return (LedgerState.UNKNOWN, NOBODY_KNOWS) if state is LedgerState.SENT else None


def _give_back(connection: Connection, run: RunKey, at: Moment) -> list[AuditRecord]:
    """What was reserved for calls of which nothing was sent: they were abandoned, or never even claimed."""
    records = [_record(payload) for payload in connection.scalars(_RESERVED, _named(run))]
    actions = {str(record.facts.get("key")): record.about for record in records}
    if not actions:
        return []
    may_have_happened = or_(LEDGER.c.state != LedgerState.ABANDONED.value, LEDGER.c.sends > 0)
    of_them = and_(LEDGER.c.key.in_(actions), may_have_happened)
    kept = set(connection.scalars(select(LEDGER.c.key).where(of_them)))
    standing = select(RESERVATIONS.c.total, RESERVATIONS.c.key)
    standing = standing.where(RESERVATIONS.c.key.in_(actions.keys() - kept), RESERVATIONS.c.released == false())
    shares = sorted((row.total, row.key) for row in connection.execute(standing))
    return [
        given_back(Spending(key=key, action_digest=actions[key], run=run), total, at)
        for total, key in shares
        if take_back(connection, key, total)
    ]


def _orphaned(run: RunKey, fate: Fate, ended_by_itself: bool, swept: Swept, at: Moment) -> AuditRecord:
    facts: dict[str, JsonValue] = {
        "fate": fate.standing.value,
        "temporal_run": fate.temporal_run_id,
        "ended_by_itself": ended_by_itself,
        "requests": list(swept.requests),
        "abandoned": list(swept.abandoned),
        "unknown": [effect.key for effect in swept.without_verdict],
    }
    named = run.model_dump()
    return AuditRecord(kind=AuditKind.ORPHANED, at=at, **named, about=ORPHANED, facts=facts, once=digest(facts))


def _acknowledged(run: RunKey, by: str, note: str, at: Moment) -> AuditRecord:
    facts: dict[str, JsonValue] = {"note": note}
    named = run.model_dump()
    return AuditRecord(kind=AuditKind.ACKNOWLEDGED, at=at, **named, who=by, about=ORPHANED, facts=facts)


def _ended_well(record: AuditRecord) -> bool:
    """Of such a run nothing is worth a report but what nobody knows."""
    return record.facts.get("ended_by_itself") is True and record.facts.get("fate") == Standing.COMPLETED.value


def _orphan(run: RunKey, record: AuditRecord, left: Iterable[RowMapping]) -> Orphan:
    requests, abandoned = record.facts.get("requests"), record.facts.get("abandoned")
    return Orphan(
        **run.model_dump(),
        ending=str(record.facts.get("fate")),
        swept_at=record.at,
        requests=tuple(map(str, requests)) if isinstance(requests, list) else (),
        abandoned=len(abandoned) if isinstance(abandoned, list) else 0,
        without_verdict=tuple(_effects(left)),
    )


def _effects(rows: Iterable[RowMapping]) -> Iterable[Effect]:
    for row in rows:
        if row["state"] in UNANSWERED and row["effect_class"] != EffectClass.READ.value:
            named = {name: row[name] for name in ("key", "server", "tool", "step", "occurrence")}
            yield Effect(**named, sent_at=row["last_sent_at"])


def _record(payload: str) -> AuditRecord:
    return AuditRecord.model_validate(parse_json(payload))


def _run(row: Mapping[str, str] | RowMapping) -> RunKey:
    return RunKey(workflow_id=row["workflow_id"], first_run_id=row["first_run_id"])


def _named(run: RunKey) -> dict[str, str]:
    return {"of_workflow_id": run.workflow_id, "of_first_run_id": run.first_run_id}

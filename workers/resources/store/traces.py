"""What the store keeps of runs about people: which runs concern somebody, how much it is, what still stands."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, func, select

from activities.conversations import RunKey
from activities.erasing import Trace
from activities.ledger import LedgerState
from contracts.audit import AuditKind
from contracts.tools import EffectClass
from workers.resources.store.schema import AUDIT, LEDGER, OUTBOX, REQUESTS, STARTS, TURNS

AT_A_TIME = 500
IN_FLIGHT = (LedgerState.CLAIMED.value, LedgerState.SENT.value)


def of_run(table: Table, run: RunKey) -> ColumnElement[bool]:
    """The rows of one run."""
    return and_(table.c.workflow_id == run.workflow_id, table.c.first_run_id == run.first_run_id)


def run_of(row: RowMapping) -> RunKey:
    """The run of a row."""
    return RunKey(workflow_id=row["workflow_id"], first_run_id=row["first_run_id"])


def in_parts(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """The values in order, so many at a time as a statement takes."""
    ordered = sorted(values)
    return (ordered[first : first + AT_A_TIME] for first in range(0, len(ordered), AT_A_TIME))


def starts_about(connection: Connection, subject: str, names: Iterable[str]) -> list[RowMapping]:
    """The start records that name the subject, and those with these workflow ids, the oldest first."""
    wanted = set(names)
    query = select(STARTS).order_by(STARTS.c.registered_at, STARTS.c.workflow_id)
    rows = connection.execute(query, execution_options={"yield_per": AT_A_TIME}).mappings()
    return [row for row in rows if row["workflow_id"] in wanted or _names(row, subject)]


def erased_runs(connection: Connection) -> set[RunKey]:
    """Those that were erased: what they still name they no longer need."""
    query = select(STARTS.c.workflow_id, STARTS.c.first_run_id).where(STARTS.c.erased_at.is_not(None))
    return {run_of(row) for row in connection.execute(query).mappings()}


def trace_of(connection: Connection, start: RowMapping, subject: str, notices: int) -> Trace:
    """What is kept of one run."""
    run = run_of(start)
    return Trace(
        run=run,
        ending=start["ending"] or "",
        turns=_count(connection, TURNS, run),
        calls=_count(connection, LEDGER, run),
        requests=_count(connection, REQUESTS, run),
        notices=notices,
        stands=_stands(connection, start, run),
        erased_at=start["erased_at"],
        keyed=bool(subject) and start["business_key"] == subject,
    )


def notices_of(connection: Connection, runs: Iterable[RunKey]) -> dict[RunKey, list[RowMapping]]:
    """The notices about each of these runs."""
    found: dict[RunKey, list[RowMapping]] = {run: [] for run in runs}
    rows = connection.execute(select(OUTBOX), execution_options={"yield_per": AT_A_TIME}).mappings()
    for row in rows:
        run = RunKey(workflow_id=row["notice"]["workflow_id"], first_run_id=row["notice"]["first_run_id"])
        if run in found:
            found[run].append(row)
    return found


def _names(start: RowMapping, subject: str) -> bool:
    statement = start["start"]
    asked = (statement.get("requester"), *statement.get("on_behalf_of", ()))
    return subject in asked or any(text == subject for text in _texts(start["request"]))


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)


def _stands(connection: Connection, start: RowMapping, run: RunKey) -> str:
    """Why nothing of the run may be emptied yet: somebody still needs it."""
    if start["ending"] is None:
        return "it is under way; cancel it first, and wait for its ending"
    if connection.scalar(select(REQUESTS.c.request_id).where(of_run(REQUESTS, run), REQUESTS.c.closed_at.is_(None))):
        return "a request of it is still open; a worker closes it within minutes"
    if connection.scalar(select(LEDGER.c.key).where(of_run(LEDGER, run), LEDGER.c.state.in_(IN_FLIGHT)).limit(1)):
        return "a call of it is under way; a worker settles it within minutes"
    if _unknown_effects(connection, run) and not _acknowledged(connection, run):
        return "nobody knows whether an effect of it happened; find out, then `interlock runs orphans --acknowledge`"
    return ""


def _unknown_effects(connection: Connection, run: RunKey) -> int:
    unknown = (LEDGER.c.state == LedgerState.UNKNOWN.value, LEDGER.c.effect_class != EffectClass.READ.value)
    return connection.execute(select(func.count()).where(of_run(LEDGER, run), *unknown)).scalar_one()


def _acknowledged(connection: Connection, run: RunKey) -> bool:
    """Somebody has seen to what the run left behind, or it was never reported: people have ended it knowing that."""
    told = select(AUDIT.c.kind).where(
        of_run(AUDIT, run), AUDIT.c.kind.in_([AuditKind.ORPHANED.value, AuditKind.ACKNOWLEDGED.value])
    )
    last = connection.scalar(told.order_by(AUDIT.c.seq.desc()).limit(1))
    return last != AuditKind.ORPHANED.value


def _count(connection: Connection, table: Table, run: RunKey) -> int:
    return connection.execute(select(func.count()).select_from(table).where(of_run(table, run))).scalar_one()

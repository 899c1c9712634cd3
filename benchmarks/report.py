"""The tables for people: what was measured side by side, and at the end each promise."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.promises import Promise, Verdict
from benchmarks.records import Record, Records

LOOP_TABLES = {"loops": "loops (medians)", "workers": "two workers each (medians)"}
"""Scenario -> the title of its table."""
LOOP_COLUMNS = {
    "cpu_ms_per_turn": "CPU ms/turn",
    "worker_cpu_ms_per_turn": "worker",
    "server_cpu_ms_per_turn": "server",
    "turns_per_s": "turns/s",
    "history_bytes": "history B",
    "history_events": "events",
    "largest_payload_bytes": "payload B",
    "sent_bytes": "to model B",
    "same_prefix_share": "same",
    "cache_read_share": "cached",
    "worker_memory_mb": "MB",
}


def tables(records: Records, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Every line."""
    yield from _loops(records, "loops")
    yield from _loops(records, "workers")
    yield from _others(records)
    yield from (f"note: {note}" for note in records.notes)
    yield from (f"FAILED: {failure}" for failure in records.failures)
    yield ""
    yield from promise_table(verdicts)


def promise_table(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Each promise, the measured number, the wanted one, and whether it is met."""
    yield f"{'promise':48}{'measured':>12} {'wanted':>26}  verdict"
    for verdict in verdicts:
        promise, measured = verdict.promise, _with_unit(verdict.measured, verdict.promise.unit)
        yield f"{promise.name:48}{measured:>12} {_wanted(promise):>26}  {verdict.says}"


def _wanted(promise: Promise) -> str:
    limit = f"{'at least' if promise.at_least else 'at most'} {_with_unit(promise.limit, promise.unit)}"
    return limit if promise.aim is None else f"{limit} (aim {_number(promise.aim)})"


def _with_unit(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.2f}"


def _loops(records: Records, scenario: str) -> Iterator[str]:
    kinds = dict.fromkeys(_kind(record) for record in records.kept if record.scenario == scenario)
    if not kinds:
        return
    yield f"{LOOP_TABLES[scenario]:46}" + "".join(f"{title:>12}" for title in LOOP_COLUMNS.values())
    for about in sorted(kinds):
        for contestant in ("interlock", "loop"):
            values = [records.median(name, scenario, contestant, **dict(about)) for name in LOOP_COLUMNS]
            named = f"{contestant:10}" + " ".join(f"{name}={value}" for name, value in about)
            yield f"{named:46}" + "".join(f"{_with_unit(value, ''):>12}" for value in values)
    yield ""


def _kind(record: Record) -> tuple[tuple[str, int | str], ...]:
    return tuple((name, value) for name, value in record.about.items() if name != "round")


def _others(records: Records) -> Iterator[str]:
    for record in records.kept:
        if record.scenario not in LOOP_TABLES:
            about = " ".join(f"{name}={value}" for name, value in record.about.items())
            numbers = "  ".join(f"{name} {_number(value)}" for name, value in record.measured.items())
            yield f"{record.scenario} {record.contestant} {about}: {numbers}"

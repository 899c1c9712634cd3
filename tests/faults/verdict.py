"""Whether everything happened once, and whether everybody agrees: pure functions over the collected facts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from contracts.tools import EffectClass
from tests.faults.bank.journal import Line, What
from tests.faults.bank.misbehaviour import OF_NAME, Means
from tests.faults.expected import (
    HITS_THAT_NEED_A_PERSON,
    LOOKED_UP,
    MAY_ESCALATE,
    SETTLED_CLASSES,
    SETTLED_WITHIN_SECONDS,
)
from tests.faults.facts import Call, Facts, LedgerRow, call_of
from tests.faults.phases import may_have_happened
from tests.faults.planned import CLASS_OF, Effect

HAPPENED = ("done", "adopted")
FINAL = (*HAPPENED, "said_no", "refused", "not_happened")
FOUND_OUT = ("happened", "did_not_happen")
"""Verdicts on a call that was never answered."""
NAMED = ("paid", "taken_back")


class Trouble(NamedTuple):
    """Something that must not be."""

    kind: str
    what: str


def troubles(facts: Facts) -> list[Trouble]:
    """Everything that is wrong; empty when all is well."""
    return [
        *_not_in_a_named_state(facts),
        *_lost_or_duplicated(facts),
        *_ledger_left_open(facts),
        *_ledger_against_bank(facts),
        *_completed_twice(facts),
        *_escalated_without_need(facts),
        *_misjudged(facts),
        *(Trouble("audit", finding) for finding in facts.audit),
    ]


def effects(journal: list[Line]) -> Counter[Effect]:
    """What the bank has done."""
    return Counter((line.tool, line.memo) for line in journal if line.what is What.EFFECT)


def _not_in_a_named_state(facts: Facts) -> Iterator[Trouble]:
    for run in facts.runs:
        ending = facts.endings.get(run.id, "")
        if ending != run.ending:
            yield Trouble("ending", f"{run.id} is in {ending or 'no state that anybody knows'!r}, not {run.ending!r}")


def _lost_or_duplicated(facts: Facts) -> Iterator[Trouble]:
    expected: Counter[Effect] = Counter()
    for run in facts.runs:
        expected += run.effects()
    recorded = effects(facts.journal)
    for (tool, memo), count in sorted((expected - recorded).items()):
        yield Trouble("lost", f"{tool} {memo}: {count} too few")
    for (tool, memo), count in sorted((recorded - expected).items()):
        yield Trouble("duplicated", f"{tool} {memo}: {count} too many")


def _ledger_left_open(facts: Facts) -> Iterator[Trouble]:
    """All are final when everything is over: also what a person had to find out."""
    for row in facts.ledger:
        if row.state not in FINAL:
            yield Trouble("ledger open", f"{row.tool} {row.memo} ({row.step} {row.occurrence}): {row.state}")


def _ledger_against_bank(facts: Facts) -> Iterator[Trouble]:
    """What has happened by the ledger is recorded by the bank, and the other way round."""
    recorded = effects(facts.journal)
    rows = [row for row in facts.ledger if row.effect_class is not EffectClass.READ]
    done = Counter((row.tool, row.memo) for row in rows if row.state in HAPPENED)
    for tool, memo in sorted(done.keys() - recorded.keys()):
        yield Trouble("ledger without effect", f"{tool} {memo} is done in the ledger; the bank has not heard of it")
    for tool, memo in sorted(recorded.keys() - done.keys()):
        yield Trouble("effect without ledger", f"the bank has done {tool} {memo}; the ledger does not say so")
    for (tool, memo), count in sorted(done.items()):
        if count > 1:
            yield Trouble("ledger twice", f"{tool} {memo} is done {count} times under different keys")


def _completed_twice(facts: Facts) -> Iterator[Trouble]:
    for call, count in sorted(facts.completed.items()):
        if count > 1:
            yield Trouble("history", f"{call} was completed {count} times")
    if missing := {row.call for row in facts.ledger if row.state == "done"} - facts.completed.keys():
        yield Trouble(
            "history", f"{len(missing)} calls are done in the ledger and in no history: {sorted(missing)[:3]}"
        )


def _escalated_without_need(facts: Facts) -> Iterator[Trouble]:
    hits = hits_after_the_send(facts)
    for row in escalated(facts):
        name = f"{row.effect_class.value} {row.tool} {row.memo}"
        needed = HITS_THAT_NEED_A_PERSON.get(row.effect_class)
        if needed is None:
            yield Trouble("escalated", f"{name}: this class needs nobody")
        elif hits[row.call] < needed:
            hit = f"hit {hits[row.call]} times between its send and its record, not {needed}"
            yield Trouble("escalated", f"{name}: {hit}")


def _misjudged(facts: Facts) -> Iterator[Trouble]:
    """Each kind of misbehaviour says something of the effect, and the gate must take it for that and nothing else."""
    for row in facts.ledger:
        kind = OF_NAME.get(facts.misbehaved.get(row.memo, ""))
        if kind is None or row.step.startswith("undo") or row.occurrence != "1":
            continue
        if problem := _misjudgement(kind.means, row):
            yield Trouble("misjudged", f"{kind.name} at {row.tool} {row.memo}: {problem}")


def _misjudgement(means: Means, row: LedgerRow) -> str:
    stands = f"it stands as {row.state} after {row.sends} sends"
    match means:
        case Means.DONE | Means.NOT_SENT:
            return "" if (row.state, row.sends) == ("done", 1) else stands
        case Means.SAID_NO:
            return "" if (row.state, row.sends) == ("said_no", 1) else stands
        case Means.UNKNOWN if row.effect_class in MAY_ESCALATE:
            return "" if row.state in ("unknown", "adopted", "not_happened") and row.sends == 1 else stands
        case Means.UNKNOWN if row.effect_class in LOOKED_UP:
            found, sent_again = row.state == "adopted", row.state in HAPPENED and row.sends > 1
            return "" if found or sent_again else stands
        case Means.UNKNOWN:
            return "" if row.state == "done" and row.sends > 1 else stands


def escalated(facts: Facts) -> list[LedgerRow]:
    """Calls of which a person had to say whether they happened."""
    asked = {(each.tool, each.memo) for each in facts.answered if each.verdict in FOUND_OUT}
    found_out = ("adopted", "not_happened")
    return [
        row
        for row in facts.ledger
        if row.state == "unknown" or (row.state in found_out and (row.tool, row.memo) in asked)
    ]


def hits_after_the_send(facts: Facts) -> Counter[Call]:
    """How often each call was hit between its send and its record."""
    met = [call for kill in facts.kills for call in kill.calls] + [strike.call for strike in facts.strikes]
    return Counter(call_of(call) for call in met if may_have_happened(call.phase))


class Settling(NamedTuple):
    """How long interrupted calls of keyed and idempotent tools took to be settled, in seconds, sorted."""

    once: list[float]
    """Those that were hit by one kill."""
    again: list[float]
    """Those that were hit again while they waited, seen or unseen, counted from the last kill that was seen."""

    late: list[str]
    """Of those that were hit by one kill: which took too long, when they were hit, and how long it was."""


def settling(facts: Facts) -> Settling:
    """From the kill, or the moment a worker was back after it, to the record in the ledger."""
    finished = {
        row.call: row.finished_at.timestamp()
        for row in facts.ledger
        if row.effect_class in SETTLED_CLASSES and row.finished_at is not None
    }
    hits: dict[Call, list[float]] = {}
    for kill in facts.kills:
        for flight in kill.calls:
            if CLASS_OF[flight.tool] in SETTLED_CLASSES and finished.get(call_of(flight), 0.0) > kill.at:
                hits.setdefault(call_of(flight), []).append(kill.at)
    once: dict[Call, float] = {}
    again: list[float] = []
    for call, at in hits.items():
        seconds = finished[call] - _back_after(max(at), facts)
        if len(at) > 1 or call in facts.unseen:
            again.append(seconds)
        else:
            once[call] = seconds
    late = [
        f"{' '.join(call)}, hit at {_clock(hits[call][0])}: {seconds:.1f} s"
        for call, seconds in once.items()
        if seconds > SETTLED_WITHIN_SECONDS
    ]
    return Settling(sorted(once.values()), sorted(again), late)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def _back_after(killed_at: float, facts: Facts) -> float:
    """When a worker was there: at once if others live on, which `ready` and `kills` tell."""
    alive = sum(moment <= killed_at for moment in facts.ready) - sum(kill.at <= killed_at for kill in facts.kills)
    if alive > 0:
        return killed_at
    return min((moment for moment in facts.ready if moment > killed_at), default=killed_at)

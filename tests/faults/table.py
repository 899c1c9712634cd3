"""What was done and what came of it, in rows for people."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contracts.tools import EffectClass
from tests.faults.expected import SETTLED_WITHIN_SECONDS
from tests.faults.facts import Facts
from tests.faults.phases import FAILPOINTS, GROUPS, group_of, is_effect_in_flight
from tests.faults.planned import CLASS_OF
from tests.faults.verdict import Settling, Trouble, effects, escalated, settling, troubles


@dataclass
class Judged:
    """One lane, its facts, and what is wrong with them."""

    store: str
    lane: str
    facts: Facts
    seconds: float
    alone: bool = True
    """It had the machine to itself: only then a time in it says anything."""
    broken: str = ""
    """Why there are no facts."""

    @property
    def troubles(self) -> list[Trouble]:
        """See verdict.troubles."""
        return [Trouble("lane", self.broken)] if self.broken else troubles(self.facts)

    def row(self) -> str:
        """One line of the table."""
        wrong = Counter(trouble.kind for trouble in self.troubles)
        counts = (
            len(self.facts.runs),
            sum(effects(self.facts.journal).values()),
            len(self.facts.kills),
            wrong["lost"],
            wrong["duplicated"],
            len(escalated(self.facts)),
            sum(wrong.values()),
        )
        return f"{self.store:11}{self.lane:32}{''.join(f'{count:>11,}' for count in counts)}{self.seconds:>8.0f} s"


HEAD = f"{'store':11}{'lane':32}" + "".join(
    f"{name:>11}" for name in ("runs", "effects", "kills", "lost", "duplicated", "escalated", "problems")
)


def rows(judged: list[Judged]) -> Iterator[str]:
    """The table, and below it what the kills met, what was escalated, and how soon calls were settled."""
    yield HEAD
    yield from (each.row() for each in judged)
    facts = [each.facts for each in judged]
    yield ""
    yield from _kills(facts)
    yield from _escalations(facts)
    yield _settled(settling(each.facts) for each in judged if each.alone)


def _kills(facts: list[Facts]) -> Iterator[str]:
    drawn = [kill for each in facts for kill in each.kills if not kill.failpoint]
    groups = Counter(group for kill in drawn for group in {group_of(call.phase) for call in kill.calls})
    share = " ".join(f"{group} {_percent(groups[group], len(drawn))}" for group in GROUPS)
    yield f"of {len(drawn)} kills at random {_percent(in_flight(facts), len(drawn))} with an effect in flight: {share}"
    hit = Counter(kill.failpoint for each in facts for kill in each.kills if kill.failpoint in FAILPOINTS)
    if hit:
        fewest = min(hit[failpoint] for failpoint in FAILPOINTS)
        yield f"{len(FAILPOINTS)} failpoints, {sum(hit.values())} hits, each {fewest} times at least"


def in_flight(facts: Iterable[Facts]) -> int:
    """Kills at random that met an effect on its way: sent, and not recorded."""
    return sum(
        any(is_effect_in_flight(call.phase) and CLASS_OF[call.tool] is not EffectClass.READ for call in kill.calls)
        for each in facts
        for kill in each.kills
        if not kill.failpoint
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def _escalations(facts: list[Facts]) -> Iterator[str]:
    found = Counter(row.effect_class for each in facts for row in escalated(each))
    yield "escalations: " + ", ".join(f"{found[each]} {each.value}" for each in EffectClass)


def _settled(found: Iterable[Settling]) -> str:
    each = list(found)
    once = sorted(seconds for settled in each for seconds in settled.once)
    again = sorted(seconds for settled in each for seconds in settled.again)
    return (
        f"keyed and idempotent calls that a kill interrupted are settled after (p50, max): {_spread(once)}; "
        f"hit again while they waited: {_spread(again)}; promised: {SETTLED_WITHIN_SECONDS:.0f} s"
    )


def _spread(seconds: list[float]) -> str:
    return f"{len(seconds)} calls, {seconds[len(seconds) // 2]:.1f} s, {seconds[-1]:.1f} s" if seconds else "none"

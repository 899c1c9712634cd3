"""What was promised, beside what was measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.measuring.numbers import ratio
from benchmarks.records import Records

Number = Callable[[Records], float | None]
About = dict[str, int | str]


@dataclass(frozen=True)
class Promise:
    """One promise: a number, and how much of it is wanted."""

    name: str
    number: Number
    limit: float
    aim: float | None = None
    at_least: bool = False
    unit: str = ""

    def verdict(self, records: Records) -> "Verdict":
        """How it stands."""
        return Verdict(self, self.number(records))


@dataclass(frozen=True)
class Verdict:
    """A promise, and what was measured of it; None: nothing was."""

    promise: Promise
    measured: float | None

    @property
    def says(self) -> str:
        """`met`, `missed` or `not measured`."""
        if self.measured is None:
            return "not measured"
        if self.promise.at_least:
            return "met" if self.measured >= self.promise.limit else "missed"
        return "met" if self.measured <= self.promise.limit else "missed"

    def line(self) -> dict[str, object]:
        """For the JSON lines."""
        promise = self.promise
        wanted = {"limit": promise.limit, "aim": promise.aim, "at_least": promise.at_least}
        return {"promise": promise.name, "measured": self.measured, "verdict": self.says, **wanted}


def of(number: str, scenario: str, **about: int | str) -> Number:
    """A number of Interlock's as it is, the median of its rounds."""
    return lambda records: records.median(number, scenario, "interlock", **about)


def beside(number: str, scenario: str, **about: int | str) -> Number:
    """A number of Interlock's, in times the loop's."""

    def times(records: Records) -> float | None:
        ours = records.median(number, scenario, "interlock", **about)
        theirs = records.median(number, scenario, "loop", **about)
        return None if ours is None or theirs is None else ratio(ours, theirs)

    return times


def growth(number: str, later: dict[str, int | str], earlier: dict[str, int | str], scenario: str) -> Number:
    """How many times as much it is later."""

    def times(records: Records) -> float | None:
        last = records.median(number, scenario, "interlock", **later)
        first = records.median(number, scenario, "interlock", **earlier)
        return None if last is None or first is None else ratio(last, first)

    return times


def _memory_growth(records: Records) -> float | None:
    """The most at half of the way or later, in times what it was at a quarter."""
    at = {share: records.median(f"memory_at_{share}_mb", "load", "interlock") for share in (25, 50, 75, 100)}
    later = [value for share in (50, 75, 100) if (value := at[share]) is not None]
    return None if at[25] is None or not later else ratio(max(later), at[25])


SHORT: About = {"turns": 5, "page_kb": 1}
HEAVY: About = {"turns": 50, "page_kb": 20, "concurrency": 1}
KIB = 1024
CROWDS = (1, 100, 1000)


def promises() -> Iterator[Promise]:
    """All of them, in the order of the table."""
    yield Promise("history per turn, 20 KB, turn 5", of("history_bytes", "long", turn=5), 3 * KIB, 1536, unit="B")
    yield Promise("history per turn, 20 KB, turn 500", of("history_bytes", "long", turn=500), 3 * KIB, 1536, unit="B")
    yield Promise("events per turn, 20 KB, turn 500", of("history_events", "long", turn=500), 9, 8)
    grows = growth("history_bytes", {"turn": 500}, {"turn": 5}, "long")
    yield Promise("history per turn, turn 500 : turn 5", grows, 1.05, unit="x")
    yield Promise("largest payload of 500 turns", of("largest_payload_bytes", "long", turns=500), 64 * KIB, unit="B")
    yield Promise("values of turn 3 needed and got", of("recalled", "long", turns=500), 2, at_least=True)
    yield Promise("2,000 turns: Temporal runs in the chain", of("chain", "long", turns=2000), 2, at_least=True)
    yield Promise("total history, 50 turns, 20 KB", beside("history_bytes", "loops", **HEAVY), 0.01, unit="x")
    yield Promise("CPU, 50 turns, 20 KB", beside("cpu_ms_per_turn", "loops", **HEAVY), 2 / 3, 0.5, unit="x")
    for at_once, weight in ((1, ""), (50, ", 50 at once")):
        cpu = beside("cpu_ms_per_turn", "loops", **SHORT, concurrency=at_once)
        yield Promise(f"CPU, 5 turns, 1 KB{weight}", cpu, 1.25, 1.0, unit="x")
    speed = beside("turns_per_s", "loops", **SHORT, concurrency=50)
    yield Promise("throughput, 5 turns, 1 KB, 50 at once", speed, 0.8, at_least=True, unit="x")
    speed = beside("turns_per_s", "workers", **SHORT, concurrency=50)
    yield Promise("the same with two workers each", speed, 0.8, at_least=True, unit="x")
    yield Promise("bytes to the model, 50 turns, 20 KB", beside("sent_bytes", "loops", **HEAVY), 0.25, unit="x")
    share = of("same_prefix_share", "loops", **HEAVY)
    yield Promise("bytes as in the request before, turns 5 to 50", share, 0.8, at_least=True)
    for waiting in CROWDS:
        yield Promise(
            f"approval to effect, p50, {waiting} waiting",
            beside("p50_ms", "approvals", waiting=waiting),
            2.5,
            1.5,
            unit="x",
        )
    memory = of("memory_per_run_mb", "approvals", waiting=1000)
    yield Promise("worker memory per waiting run", memory, 0.2, unit="MB")
    yield Promise("1,000 runs, 4 workers: timeouts", of("timed_out", "load"), 0)
    yield Promise("1,000 runs, 4 workers: ended well", of("runs", "load", active=1000), 1000, at_least=True)
    yield Promise("1,000 runs, 4 workers: memory, later : at 25 %", _memory_growth, 1.2, unit="x")
    yield Promise("starts past the load: refused", of("refused_of_more", "load"), 1, at_least=True)


def verdicts(records: Records) -> list[Verdict]:
    """How all of them stand."""
    return [promise.verdict(records) for promise in promises()]

"""What was measured: one record for each thing measured of one contestant, one line of JSON each."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.measuring.numbers import median


@dataclass(frozen=True)
class Record:
    """Numbers of one contestant in one scenario. Units stand at the end of each name."""

    scenario: str
    contestant: str
    about: dict[str, int | str] = field(default_factory=dict)
    """What was done: turns, page_bytes, concurrency, waiting ..."""
    measured: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


@dataclass
class Records:
    """Everything that was measured so far, and what could not be."""

    kept: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What whoever reads the numbers must know."""
    failures: list[str] = field(default_factory=list)
    """Scenarios that broke off, and why: what they had measured by then stands."""

    def add(self, record: Record) -> None:
        """One more."""
        self.kept.append(record)

    def of(self, scenario: str, contestant: str, **about: int | str) -> list[Record]:
        """Those of one scenario and contestant that are about this."""
        return [
            each
            for each in self.kept
            if (each.scenario, each.contestant) == (scenario, contestant) and about.items() <= each.about.items()
        ]

    def median(self, number: str, scenario: str, contestant: str, **about: int | str) -> float | None:
        """The median of a number over all rounds; None where it was not measured."""
        found = [each.measured[number] for each in self.of(scenario, contestant, **about) if number in each.measured]
        return median(found) if found else None

    def write(self, file: Path, more: Iterable[dict[str, object]] = ()) -> None:
        """All of them as JSON lines, then `more`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [*(each.line() for each in self.kept), *map(json.dumps, more)]
        file.write_text("".join(f"{line}\n" for line in lines))

"""Agent loops of both contestants: rounds take turns, and each number is a median over the rounds."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.goals import reading_of_turns
from benchmarks.measuring.histories import Size, Turns, size_of
from benchmarks.messages_api.watching import Seen
from benchmarks.records import Record, Records
from benchmarks.scenarios.clock import Clock
from benchmarks.scenarios.work import Effort, done
from benchmarks.world.contestant import Contestant
from benchmarks.world.outside import Outside

KB = 1024
PREFIX_FROM = 5
"""The share of identical bytes is taken from this turn on."""
KEPT_MINUTES = 22
"""For the other scenarios: what would reach into them is left out, and told."""


class Cell(NamedTuple):
    """One kind of loop."""

    turns: int
    page_kb: int
    concurrency: int
    repeats: int = 1
    """How often `concurrency` runs are started, one after another."""
    rounds: int = 1
    within_seconds: float = 480

    @property
    def about(self) -> dict[str, int | str]:
        """Its name in records."""
        return {"turns": self.turns, "page_kb": self.page_kb, "concurrency": self.concurrency}


CELLS = (
    Cell(5, 1, 1, repeats=8, rounds=3),
    Cell(5, 1, 10, repeats=2, rounds=3),
    Cell(5, 1, 50, rounds=3),
    Cell(50, 20, 1, rounds=3),
    Cell(20, 1, 1, repeats=2),
    Cell(50, 1, 1),
    Cell(5, 20, 1, repeats=4),
    Cell(20, 20, 1, repeats=2),
    Cell(20, 1, 10),
    Cell(50, 1, 10),
    Cell(5, 20, 10),
    Cell(20, 20, 10),
    Cell(50, 20, 10),
    Cell(20, 1, 50),
    Cell(50, 1, 50),
    Cell(5, 20, 50),
    Cell(20, 20, 50),
    Cell(50, 20, 50),
)
QUICK = (Cell(5, 1, 1, repeats=2, rounds=2), Cell(20, 20, 1))
SEVERAL_WORKERS = 2
CROWDED, QUICK_CROWDED = (Cell(5, 1, 50, rounds=3),), (Cell(5, 1, 10),)
"""With several workers on either side: one Python process uses one core, whatever else there is."""


async def measure_loops(
    contestants: Sequence[Contestant],
    outside: Outside,
    records: Records,
    clock: Clock,
    cells: Sequence[Cell],
    seed: int,
    scenario: str = "loops",
) -> None:
    """All cells; those that decide a promise first, several times. The contestants take turns at beginning."""
    lots, took = random.Random(seed), dict[Cell, float]()
    for contestant in contestants:
        await _warmed(contestant, outside, scenario)
    for round_number, cell in in_order(cells):
        if not clock.allows(took.get(cell, 0), KEPT_MINUTES):
            records.notes.append(f"no time was left for round {round_number + 1} of {cell.about}")
            continue
        began = clock.spent_seconds
        for contestant in lots.sample(contestants, len(contestants)):
            records.add(await _measured(contestant, outside, cell, round_number, scenario))
        took[cell] = clock.spent_seconds - began


def in_order(cells: Sequence[Cell]) -> list[tuple[int, Cell]]:
    """Round and cell: the rounds of cells that have several take turns, and come before all others."""
    rounds = range(max(cell.rounds for cell in cells))
    several = [(number, cell) for number in rounds for cell in cells if 1 < cell.rounds > number]
    return several + [(0, cell) for cell in cells if cell.rounds == 1]


async def _warmed(contestant: Contestant, outside: Outside, scenario: str) -> None:
    """Before anything is measured every path has been taken once."""
    goal = reading_of_turns(f"{contestant.name}-{scenario}-warm", 5, KB)
    await done(contestant, outside, [goal], 1, 60)
    await outside.take()


async def _measured(contestant: Contestant, outside: Outside, cell: Cell, round_number: int, scenario: str) -> Record:
    named = f"{contestant.name}-{scenario}-{cell.turns}-{cell.page_kb}-{cell.concurrency}-{round_number}"
    count = cell.concurrency * cell.repeats
    goals = [reading_of_turns(f"{named}-{number}", cell.turns, cell.page_kb * KB) for number in range(count)]
    prefix = f"{contestant.name}-{scenario}-"
    before = (await outside.counts()).calls(prefix)
    effort = await done(contestant, outside, goals, cell.concurrency, cell.within_seconds)
    seen = await outside.take()
    calls = (await outside.counts()).calls(prefix)
    assert calls - before == count * (cell.turns - 1), "pages were read more than once, or not at all"
    await contestant.check_records(calls)
    measured = _effort(effort, cell, contestant) | _sent(list(seen.values())) | await _history(contestant, effort)
    return Record(scenario, contestant.name, cell.about | {"round": round_number}, measured)


def _effort(effort: Effort, cell: Cell, contestant: Contestant) -> dict[str, float]:
    turns = cell.turns * len(effort.runs)
    return {
        "wall_s": effort.wall_seconds,
        "turns_per_s": turns / effort.wall_seconds,
        "worker_cpu_s": effort.used.worker,
        "server_cpu_s": effort.used.server,
        "cpu_ms_per_turn": effort.used.both / turns * 1000,
        "worker_cpu_ms_per_turn": effort.used.worker / turns * 1000,
        "server_cpu_ms_per_turn": effort.used.server / turns * 1000,
        "worker_memory_mb": sum(contestant.processes.memory()) / 1e6,
    }


def _sent(conversations: Sequence[Sequence[Seen]]) -> dict[str, float]:
    """Of the bytes sent to the model, a run."""
    later = [seen for conversation in conversations for seen in conversation[PREFIX_FROM - 1 :]]
    everything = [seen for conversation in conversations for seen in conversation]
    shares = {"same_prefix_share": _share([seen.same for seen in later], later)}
    shares["cache_read_share"] = _share([seen.cached for seen in everything], everything)
    return {
        "sent_bytes": sum(seen.sent for seen in everything) / len(conversations),
        "requests": len(everything) / len(conversations),
    } | shares


def _share(part: Sequence[int], whole: Sequence[Seen]) -> float:
    return sum(part) / sum(seen.composed for seen in whole) if whole else 0.0


async def _history(contestant: Contestant, effort: Effort) -> dict[str, float]:
    """Of one run."""
    sizes: list[Size] = [await size_of(contestant.client, run.id, run.first_run_id) for run in effort.runs[:3]]
    run = effort.runs[0]
    turns = await Turns.read(contestant.client, run.id, run.first_run_id, contestant.asking)
    return {
        "history_bytes": sum(size.bytes for size in sizes) / len(sizes),
        "history_events": sum(size.events for size in sizes) / len(sizes),
        "largest_payload_bytes": turns.largest_payload,
    }

"""From somebody's yes to its effect, while one, a hundred or a thousand runs wait; and what a waiting run costs."""

import random
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.goals import Posting
from benchmarks.measuring.numbers import median, percentile
from benchmarks.records import Record, Records
from benchmarks.scenarios.splits import Split, split_of
from benchmarks.scenarios.work import watched
from benchmarks.world.contestant import Contestant, Run, each_of
from benchmarks.world.outside import Outside

STARTED_AT_ONCE = 50


class Crowd(NamedTuple):
    """So many runs wait, and some of them are decided, one after another."""

    waiting: int
    decided: int
    rounds: int = 1


CROWDS = (Crowd(1, 1, rounds=30), Crowd(100, 50), Crowd(1000, 100))
QUICK = (Crowd(1, 1, rounds=4),)


async def measure_approvals(
    contestants: Sequence[Contestant], outside: Outside, records: Records, crowds: Sequence[Crowd], seed: int
) -> None:
    """All crowds, the contestants by turns. What still waits at the end of one waits in the next as well."""
    lots = random.Random(seed)
    left: dict[str, list[Run]] = {contestant.name: [] for contestant in contestants}
    for contestant in contestants:
        await _decided(contestant, outside, await _crowd(contestant, outside, f"{contestant.name}-approvals-warm", 1))
    for crowd in crowds:
        for contestant in lots.sample(contestants, len(contestants)):
            await _measure(contestant, outside, records, crowd, left[contestant.name], lots)


async def _measure(
    contestant: Contestant, outside: Outside, records: Records, crowd: Crowd, waiting: list[Run], lots: random.Random
) -> None:
    taken: list[tuple[Run, float, float]] = []
    before, begun = sum(contestant.processes.memory()), time.monotonic()
    missing = crowd.waiting - len(waiting)
    for round_number in range(crowd.rounds):
        named = f"{contestant.name}-approvals-{crowd.waiting}-{round_number}"
        waiting += await _crowd(contestant, outside, named, crowd.waiting - len(waiting))
        if round_number == 0:
            grown, seconds = sum(contestant.processes.memory()) - before, time.monotonic() - begun
        chosen = lots.sample(waiting, crowd.decided)
        taken += await _decided(contestant, outside, chosen)
        for run in chosen:
            waiting.remove(run)
    await contestant.check_records((await outside.counts()).calls(f"{contestant.name}-approvals-"))
    delays = [effect - sent for _, sent, effect in taken]
    measured = {
        "p50_ms": percentile(delays, 50) * 1000,
        "p95_ms": percentile(delays, 95) * 1000,
        "decided": len(delays),
        "created_s": seconds,
        "memory_per_run_mb": grown / missing / 1e6,
    }
    about: dict[str, int | str] = {"waiting": crowd.waiting}
    records.add(Record("approvals", contestant.name, about, measured | await _parts(contestant, taken)))


async def _crowd(contestant: Contestant, outside: Outside, named: str, count: int) -> list[Run]:
    """So many runs that wait."""

    async def made() -> list[Run]:
        goals = [Posting(f"{named}-{number}") for number in range(count)]
        runs = await each_of(goals, contestant.start_waiting, STARTED_AT_ONCE)
        await contestant.until_waiting(runs)
        return runs

    return await watched(contestant, outside, made(), 600)


async def _decided(contestant: Contestant, outside: Outside, runs: Sequence[Run]) -> list[tuple[Run, float, float]]:
    """Decide one after another, each once the one before is over: when it was sent, and when the effect arrived."""
    sent: list[tuple[Run, float]] = []

    async def decide() -> None:
        for run in runs:
            send = await contestant.decision(run)
            sent.append((run, time.time()))
            await send()
            await contestant.ended(run)

    await watched(contestant, outside, decide(), 60 + 2 * len(runs))
    posted = (await outside.counts()).posted
    await outside.take()
    return [(run, at, posted[run.goal.name]) for run, at in sent]


async def _parts(contestant: Contestant, taken: Sequence[tuple[Run, float, float]]) -> dict[str, float]:
    """How the time from yes to effect is split, where the history tells it."""
    if contestant.name != "interlock":
        return {}
    splits = [await split_of(contestant.client, run, sent, effect) for run, sent, effect in taken]
    return {f"{part}_ms": median(getattr(each, part) for each in splits) * 1000 for part in Split._fields}

"""A thousand runs at once over four workers: none times out, memory is flat, and past a limit starts are refused."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from benchmarks.goals import reading_of_turns
from benchmarks.measuring.histories import Turns
from benchmarks.records import Record, Records
from benchmarks.scenarios.work import watched
from benchmarks.world.contestant import Run, RunFailed, each_of
from benchmarks.world.interlock import Interlock
from benchmarks.world.outside import Outside
from workers.embedded.polling import until

WORKERS = 4
ACTIVE_RUNS, QUICK_RUNS = 1000, 40
TURNS, PAGE_BYTES = 6, 1024
MORE_RUNS = 20
"""Started beyond the limit."""
REFUSED_WITH = "which is the most this deployment takes"
LOOKED_AT = (25, 50, 75, 100)
"""Per cent of the turns, at which memory is looked at."""
LOOKED_EVERY_SECONDS = 0.5
WITHIN_SECONDS = 540


def limits(quick: bool = False) -> dict[str, str]:
    """What the workers are told."""
    return {"INTERLOCK_MOST_ACTIVE_RUNS": str(QUICK_RUNS if quick else ACTIVE_RUNS)}


async def measure_load(contestant: Interlock, outside: Outside, records: Records, quick: bool = False) -> None:
    """All started at once, and then some more, before the model answers any of them."""
    count = QUICK_RUNS if quick else ACTIVE_RUNS
    begun = await outside.requests()
    memory: dict[int, tuple[int, ...]] = {}
    looking = asyncio.create_task(_look(contestant, outside, begun, count * TURNS, memory))
    try:
        runs, refused = await watched(contestant, outside, _all(contestant, outside, count), WITHIN_SECONDS)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    memory.setdefault(LOOKED_AT[-1], contestant.processes.memory())
    await outside.take()
    await contestant.check_records((await outside.counts()).calls("load-"))
    measured = {
        "runs": len(runs),
        **await _troubles(contestant, runs),
        **{f"memory_at_{share}_mb": sum(each) / 1e6 for share, each in memory.items()},
        "refused_of_more": refused / MORE_RUNS,
    }
    records.add(Record("load", contestant.name, {"active": count, "workers": WORKERS, "turns": TURNS}, measured))


async def _all(contestant: Interlock, outside: Outside, count: int) -> tuple[list[Run], int]:
    """All runs, once they have ended well, and how many of some more were refused while all were active."""
    goals = [reading_of_turns(f"load-{number}", TURNS, PAGE_BYTES) for number in range(count)]
    async with outside.model_overloaded():
        runs = await each_of(goals, contestant.start, at_once=50)
        await contestant.until_active(count)
        refused = await _more(contestant)
    await each_of(runs, contestant.ended, at_once=len(runs))
    return runs, refused


async def _more(contestant: Interlock) -> int:
    """How many of the runs that are started beyond the limit are refused."""

    async def refused(number: int) -> bool:
        try:
            await contestant.ended(await contestant.start(reading_of_turns(f"load-more-{number}", TURNS, PAGE_BYTES)))
        except RunFailed as failed:
            return REFUSED_WITH in str(failed)
        return False

    return sum(await each_of(range(MORE_RUNS), refused))


async def _look(
    contestant: Interlock, outside: Outside, begun: int, turns: int, memory: dict[int, tuple[int, ...]]
) -> None:
    """Memory of the workers at each share of the turns."""
    for share in LOOKED_AT:
        await until(partial(_so_far, outside, begun + turns * share // 100))
        memory[share] = contestant.processes.memory()


async def _so_far(outside: Outside, requests: int) -> bool:
    await asyncio.sleep(LOOKED_EVERY_SECONDS)
    return await outside.requests() >= requests


async def _troubles(contestant: Interlock, runs: Sequence[Run]) -> dict[str, float]:
    """What timed out or failed, and what was handed over, of all runs."""

    async def one(run: Run) -> Turns:
        return await Turns.read(contestant.client, run.id, run.first_run_id, contestant.asking)

    read = await each_of(runs, one)
    failed = sum((each.failed for each in read), Counter[str]())
    return {"timed_out": failed.total(), **failed, "handed_over": sum(each.handed_over for each in read)}

"""Doing goals and measuring what that takes; it ends at once when the script fails or a process dies."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.goals import Goal
from benchmarks.world.contestant import Contestant, Run, Used
from benchmarks.world.outside import Outside

T = TypeVar("T")
LOOKED_EVERY_SECONDS = 0.5
SETTLED_AFTER_SECONDS = 0.3
"""What a server does after a run has ended belongs to the run."""


class WorkerDied(Exception):
    """A process whose time is counted is gone."""


class NotInTime(Exception):
    """What should have ended long ago has not."""


@dataclass(frozen=True)
class Effort:
    """What some runs took."""

    runs: tuple[Run, ...]
    wall_seconds: float
    used: Used


async def watched(contestant: Contestant, outside: Outside, work: Awaitable[T], within_seconds: float) -> T:
    """What `work` comes to. Raises ScriptFailed, WorkerDied, NotInTime."""
    doing = asyncio.ensure_future(work)
    deadline = time.monotonic() + within_seconds
    try:
        while not doing.done():
            await asyncio.wait({doing}, timeout=LOOKED_EVERY_SECONDS)
            await outside.requests()
            _check_alive(contestant)
            if time.monotonic() > deadline and not doing.done():
                raise NotInTime(f"{contestant.name}: not within {within_seconds:.0f} s")
        return doing.result()
    finally:
        doing.cancel()


def _check_alive(contestant: Contestant) -> None:
    for pid in (*contestant.processes.workers, contestant.processes.server):
        if not Path(f"/proc/{pid}").exists():
            raise WorkerDied(f"{contestant.name}: process {pid} is gone; its log says why")


async def done(
    contestant: Contestant, outside: Outside, goals: Sequence[Goal], at_once: int, within_seconds: float
) -> Effort:
    """Do the goals, so many at a time, and measure it. Raises RunFailed, ScriptFailed, WorkerDied, NotInTime."""
    places = asyncio.Semaphore(at_once)

    async def one(goal: Goal) -> Run:
        async with places:
            run = await contestant.start(goal)
            await contestant.ended(run)
            return run

    before, begun = contestant.processes.used(), time.monotonic()
    runs = await watched(contestant, outside, asyncio.gather(*map(one, goals)), within_seconds)
    wall = time.monotonic() - begun
    await asyncio.sleep(SETTLED_AFTER_SECONDS)
    return Effort(tuple(runs), wall, contestant.processes.used().since(before))

"""The sources of faults, each of which does its worst to a lane."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from tests.faults.bank.misbehaviour import REFUSED, Kind
from tests.faults.lane import Lane
from tests.faults.phases import FAILPOINTS
from tests.faults.watched import Armed
from tests.faults.world import LiveWorker

KILLED_EVERY_SECONDS = (0.5, 1.5)
SETTLED_SECONDS = (0.5, 2.0)
"""Between two outages, so that something is under way again."""
UNREACHED_SECONDS = 30.0
"""A worker that has not come to its failpoint by then is killed, and the failpoint set anew."""
LONG_OUTAGE_EVERY = 6
ALL_MISBEHAVED_WITHIN_SECONDS = 240.0


async def kill_at_random(lane: Lane, kills: int, effects: int = 0) -> None:
    """kill -9 of one of the workers, at moments drawn by lot, and another one started at once.

    So often, and on until the bank has had so many effects.
    """
    world, killed = lane.world, 0
    while killed < kills or world.effects() < effects:
        killed += 1
        await asyncio.sleep(lane.lot.uniform(*KILLED_EVERY_SECONDS))  # not a wait: the moment is what is drawn
        await world.until_ready(2)
        ready = sorted(pid for pid, worker in world.workers.items() if worker.ready_at is not None)
        pid = lane.lot.choice(ready)
        world.kill_worker(pid)
        world.start_worker()
        await world.until_gone(pid)
    await world.until_ready(world.setting.workers)


async def kill_at_failpoints(
    lane: Lane, times: int, within_seconds: float, failpoints: Sequence[str] = FAILPOINTS
) -> None:
    """Workers kill themselves at every named failpoint so many times. Fails when that takes too long."""
    world, deadline = lane.world, time.monotonic() + within_seconds
    left = [failpoint for failpoint in failpoints for _ in range(times)]
    lane.lot.shuffle(left)
    for pid in list(world.workers)[1:]:  # one stays, so that runs go on whatever the others die of
        world.kill_worker(pid)
    while left or world.armed_workers():
        assert time.monotonic() < deadline, f"failpoints not reached in time: {Counter(left).most_common(8)}"
        while left and len(world.workers) + world.ordered < world.setting.workers:
            world.start_worker(Armed(failpoint=left.pop(), hit=lane.lot.randint(1, 3)))
        for worker in world.armed_workers():
            if _is_stale(worker):
                left.insert(0, worker.armed.failpoint)
                world.give_up(worker.pid)
        await asyncio.sleep(0.05)
    for _ in range(world.setting.workers - len(world.workers)):
        world.start_worker()


def _is_stale(worker: LiveWorker) -> bool:
    return worker.ready_at is not None and time.time() - worker.ready_at > UNREACHED_SECONDS


async def kill_temporal(lane: Lane, kills: int) -> None:
    """kill -9 of the Temporal server, and its restart on the same file."""
    for _ in range(kills):
        await asyncio.sleep(lane.lot.uniform(*SETTLED_SECONDS))
        await lane.world.kill_temporal()
        await lane.world.start_temporal()


async def take_store_away(lane: Lane, outages: int, long_every: int = LONG_OUTAGE_EVERY) -> None:
    """The store is locked or stopped; now and then for longer than anybody waits for it."""
    for number in range(1, outages + 1):
        await asyncio.sleep(lane.lot.uniform(*SETTLED_SECONDS))
        is_long = number % long_every == 0
        await lane.outage.last(lane.lot.uniform(11, 13) if is_long else lane.lot.uniform(0.5, 3))


async def misbehave(lane: Lane, kinds: Sequence[Kind], times: int, steps: int = 8) -> None:
    """Every kind so many times, each at the first call of a step; two steps of every run are left in peace."""
    drawn = [kind.name for kind in kinds if kind is not REFUSED for _ in range(times)]
    lane.lot.shuffle(drawn)
    runs = [lane.planner.run(steps, sagas=0.0) for _ in range(0, len(drawn), steps - 2)]
    places = [run.memo(number) for run in runs for number in range(steps)]
    plan = dict(zip(lane.lot.sample(places, len(drawn)), drawn, strict=True))
    lane.facts.misbehaved |= plan
    lane.world.misbehave(plan)
    for run in runs:
        await lane.load.start(run)
    if REFUSED in kinds:
        await lane.load.drained(ALL_MISBEHAVED_WITHIN_SECONDS)
        await _refuse(lane, times, steps)


async def _refuse(lane: Lane, times: int, steps: int) -> None:
    """Connections are refused for a while, whoever comes."""
    for _ in range(times):
        await lane.load.start(lane.planner.run(steps))
        await asyncio.sleep(lane.lot.uniform(0.2, 1.0))  # not to wait for something: the moment is what is drawn
        await lane.world.front.refuse()

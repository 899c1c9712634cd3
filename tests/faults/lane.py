"""One lane: a world of its own, paydays under way, one source of faults, and then everything that is known of it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from contracts.model import Model
from tests.faults.collect import collect
from tests.faults.facts import Facts
from tests.faults.load import Load, kept_busy
from tests.faults.nursery import Nursery
from tests.faults.operator import Operator
from tests.faults.planned import PlannedRun, Planner
from tests.faults.stores import Outage, Stores
from tests.faults.world import Setting, World, a_world
from workers.resources.store import Store

T = TypeVar("T")
DRAINED_WITHIN_SECONDS = 240


@dataclass
class Lane:
    """What a source of faults works with."""

    world: World
    load: Load
    facts: Facts
    store_url: str
    planner: Planner
    lot: Random
    outage: Outage


Source = Callable[[Lane], Awaitable[None]]


class Business(Model):
    """What is under way in a lane while its source does its worst."""

    runs_at_once: int = 40
    """0: the source starts what it wants."""
    steps: int = 12


async def run_lane(
    nursery: Nursery,
    source: Source,
    stores: Stores,
    seed: int,
    business: Business,
    setting: Setting,
    keep: Path | None = None,
) -> Facts:
    """The facts of a lane, in which `source` did its worst until it returned; its folder is copied to `keep`."""
    async with _a_folder() as folder, _off_the_loop(stores.new(folder)) as (url, outage):
        store = await asyncio.to_thread(Store.open, url)
        try:
            async with a_world(nursery, folder, url, seed, setting) as world:
                facts = Facts([])
                lane = Lane(world, Load(world, facts), facts, url, Planner(seed), Random(seed), outage)
                await _worst(lane, source, Operator(world, store, facts), business)
                return await collect(world, store, facts)
        finally:
            if keep is not None:
                await asyncio.to_thread(_copy, folder, keep / folder.name)
            await asyncio.to_thread(store.close)


def _copy(folder: Path, to: Path) -> None:
    """Without what workers keep on their boards, and take away as they end."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("boards"))


@asynccontextmanager
async def _a_folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@asynccontextmanager
async def _off_the_loop(block: AbstractContextManager[T]) -> AsyncIterator[T]:
    """A block whose beginning and end block, while other lanes go on."""
    value = await asyncio.to_thread(block.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)


async def _worst(lane: Lane, source: Source, operator: Operator, business: Business) -> None:
    for _ in range(lane.world.setting.workers):
        lane.world.start_worker()
    await lane.world.until_ready(lane.world.setting.workers)
    looking = asyncio.create_task(operator.look_after())
    faults = asyncio.create_task(_until_over(lane, source, business))
    try:
        done, _ = await asyncio.wait({looking, faults}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (looking, faults):
            task.cancel()
        await asyncio.wait({looking, faults})


async def _until_over(lane: Lane, source: Source, business: Business) -> None:
    async with kept_busy(lane.load, _for_ever(lane.planner, business.steps), business.runs_at_once):
        await source(lane)
    await lane.load.drained(DRAINED_WITHIN_SECONDS)


async def _for_ever(planner: Planner, steps: int) -> AsyncIterator[PlannedRun]:
    while True:
        yield planner.run(steps)

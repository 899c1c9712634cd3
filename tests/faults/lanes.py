"""The lanes of `make faults`: one source of faults each, and one in which everything comes at once."""

import asyncio
from dataclasses import asdict, dataclass, replace
from typing import Literal

from tests.faults.bank.misbehaviour import KINDS, SAYS_NO, Kind
from tests.faults.lane import Business, Lane, Source
from tests.faults.phases import FAILPOINTS
from tests.faults.sources import (
    kill_at_failpoints,
    kill_at_random,
    kill_temporal,
    misbehave,
    take_store_away,
)
from tests.faults.world import Setting

FEW = Business(runs_at_once=15, steps=8)
OVER_HTTP = tuple(kind for kind in KINDS if not kind.stdio)
OVER_STDIO = tuple(kind for kind in KINDS if kind.stdio)
EFFECTS_A_KILL = 15
FAILPOINT_SECONDS = 1200.0
NEVER_ARRIVES = "reset before the call"
TOO_BUSY = "HTTP 503 with Retry-After"


@dataclass(frozen=True)
class Amount:
    """How much of everything."""

    kills: int = 200
    failpoints: int = 20
    """Times each."""
    temporal: int = 30
    outages: int = 30
    misbehaviours: int = 20
    """Times each kind."""
    mixed: int = 10

    def shared_by(self, stores: int) -> "Amount":
        """What each of so many stores has to take for all of it together."""
        return Amount(**{name: -(-count // stores) for name, count in asdict(self).items()})


@dataclass(frozen=True)
class Planned:
    """A lane as it is going to be run."""

    name: str
    source: Source
    business: Business
    setting: Setting
    alone: bool = True
    """Whether it has the machine to itself: what is measured in it, or runs into a short timeout, depends on that."""


def lanes(amount: Amount, ledger: Literal["on", "off"] = "on") -> tuple[Planned, ...]:
    """All of them, in the order in which they are run; those with nothing to do are left out."""
    every = (
        (amount.kills, _random(amount)),
        (amount.failpoints, _failpoints(amount)),
        (amount.temporal, _temporal(amount)),
        (amount.outages, _outages(amount)),
        (amount.misbehaviours, _http(amount)),
        (amount.misbehaviours, _stdio(amount)),
        (amount.mixed, _mixed(amount)),
    )
    return tuple(_with_ledger(planned, ledger) for wanted, planned in every if wanted)


def _with_ledger(planned: Planned, ledger: str) -> Planned:
    return replace(planned, setting=planned.setting.model_copy(update={"ledger": ledger}))


def _random(amount: Amount) -> Planned:
    async def source(lane: Lane) -> None:
        await kill_at_random(lane, amount.kills, amount.kills * EFFECTS_A_KILL)

    return Planned("kills at random", source, Business(runs_at_once=40, steps=12), Setting(slowest=0.5))


def _failpoints(amount: Amount) -> Planned:
    async def source(lane: Lane) -> None:
        await at_every_failpoint(lane, amount.failpoints)

    setting = Setting(workers=4, concurrency=5, slowest=0.1, reached="through its front")
    return Planned("named failpoints", source, Business(runs_at_once=40, steps=10), setting)


def _temporal(amount: Amount) -> Planned:
    async def source(lane: Lane) -> None:
        await kill_temporal(lane, amount.temporal)

    return Planned("Temporal killed", source, FEW, Setting(workers=2), alone=False)


def _outages(amount: Amount) -> Planned:
    async def source(lane: Lane) -> None:
        await take_store_away(lane, amount.outages)

    return Planned("store outages", source, FEW, Setting(workers=2), alone=False)


def _http(amount: Amount) -> Planned:
    setting = Setting(workers=2, slowest=0.05, timeout_seconds=3, reached="through its front")
    source = _misbehaving(OVER_HTTP, amount)
    return Planned("the bank misbehaves over HTTP", source, Business(runs_at_once=0), setting)


def _stdio(amount: Amount) -> Planned:
    # One call at a time: a child that exits takes every call with it that is on its way.
    setting = Setting(workers=4, concurrency=1, slowest=0.02, timeout_seconds=3, reached="over stdio")
    source = _misbehaving(OVER_STDIO, amount)
    return Planned("the bank misbehaves over stdio", source, Business(runs_at_once=0), setting)


def _misbehaving(kinds: tuple[Kind, ...], amount: Amount) -> Source:
    async def source(lane: Lane) -> None:
        await misbehave(lane, kinds, amount.misbehaviours)

    return source


def _mixed(amount: Amount) -> Planned:
    async def source(lane: Lane) -> None:
        await everything_at_once(lane, amount.mixed)

    return Planned("everything at once", source, FEW, Setting(), alone=False)


async def at_every_failpoint(lane: Lane, times: int, failpoints: tuple[str, ...] = FAILPOINTS) -> None:
    """Each so many times; for some of them the bank's front must now and then be too busy, or say no."""
    troubled = asyncio.create_task(_troubled_runs(lane))
    try:
        await kill_at_failpoints(lane, times, FAILPOINT_SECONDS, failpoints)
    finally:
        troubled.cancel()
        await asyncio.wait({troubled})


async def _troubled_runs(lane: Lane) -> None:
    """Runs with calls that are not sent at first, and one that the tool says no to."""
    while True:
        run = lane.planner.run(6, sagas=0.0)
        lane.world.misbehave(
            {run.memo(number): _trouble(step.tool) if number else SAYS_NO.name for number, step in enumerate(run.steps)}
        )
        await lane.load.start(run)
        await asyncio.sleep(lane.lot.uniform(1.5, 2.5))  # a pace, not a wait


def _trouble(tool: str) -> str:
    """An order gets lost, so that it is looked up and not found; whatever else is not taken at first."""
    return NEVER_ARRIVES if tool == "place_order" else TOO_BUSY


async def everything_at_once(lane: Lane, times: int) -> None:
    """Kills, restarts of Temporal and outages of the store, all drawn from one lot."""
    for _ in range(times):
        beside = kill_temporal if lane.lot.random() < 0.5 else take_store_away
        await asyncio.gather(kill_at_random(lane, 3), beside(lane, 1))

"""Forgeries by the thousand against the activity that checks decisions and against the gate, in this process."""

import asyncio
import random

from contracts.decisions import Check, Decision
from contracts.tools import CallStatus
from tests.forge.kinds import KINDS, Kind, Place, is_new
from tests.forge.reasons import check_that_says
from tests.forge.tally import Tally
from tests.forge.world import World, a_world


async def forge(count: int, seed: int, first: int = 0) -> Tally:
    """`count` forgeries of all kinds in turn, from number `first` on; every second one of a kind goes to the gate."""
    tally = Tally(seed)
    async with a_world() as world:
        for kind in KINDS:
            if kind.prepare is not None:
                await kind.prepare(world)
        for number in range(first, first + count):
            kind = KINDS[number % len(KINDS)]
            forged = kind.make(world, random.Random(f"{seed}/{number}"))
            if not is_new(forged, world):
                tally.not_new.append(f"{kind.name} ({seed}/{number})")
            await _try(world, kind, forged, number, tally)
            world.authority.grants = ()
        tally.effects = len(world.bench.toolbox.called)
    return tally


def forge_chunk(count: int, seed: int, first: int) -> Tally:
    """A part of the forgeries, in a process of its own."""
    return asyncio.run(forge(count, seed, first))


async def _try(world: World, kind: Kind, forged: Decision, number: int, tally: Tally) -> None:
    beside = world.genuine[kind.beside]
    if kind.at_the_gate and (number // len(KINDS)) % 2:
        await _at_the_gate(world, kind, forged, number, tally)
        return
    answer = await world.check(forged, beside)
    if answer.counts or answer.check is None:
        tally.accepted.append(f"{kind.name} ({tally.seed}/{number})")
    else:
        tally.refuse(kind, Place.ARRIVED, answer.check, answer.reason)


async def _at_the_gate(world: World, kind: Kind, forged: Decision, number: int, tally: Tally) -> None:
    outcome = await world.gate(world.genuine[kind.beside], forged)
    if outcome.status is not CallStatus.NEEDS_APPROVAL:
        said = f"{outcome.status.value} {outcome.message}"
        tally.accepted.append(f"{kind.name} at the gate ({tally.seed}/{number}): {said}")
        return
    counted = " does not count: " not in outcome.message
    tally.refuse(kind, Place.GATE, Check.QUORUM if counted else check_that_says(outcome.message), outcome.message)


async def genuine_ones_count() -> bool:
    """The same world lets the genuine pair through, at the activity and at the gate: the forge can see."""
    async with a_world() as world:
        dana, erik = world.genuine["dana"], world.genuine["erik"]
        first, second = await world.check(dana), await world.check(erik, dana)
        outcome = await world.gate(dana, erik)
        effects = world.bench.toolbox.called
        return (first.counts, first.fulfilled, second.counts, second.fulfilled, outcome.status, effects) == (
            True,
            False,
            True,
            True,
            CallStatus.DONE,
            ["payments.issue_credit"],
        )

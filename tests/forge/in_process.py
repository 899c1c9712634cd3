"""Forgeries by the thousand against the activity that checks decisions and against the gate, in this process."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from contracts.decisions import Decision
from contracts.tools import CallStatus
from tests.forge.kinds import KINDS, Kind, is_new
from tests.forge.world import World, a_world


@dataclass
class Tally:
    """What became of the forgeries."""

    seed: int
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Kind and refusing check."""
    accepted: list[str] = field(default_factory=list)
    wrong_check: list[str] = field(default_factory=list)
    not_new: list[str] = field(default_factory=list)
    effects: int = 0

    @property
    def tried(self) -> int:
        """How many there were."""
        return sum(self.refused.values()) + len(self.accepted)

    def rows(self) -> list[str]:
        """The table: kind, refusing check, how often."""
        return [f"{kind:40} {check:22} {count:7}" for (kind, check), count in sorted(self.refused.items())]


async def forge(count: int, seed: int) -> Tally:
    """`count` forgeries of all kinds in turn; every second one goes to the gate, where that makes the check."""
    tally = Tally(seed)
    async with a_world() as world:
        for kind in KINDS:
            if kind.prepare is not None:
                await kind.prepare(world)
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            chance = random.Random(f"{seed}/{number}")
            forged = kind.make(world, chance)
            if not is_new(forged, world):
                tally.not_new.append(f"{kind.name} ({seed}/{number})")
            await _try(world, kind, forged, number, tally)
            world.authority.grants = ()
        tally.effects = len(world.bench.toolbox.called)
    return tally


def forge_chunk(count: int, seed: int) -> Tally:
    """A part of the forgeries, in a process of its own."""
    return asyncio.run(forge(count, seed))


async def _try(world: World, kind: Kind, forged: Decision, number: int, tally: Tally) -> None:
    beside = world.genuine[kind.beside]
    if kind.at_the_gate and (number // len(KINDS)) % 2:
        await _at_the_gate(world, kind, forged, beside, tally)
        return
    answer = await world.check(forged, beside)
    if answer.counts or answer.check is None:
        tally.accepted.append(f"{kind.name} ({tally.seed}/{number})")
        return
    tally.refused[kind.name, answer.check.value] += 1
    if answer.check is not kind.refused_by:
        tally.wrong_check.append(f"{kind.name}: {answer.check.value}, not {kind.refused_by.value}: {answer.reason}")


async def _at_the_gate(world: World, kind: Kind, forged: Decision, beside: Decision, tally: Tally) -> None:
    outcome = await world.gate(beside, forged)
    if outcome.status is CallStatus.NEEDS_APPROVAL:
        tally.refused[kind.name, "gate"] += 1
    else:
        tally.accepted.append(f"{kind.name} at the gate: {outcome.status.value} {outcome.message}")


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

"""Impostor workflows through the real server, one after the other; afterwards the genuine refund still goes through."""

import random
import re
from collections import Counter
from dataclasses import dataclass, field

from temporalio.testing import WorkflowEnvironment

from tests.forge.false_calls import CALL_VARIANTS
from tests.forge.false_requests import REQUEST_VARIANTS
from tests.forge.false_starts import START_VARIANTS
from tests.forge.intruder import intruders_worker
from tests.forge.shop import Shop, a_shop, new_order
from tests.forge.variants import Target, Told, Variant

VARIANTS: tuple[Variant, ...] = (*START_VARIANTS, *CALL_VARIANTS, *REQUEST_VARIANTS)


@dataclass
class Attempts:
    """What became of the impostors."""

    seed: int
    refused: Counter[str] = field(default_factory=Counter)
    """By variant."""
    let_through: list[str] = field(default_factory=list)
    """Not refused, or by another check than the one meant."""
    effects: int = 0
    """Calls that left although policy permits them to nobody there."""
    permitted: Counter[str] = field(default_factory=Counter)
    """Calls that policy permits to a person who signs for them, and which are no forgery."""
    genuine: str = ""
    """How the genuine refund ended that all of them were after."""

    @property
    def tried(self) -> int:
        """How many there were."""
        return sum(self.refused.values()) + len(self.let_through)

    @property
    def clean(self) -> bool:
        """Each was refused by its own check, nothing happened, and the genuine refund was not harmed."""
        return not (self.let_through or self.effects) and self.genuine == "refunded"

    def rows(self) -> list[str]:
        """The table: variant, the words of the refusing check, how often."""
        head = f"{'impostor':48} {'refused by the words':62}"
        return [
            head,
            *(f"{each.name:48} {_shown(each.refused_by):62} {self.refused[each.name]:6,}" for each in VARIANTS),
        ]

    def troubles(self, at_most: int = 20) -> list[str]:
        """What must not have happened, in words."""
        effects = [f"{self.effects} effects of impostors"] if self.effects else []
        harmed = [f"the genuine refund: {self.genuine}"] if self.genuine != "refunded" else []
        return effects + harmed + self.let_through[:at_most]


def _shown(expression: str) -> str:
    """The first of the sentences that an expression finds, as far as it fits."""
    return re.sub(r"\\b|[\^()]", "", expression).split("|")[0][:62]


async def send_impostors(environment: WorkflowEnvironment, count: int, seed: int) -> Attempts:
    """`count` impostors of all variants in turn."""
    attempts = Attempts(seed)
    async with a_shop(environment) as shop, intruders_worker(shop):
        target = await _prepared(shop)
        for number in range(count):
            await _send(target, VARIANTS[number % len(VARIANTS)], number, attempts)
        attempts.genuine = await _goes_through(target)
    return attempts


async def _prepared(shop: Shop) -> Target:
    over = await shop.refund(new_order(), cents=4_000)
    assert (await over.ending()).state == "refunded"
    order = new_order()
    waiting = await shop.refund(order)
    genuine = (await shop.scene(waiting)).genuine
    return Target(shop, waiting, order, over, (genuine["dana"], genuine["erik"]))


async def _send(target: Target, variant: Variant, number: int, attempts: Attempts) -> None:
    toolbox = target.shop.toolbox
    before = len(toolbox.effects())
    named = f"{variant.name} ({attempts.seed}/{number})"
    try:
        told = await variant.attempt(target, random.Random(f"{attempts.seed}/impostor/{number}"))
    except AssertionError as unexpected:
        told = Told(f"on the way: {unexpected}")
    effects = tuple(toolbox.effects()[before:])
    if effects != told.permitted:
        attempts.effects += abs(len(effects) - len(told.permitted)) or len(effects)
        attempts.let_through.append(f"{named}: {effects}, not {told.permitted}")
    elif re.search(variant.refused_by, told.words):
        attempts.refused[variant.name] += 1
        attempts.permitted.update(told.permitted)
    else:
        attempts.let_through.append(f"{named}: {told.words}")


async def _goes_through(target: Target) -> str:
    """The refund that all of them were after: with its two signatures it is credited once, and nothing else is."""
    before = target.shop.credits.get(target.order, [])
    for decision in target.genuine:
        await target.waiting.sends(decision)
    ending = await target.waiting.ending()
    after = target.shop.credits.get(target.order, [])
    return ending.state if (len(before), len(after)) == (0, 1) else f"{ending.state}, {before} and then {after}"

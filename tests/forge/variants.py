"""A variant of impostor: what it attempts, and the words by which it is refused."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from contracts.decisions import Decision
from tests.forge.shop import Shop
from tests.story import StoryRun


@dataclass
class Target:
    """What impostors are after: the shop, a refund that waits there for two signatures, and one that is over."""

    shop: Shop
    waiting: StoryRun
    order: str
    """The order of the waiting one."""
    over: StoryRun
    genuine: tuple[Decision, ...]
    """Both signatures for the waiting one; they are sent when all impostors have been."""


@dataclass(frozen=True)
class Told:
    """What an impostor was told."""

    words: str
    """`needs_approval: ...`, `refused: ...`, or whatever else it was answered last."""
    permitted: tuple[str, ...] = ()
    """The effects that policy permits to a person who signs for them, in order."""


@dataclass(frozen=True)
class Variant:
    """One way of being an impostor."""

    name: str
    refused_by: str
    """A regular expression that finds the sentence of the check that must refuse it."""
    attempt: Callable[[Target, random.Random], Awaitable[Told]]


def word(chance: random.Random) -> str:
    """Some word."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=12))


def small(chance: random.Random) -> int:
    """A credit that nobody signs, in cents."""
    return chance.randint(1, 5_000)


def large(chance: random.Random) -> int:
    """A credit that one or two people sign, in cents."""
    return chance.choice([5_001, chance.randint(5_001, 100_000), chance.randint(100_001, 500_000), 500_000])

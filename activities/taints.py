"""The port to what a run has read: the gate writes it with the outcome of each read, and rules name it."""

from typing import Protocol

from activities.conversations import RunKey
from contracts.model import Moment
from contracts.tools import Taint


class Taints(Protocol):
    """Every write commits before it returns."""

    async def of(self, run: RunKey) -> frozenset[Taint]:
        """What this run has read so far."""

    async def add(self, run: RunKey, taints: tuple[Taint, ...], tool: str, at: Moment) -> bool:
        """From now on the run has read this. True when that is new; the audit chain has it in the same transaction."""

"""The port to what is in force: rules, roster and pins, each by the digest that is active in the store."""

from typing import Protocol

from contracts.authority import BreakGlass, PinnedTool
from contracts.model import Moment
from contracts.roster import Roster
from contracts.tools import ToolDefinition
from policies.engine import PolicyEngine


class NothingInForce(Exception):
    """What must be in force is not, or cannot be trusted. Nothing may have an effect until it is."""


class Authority(Protocol):
    """What is in force now; another worker, or a command, may change it at any time."""

    async def policy(self) -> PolicyEngine:
        """The rules in force. Raises NothingInForce."""

    async def roster(self) -> Roster:
        """The roster in force; empty in development when there is none. Raises NothingInForce."""

    async def rules_and_roster(self) -> tuple[PolicyEngine, Roster]:
        """Both as they are in force at one moment. Raises NothingInForce."""

    async def break_glass(self) -> tuple[BreakGlass, ...]:
        """The emergency grants that were recorded, whether they still count or not."""

    async def pinned(self, definition: ToolDefinition, at: Moment) -> PinnedTool | None:
        """The accepted definition of this tool; development accepts the first one seen. Raises NothingInForce."""

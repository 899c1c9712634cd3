"""The port to stored conversations: appended as deltas, found by run, never carried by a workflow."""

from typing import Protocol

from pydantic import JsonValue

from contracts.budgets import Spender
from contracts.claude import TurnOutcome
from contracts.model import Model, Moment


class RunKey(Model):
    """Names a run: the workflow id and the first Temporal run id of its continue-as-new chain."""

    workflow_id: str
    first_run_id: str


class Delta(Model):
    """What one turn added: the user message that was sent and, once answered, Claude's blocks as received."""

    turn: int
    user: list[JsonValue]
    """Content blocks of the user message of this turn."""
    assistant: list[JsonValue] | None = None
    """Raw content blocks of the answer."""
    outcome: TurnOutcome | None = None
    offered: str = ""
    """Content address of the tools offered in this conversation; set at turn 0."""
    system: str = ""
    """Content address of the system prompt; set at turn 0."""


class Conversations(Protocol):
    """Every write commits before it returns."""

    async def read(self, run: RunKey, name: str, before_turn: int) -> tuple[Delta, ...]:
        """The deltas of turns 0 to `before_turn` - 1, in order."""

    async def find(self, run: RunKey, name: str, turn: int) -> Delta | None:
        """The delta of one turn, or None."""

    async def ask(self, run: RunKey, name: str, delta: Delta, at: Moment) -> Delta:
        """Append the user side of a turn; when it stands already (a retry), return the one that stands."""

    async def answer(
        self,
        run: RunKey,
        name: str,
        turn: int,
        assistant: list[JsonValue],
        outcome: TurnOutcome,
        at: Moment,
        spender: Spender | None = None,
    ) -> Delta:
        """Add the answer to a turn; when one stands already, the first one wins and is returned.

        The one that is added is counted in the same transaction as what `spender` has spent.
        """


class Contents(Protocol):
    """Bytes by content address."""

    async def put(self, content: bytes) -> str:
        """Store `content`; its `sha256:<hex>`."""

    async def get(self, address: str) -> bytes | None:
        """The bytes stored under `address`, or None."""

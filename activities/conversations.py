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
    """Content blocks of the user message of this turn; a result has beside its content the line that stands for it
    once it is an older one, as `older`."""
    assistant: list[JsonValue] | None = None
    """Raw content blocks of the answer."""
    outcome: TurnOutcome | None = None
    offered: str = ""
    """Content address of the tools offered in this conversation; set at turn 0."""
    system: str = ""
    """Content address of the system prompt; set at turn 0."""
    facts: dict[str, str] | None = None
    """What the machine knew at this turn."""
    asked_of: str = ""
    """The model that was asked; empty in conversations from before that was kept."""
    stubbed_before: int = 0
    """Results of earlier turns are shown as one line each, from this turn on."""
    folded_before: int = 0
    """Earlier turns are not shown at all from this turn on, but for the first message."""
    folded: str = ""
    """Content address of what stands in their place."""
    address: str = ""
    """Digest of the conversation up to and with this answer; empty before there is one."""


class Conversations(Protocol):
    """Every write commits before it returns."""

    async def read(self, run: RunKey, name: str, before_turn: int) -> tuple[Delta, ...]:
        """The deltas of turns 0 to `before_turn` - 1 that are shown still, in order.

        These are turn 0, and those from `folded_before` of the last one on.
        """

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

        Auditors are told of the answer by its address, and `spender` is charged, in the same transaction.
        """


class ContentErased(Exception):
    """What stood under a content address was erased, because it was about somebody who was."""

    def __init__(self, address: str, at: Moment) -> None:
        super().__init__(f"the content {address} was erased at {at:%Y-%m-%d %H:%M:%S} UTC, and cannot be had any more")


class Contents(Protocol):
    """Bytes by content address."""

    async def put(self, content: bytes) -> str:
        """Store `content`, anew where it was erased; its `sha256:<hex>`."""

    async def get(self, address: str) -> bytes | None:
        """The bytes stored under `address`, or None. Raises ContentErased."""

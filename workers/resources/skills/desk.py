"""What an MCP server of skills needs of whoever knows the automations, and what it gives them to talk with."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import JsonValue

from contracts.model import Model
from contracts.skills import Caller, Skill


class UnknownSkill(Exception):
    """There is no such skill, or it is not this caller's: callers cannot tell the one from the other."""


class NotDone(Exception):
    """What was asked was not done; the message says why, and the way out."""


class Interrupted(Exception):
    """The call ends here, and its transport knows how it goes on; whoever carries a skill out lets this pass."""


class Talk(Protocol):
    """The way back to a caller while their call is under way."""

    async def tell(self, message: str) -> None:
        """Report progress, where the client wants to hear of it."""

    async def ask(self, about: str, message: str, answers: Sequence[str], within: float) -> str | None:
        """Put a question to the person behind the client, and wait so many seconds at most.

        `about` names the question. None: the client cannot ask anybody, nobody answered, or with none of `answers`.
        What comes back is a word of whoever sits there, and proves nothing. Raises Interrupted where the question
        ends the call, which then comes again with the answer.
        """


class Desk(Protocol):
    """Where skills are carried out."""

    async def skills(self, caller: Caller) -> tuple[Skill, ...]:
        """What the caller is offered, in a stable order. Raises NotDone."""

    async def call(self, caller: Caller, skill: str, arguments: dict[str, JsonValue], talk: Talk) -> Model:
        """Carry one out. Raises UnknownSkill, NotDone, and what `talk` raises."""

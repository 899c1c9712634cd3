"""What follows by itself when a step of a state fails; the author of an automation chooses it beside the handler."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=Enum)


@dataclass(frozen=True)
class Escalate:
    """Pause: a person chooses how the run goes on."""

    @property
    def words(self) -> str:
        """What follows, for people."""
        return "a person chooses"


@dataclass(frozen=True)
class KeepTrying:
    """Keep what was done and act in the state again after a while, so many times; then a person chooses."""

    times: int
    every: timedelta

    @property
    def words(self) -> str:
        """What follows, for people."""
        return f"the state is tried again every {self.every}, {self.times} times at most; then a person chooses"


@dataclass(frozen=True)
class UndoAll(Generic[StateT]):
    """Undo everything that was done, newest first, and go on in another state."""

    to: StateT

    @property
    def words(self) -> str:
        """What follows, for people."""
        return f"everything is undone, and {self.to.value} follows"


Rule = Escalate | KeepTrying | UndoAll[StateT]

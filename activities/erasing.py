"""The port to erasure by subject: what is kept about somebody, and how it is made unreadable for good."""

from typing import Protocol

from activities.conversations import RunKey
from contracts.erasing import Erasure
from contracts.model import Model, Moment


class Trace(Model):
    """What the store keeps of one run, counted."""

    run: RunKey
    ending: str = ""
    """Empty: it is under way."""
    turns: int = 0
    """Of its conversations."""
    calls: int = 0
    """Of the ledger."""
    requests: int = 0
    notices: int = 0
    stands: str = ""
    """Why it cannot be erased now, and the way out; empty when it can."""
    erased_at: Moment | None = None
    """When it was erased; nothing is left to erase then."""
    keyed: bool = False
    """The subject is its business key, which stays where cases are told apart."""


class Traces(Model):
    """What is kept about a subject."""

    runs: tuple[Trace, ...]
    """The oldest first."""
    contents: int = 0
    """Contents that no other run refers to: results, actions, displays, notes, answers."""

    @property
    def standing(self) -> tuple[Trace, ...]:
        """Runs that cannot be erased now."""
        return tuple(each for each in self.runs if each.stands)

    @property
    def erasable(self) -> tuple[Trace, ...]:
        """Runs of which something can be erased now."""
        return tuple(each for each in self.runs if not each.stands and each.erased_at is None)


class StillStands(Exception):
    """Something of a run is not over, so nothing was erased."""

    def __init__(self, traces: tuple[Trace, ...]) -> None:
        super().__init__("; ".join(f"{each.run.workflow_id}: {each.stands}" for each in traces))
        self.traces = traces


class Erasing(Protocol):
    """What is kept about people, found and erased by subject."""

    async def traces(self, subject: str, names: tuple[str, ...] = ()) -> Traces:
        """What is kept of the runs that `subject` asked for, on whose behalf they were asked for, or whose input has
        a string that equals it; and of the runs with these workflow ids, whatever their input says.
        """

    async def erase(self, erasure: Erasure, runs: tuple[RunKey, ...], at: Moment) -> Traces:
        """Empty what is kept of these runs, all of it or nothing, with its record in the audit chain; what that was.

        A run that was erased before is left out. Raises StillStands.
        """

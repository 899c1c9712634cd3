"""Wait for time, or for a signal from outside: for what neither people of the roster nor a child run answer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from contracts.runs import CaseT, Wait
from workflows.machine.approvals import DecidedByPeople
from workflows.machine.definition import Machine, MachineDefinitionError


def nothing_comes() -> bool:
    """Of a wait for time alone."""
    return False


class WaitsForOthers(DecidedByPeople[CaseT]):
    """A run that waits for the world outside, visibly and not for ever."""

    machine: ClassVar[Machine[Any]]

    @property
    def entered_at(self) -> datetime:
        """When the run came into the state it is in."""
        return self.case.path[-1].at

    async def wait_until(self, until: datetime, what: str, ready: Callable[[], bool] = nothing_comes) -> bool:
        """Wait for `what`, at most until `until`; whether it came. Without `ready`, until then.

        A handler may begin anew meanwhile, so reckon `until` from `entered_at`, or take a date of the case: what is
        reckoned from the clock would move with it. What is waited for is shown wherever the run is.
        """
        state = self.machine.named(self.case.state)
        if not self.machine.is_waiting(state):
            raise MachineDefinitionError(f"{state!r} waits for {what}; name it in waiting=(...) of its machine")
        self.note(wait=Wait(what=what[:200], until=until))
        self._publish_details()
        try:
            return await self.wait_for(ready, until, f"waiting for {what}")
        finally:
            self.note(wait=None)

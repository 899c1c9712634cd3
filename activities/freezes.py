"""The port to the stop button: what is frozen now, and how a call that may not be sent waits for it."""

from datetime import timedelta
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from contracts.escaping import plain
from contracts.freezing import FreezeScope
from contracts.model import Model, Moment

FROZEN = "Frozen"
"""Type of the error of an attempt that a freeze has held: nothing was sent, and Temporal's next attempt asks again."""
GO_ON = "; to go on: "
"""In the message of such an error, before the command that takes the freeze back."""
SOONEST, LATEST = timedelta(seconds=2), timedelta(seconds=15)
"""A held call asks again so soon at first, and so late after some attempts."""


class Standing(Model):
    """A freeze that stands."""

    id: str
    scope: FreezeScope
    target: str = ""
    by: str = ""
    reason: str = ""
    since: Moment | None = None
    doubt: str = ""
    """Why it cannot be known that this person has frozen it; it stands all the same."""
    not_thawed: str = ""
    """Why the thaw that is recorded does not count; empty when there is none."""

    @property
    def what(self) -> str:
        """What is stopped, in words."""
        named = plain(self.target, 120)
        return "everything" if self.scope is FreezeScope.ALL else f"the {self.scope.value} {named!r}"

    @property
    def thaw_command(self) -> str:
        """The command that takes it back."""
        return f"interlock thaw {self.id} --reason WHY"

    def covers(self, automation: str, server: str, tool: str) -> bool:
        """Whether a call of this tool, for a run of this automation, is stopped."""
        named = {
            FreezeScope.ALL: self.target,
            FreezeScope.AUTOMATION: automation,
            FreezeScope.SERVER: server,
            FreezeScope.TOOL: f"{server}.{tool}",
        }
        return named[self.scope] == self.target

    def sentence(self) -> str:
        """What is frozen, since when, by whom and why, and what is not believed of it."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        by = f" by {plain(self.by, 120)!r}" if self.by else ""
        why = f": {plain(self.reason, 300)}" if self.reason else ""
        doubt = f" (not verified: {plain(self.doubt, 200)})" if self.doubt else ""
        thaw = f"; its thaw does not count: {plain(self.not_thawed, 200)}" if self.not_thawed else ""
        return f"{self.what} is frozen{since}{by}{doubt}{why}{thaw}"

    def asks_again(self, attempt: int) -> timedelta:
        """How long a call waits that was held for the `attempt`th time."""
        return min(LATEST, SOONEST * max(attempt, 1))


class Freezes(Protocol):
    """What stands now; another machine may freeze or thaw at any time."""

    async def over(self, automation: str, server: str, tool: str) -> Standing | None:
        """The oldest freeze over such a call. Asked before every send, and never answered from memory."""


async def hold_if_frozen(freezes: Freezes, automation: str, server: str, tool: str) -> None:
    """Raises ApplicationError while a freeze is over such a call: Temporal asks again, and the run keeps its place."""
    standing = await freezes.over(automation, server, tool)
    if standing is not None:
        message = f"held: {standing.sentence()}{GO_ON}{standing.thaw_command}"
        delay = standing.asks_again(activity.info().attempt)
        raise ApplicationError(message, type=FROZEN, next_retry_delay=delay)

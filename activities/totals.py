"""The port to running totals: what somebody has come to on a day, reserved before it is spent."""

from typing import Protocol

from activities.conversations import RunKey
from contracts.model import Model, Moment
from contracts.tools import Share


class CannotReserve(ValueError):
    """An action cannot be added to its totals; it must be refused. The message says why, and names nobody."""


class Spending(Model):
    """The action that adds to totals. Its key stands for it alone: another action under the key cannot reserve."""

    key: str
    action_digest: str
    run: RunKey
    """Whose action it is, for auditors."""


class Totals(Protocol):
    """Every write commits before it returns."""

    async def peek(self, spending: Spending, shares: tuple[Share, ...]) -> dict[str, int]:
        """Total -> what `reserve` would return now, nothing written: what the total would come to with this action.

        Where its own share stands reserved, that is what the total came to by it: it counts
        once, and what others have added since counts for them.
        """

    async def reserve(self, spending: Spending, shares: tuple[Share, ...], at: Moment) -> dict[str, int]:
        """Add the shares of this action atomically, once per key, and return what each total then came to.

        Of rivals, each sees what those before it have reserved. Again for the same key: what it came to the first
        time, nothing added; after a release it is added anew. Raises CannotReserve when the key stands for another
        action, for two shares of one total, and for a total too large to be counted; nothing is kept then.
        """

    async def release(self, spending: Spending, at: Moment) -> None:
        """Take the shares of this action back: it has no effect. Releasing what is not reserved changes nothing."""

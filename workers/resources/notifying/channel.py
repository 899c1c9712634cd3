"""The small port of every way out: one notice at a time, sent or not, now or never."""

from datetime import timedelta
from typing import Protocol

from activities.notices import Notice
from contracts.escaping import plain

LONGEST_PROBLEM = 300


class NotSent(Exception):
    """The notice did not leave. The message is one escaped line without secrets, for operators."""

    def __init__(self, problem: str) -> None:
        super().__init__(plain(problem, LONGEST_PROBLEM))


class Undeliverable(NotSent):
    """It will never reach this recipient: trying again cannot help."""


class NotNow(NotSent):
    """Something stands in the way for now: trying again can help."""

    def __init__(self, problem: str, not_before: timedelta = timedelta(0)) -> None:
        super().__init__(problem)
        self.not_before = not_before
        """How long the other side asks us to wait."""


class Channel(Protocol):
    """One way out."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""

    async def send(self, notice: Notice) -> None:
        """Hand the notice over, within the channel's timeout. Raises Undeliverable, NotNow."""

    async def aclose(self) -> None:
        """Let go of what is held. Waits for nobody."""

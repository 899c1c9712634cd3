"""The port to the time: stories move it with the workflow's clock."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Now, with a time zone."""

    async def now(self) -> datetime:
        """The present moment, as the run that asks should see it."""

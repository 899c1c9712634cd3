"""The real time."""

from datetime import UTC, datetime


class SystemClock:
    """The clock of this machine."""

    async def now(self) -> datetime:
        """See activities.clock.Clock."""
        return datetime.now(UTC)

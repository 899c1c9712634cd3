"""What operators say of a server as a whole: when its breaker opens, and how much may go to it at a time."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from contracts.model import Model

ARGUMENT_BYTES = 64 * 1024
"""Arguments of one call, as JSON. No server may be declared to take more."""

ANSWER_BYTES = 4 * 1024 * 1024
"""One answer on the wire: a stdio line, an HTTP body, an SSE event. No server may be declared to give more."""


class BreakerRule(Model):
    """When a server's breaker opens, and for how long."""

    window: int = Field(default=10, ge=1, le=100)
    """How many outcomes of calls are looked at, the last ones."""
    failures: float = Field(default=0.3, ge=0, lt=1)
    """The share of failures in a full window that is still borne."""
    open: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))
    """For how long it opens the first time; doubled each time in a row."""
    longest: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.longest < self.open:
            raise ValueError("has a longest that is shorter than open; make longest at least as long")
        return self

    @property
    def borne(self) -> float:
        """How many failures in a window are borne; with one more it opens."""
        return round(self.failures * self.window, 6)  # 0.29 * 100 is 28.999999999999996


class Rate(Model):
    """So many calls in a period, of all workers together."""

    calls: int = Field(ge=1, le=100_000)
    seconds: int = Field(ge=1, le=3600)

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds

    @property
    def at_once(self) -> float:
        """What may be called at once after a quiet time: what comes to a second, at least one call."""
        return max(1.0, self.per_second)


class Limits(Model):
    """How much may go to a server, and come from it."""

    concurrency: int = Field(default=8, ge=1, le=1000)
    """Calls under way at a time, of each worker."""
    rate: Rate | None = None
    """None: as many as come."""
    arguments: int = Field(default=ARGUMENT_BYTES, ge=1, le=ARGUMENT_BYTES)
    """Bytes of one call's arguments, as JSON."""
    answer: int = Field(default=ANSWER_BYTES, ge=1, le=ANSWER_BYTES)
    """Bytes of one answer on the wire, the list of its tools included."""


class ServerRules(Model):
    """All that is said of a server as a whole."""

    breaker: BreakerRule = BreakerRule()
    limits: Limits = Limits()
    plans: dict[str, str] = {}
    """Tool -> the argument in which its calls list further calls: whoever approves such a call approves those."""

"""The rate of a server, shared by all workers: tokens that come back with time, one for each call."""

from typing import Protocol

from contracts.model import Model, Moment
from contracts.servers import Rate


class Bucket(Model):
    """What is left of a server's rate."""

    tokens: float
    filled_at: Moment

    @classmethod
    def full(cls, rate: Rate, at: Moment) -> "Bucket":
        """As after a quiet time."""
        return cls(tokens=rate.at_once, filled_at=at)


def take(bucket: Bucket, rate: Rate, at: Moment) -> tuple[Bucket, float]:
    """The bucket without one token and 0; or, as it is, how many seconds it takes until there is one."""
    passed = max(0.0, (at - bucket.filled_at).total_seconds())  # clocks differ
    tokens = min(rate.at_once, bucket.tokens + passed * rate.per_second)
    if tokens < 1:
        return bucket, (1 - tokens) / rate.per_second
    return Bucket(tokens=tokens - 1, filled_at=max(at, bucket.filled_at)), 0.0


class Rates(Protocol):
    """One bucket for each server that declares a rate."""

    async def take(self, server: str, rate: Rate, at: Moment) -> float:
        """As the function `take`: 0 when a token was taken, else how many seconds it takes until there is one."""

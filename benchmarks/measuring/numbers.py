"""Medians and percentiles of what was measured."""

import statistics
from collections.abc import Iterable, Sequence


def median(values: Iterable[float]) -> float:
    """The middle one. Raises ValueError when there is none."""
    found = list(values)
    if not found:
        raise ValueError("no value was measured")
    return float(statistics.median(found))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many per cent of the values do not exceed. Raises ValueError."""
    if not values:
        raise ValueError("no value was measured")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return float(ordered[int(rank) - 1])


def ratio(one: float, other: float) -> float:
    """How many times `other` is `one`. Raises ValueError where `other` is nothing."""
    if other <= 0:
        raise ValueError("nothing was measured to compare with")
    return one / other

"""The rate of a server: so many calls in a period, and a second's worth at once."""

from datetime import timedelta

import pytest

from activities.rates import Bucket, take
from contracts.servers import Rate
from tests.activities.bench import NINE


@pytest.mark.parametrize(
    ("rate", "at_once", "next_after"),
    [
        (Rate(calls=10, seconds=1), 10, 0.1),
        (Rate(calls=600, seconds=60), 10, 0.1),
        (Rate(calls=6, seconds=60), 1, 10.0),
    ],
)
def test_after_a_quiet_time_a_seconds_worth_is_let_through_at_once(rate: Rate, at_once: int, next_after: float) -> None:
    bucket, waits = Bucket.full(rate, NINE), []
    for _ in range(at_once + 1):
        bucket, seconds = take(bucket, rate, NINE)
        waits.append(seconds)
    assert waits == [*[0.0] * at_once, pytest.approx(next_after)]


def test_in_a_minute_no_more_is_let_through_than_the_rate_and_what_was_saved_up() -> None:
    rate = Rate(calls=5, seconds=1)
    bucket, taken = Bucket.full(rate, NINE), 0
    for tick in range(600):
        for _ in range(3):
            bucket, seconds = take(bucket, rate, NINE + timedelta(seconds=tick / 10))
            taken += seconds == 0
    assert taken == pytest.approx(60 * 5 + rate.at_once, abs=1)


def test_a_clock_that_is_behind_gives_nothing_back() -> None:
    rate = Rate(calls=1, seconds=1)
    bucket, _ = take(Bucket.full(rate, NINE), rate, NINE)
    bucket, seconds = take(bucket, rate, NINE - timedelta(hours=1))
    assert seconds == 1.0
    assert take(bucket, rate, NINE + timedelta(seconds=1))[1] == 0

"""The breaker as it is specified: when it opens, for how long, who looks, and what changes nothing."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from activities.breakers import (
    LONGEST_ASKED,
    PROBE_LEASE,
    REMEMBERED,
    Breaker,
    Leave,
    May,
    Report,
    Trouble,
    admit,
    expire,
    failed,
    record,
)
from contracts.servers import BreakerRule
from tests.activities.bench import NINE

RULE = BreakerRule()
WELL = Report()
ILL = Report(trouble=Trouble.NOT_REACHED, problem="connection refused")
HALF_MINUTE = timedelta(seconds=30)


def at(seconds: float) -> datetime:
    """Seconds past nine."""
    return NINE + timedelta(seconds=seconds)


def leave_of(breaker: Breaker, moment: datetime = NINE, owner: str = "me") -> Leave:
    """What a caller is told."""
    return admit(breaker, owner, moment)[1]


def after(reports: Iterable[Report], breaker: Breaker | None = None, rule: BreakerRule = RULE) -> Breaker:
    """The breaker after calls that came to this, one a second."""
    breaker = breaker or Breaker(server="payments")
    for second, report in enumerate(reports):
        breaker = record(breaker, rule, leave_of(breaker, at(second)), report, at(second), 0.0)
    return breaker


def opened(rule: BreakerRule = RULE, report: Report = ILL) -> Breaker:
    """One that has just opened for the first time, at nine."""
    breaker = Breaker(server="payments")
    while not breaker.open:
        breaker = record(breaker, rule, leave_of(breaker), report, NINE, 0.0)
    return breaker


def probed(breaker: Breaker, report: Report, moment: datetime, jitter: float = 0.0) -> Breaker:
    """After somebody has looked at that moment."""
    breaker, leave = admit(breaker, "prober", moment)
    assert leave.may is May.PROBE
    return record(breaker, RULE, leave, report, moment, jitter)


def test_a_total_outage_opens_it_with_the_fourth_failure() -> None:
    assert not after([ILL] * 3).open
    breaker = after([ILL] * 4)
    assert (breaker.open, breaker.problem, breaker.changed_at) == (True, "connection refused", at(3))
    assert leave_of(breaker, at(4)).may is May.WAIT


def test_three_failures_of_the_last_ten_are_borne_and_a_fourth_is_not() -> None:
    borne = [ILL, WELL, WELL, ILL, WELL, WELL, ILL, WELL, WELL, WELL]
    assert not after(borne * 5).open
    assert after([*borne, ILL, WELL, ILL]).open


def test_what_is_older_than_the_window_counts_no_more() -> None:
    assert not after([ILL, ILL, ILL, *[WELL] * 10, ILL, ILL, ILL]).open


def test_what_is_older_than_ten_minutes_counts_no_more() -> None:
    breaker = after([ILL] * 3)
    late = at(2) + REMEMBERED + timedelta(seconds=1)
    assert (failed(breaker, at(3)), failed(breaker, late)) == (3, 0)
    assert not record(breaker, RULE, leave_of(breaker), ILL, late, 0.0).open
    assert expire(breaker, late).outcomes == ()


@pytest.mark.parametrize(
    ("window", "failures", "opens_with"), [(10, 0.3, 4), (20, 0.5, 11), (1, 0.0, 1), (3, 0.9, 3), (100, 0.29, 30)]
)
def test_window_and_share_are_the_operators_word(window: int, failures: float, opens_with: int) -> None:
    rule = BreakerRule(window=window, failures=failures)
    assert not after([ILL] * (opens_with - 1), rule=rule).open
    assert after([ILL] * opens_with, rule=rule).open


def test_a_healthy_server_changes_nothing() -> None:
    untouched = Breaker(server="payments")
    assert after([WELL] * 20) == untouched
    recovered = after([ILL, *[WELL] * 10])
    assert record(recovered, RULE, leave_of(recovered), WELL, at(60), 0.0) is recovered


def test_it_is_refused_until_its_time_and_then_one_of_all_callers_looks() -> None:
    breaker = opened()
    assert breaker.open_until == NINE + HALF_MINUTE
    assert leave_of(breaker, at(29.9)).may is May.WAIT
    breaker, first = admit(breaker, "first", at(30))
    second = leave_of(breaker, at(30), "second")
    assert (first.may, second.may) == (May.PROBE, May.WAIT)


def test_a_probe_whose_lease_has_run_out_is_anothers_and_what_it_comes_to_is_nobodys() -> None:
    breaker, dead = admit(opened(), "dead", at(30))
    assert leave_of(breaker, at(59.9), "next").may is May.WAIT
    breaker, following = admit(breaker, "next", at(30) + PROBE_LEASE)
    assert following.may is May.PROBE
    assert record(breaker, RULE, dead, WELL, at(61), 0.0) is breaker
    assert not record(breaker, RULE, following, WELL, at(61), 0.0).open


def test_a_probe_that_succeeds_closes_it_with_an_empty_window_and_a_new_generation() -> None:
    before = opened()
    breaker = probed(before, WELL, at(30))
    assert (breaker.open, breaker.outcomes, breaker.open_until, breaker.probe_owner) == (False, (), None, None)
    assert breaker.generation > before.generation
    assert leave_of(breaker, at(30)).may is May.CALL


def test_each_time_in_a_row_it_stays_open_twice_as_long_up_to_the_longest() -> None:
    breaker, lengths = opened(), [HALF_MINUTE]
    for _ in range(6):
        assert breaker.open_until is not None
        moment = breaker.open_until
        breaker = probed(breaker, ILL, moment)
        assert breaker.open_until is not None
        lengths.append(breaker.open_until - moment)
    assert [length.total_seconds() for length in lengths] == [30, 60, 120, 240, 480, 900, 900]


def test_a_server_that_lists_its_tools_and_fails_its_calls_stays_open_longer_and_longer() -> None:
    breaker = probed(opened(), WELL, at(30))
    for _ in range(4):
        breaker = record(breaker, RULE, leave_of(breaker), ILL, at(31), 0.0)
    assert breaker.open_until == at(31) + 2 * HALF_MINUTE


def test_only_a_full_window_of_healthy_calls_makes_it_forget_how_often_it_has_opened() -> None:
    breaker = probed(opened(), WELL, at(30))
    assert after([WELL] * 9, breaker).opens_in_a_row == 1
    assert after([*[WELL] * 9, ILL, *[WELL] * 9], breaker).opens_in_a_row == 1
    assert after([WELL] * 10, breaker).opens_in_a_row == 0


def test_what_a_call_of_an_older_generation_comes_to_changes_nothing() -> None:
    slow = leave_of(Breaker(server="payments"))
    breaker = opened()
    for report in (WELL, ILL):
        assert record(breaker, RULE, slow, report, at(1), 0.0) is breaker
    closed = probed(breaker, WELL, at(30))
    for report in [ILL] * 5:
        assert record(closed, RULE, slow, report, at(31), 0.0) is closed


def test_a_server_that_asks_for_more_time_gets_it_within_bounds() -> None:
    def until(asked: float) -> datetime | None:
        return opened(report=ILL.model_copy(update={"retry_after_seconds": asked})).open_until

    assert [until(90), until(5), until(float("inf"))] == [at(90), at(30), NINE + LONGEST_ASKED]


def test_it_stays_open_by_up_to_a_tenth_longer_and_never_shorter() -> None:
    breaker = probed(opened(), ILL, at(30), jitter=1.0)
    assert breaker.open_until == at(30) + 1.1 * 2 * HALF_MINUTE

"""Percentiles and ratios as the tables of the benchmark show them."""

import pytest

from benchmarks.measuring.numbers import median, percentile, ratio


def test_the_fiftieth_percentile_of_an_odd_number_is_the_middle_one() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0


def test_a_percentile_is_always_a_value_that_was_measured() -> None:
    measured = [float(value) for value in range(1, 101)]
    assert [percentile(measured, percent) for percent in (1, 50, 95, 100)] == [1.0, 50.0, 95.0, 100.0]


def test_one_slow_effect_of_ten_is_the_ninety_fifth_percentile() -> None:
    assert percentile([0.04] * 9 + [0.9], 95) == 0.9


def test_a_median_is_not_moved_by_one_round_that_was_disturbed() -> None:
    assert median([10.0, 11.0, 95.0]) == 11.0


@pytest.mark.parametrize("made_of_nothing", [lambda: median([]), lambda: percentile([], 50), lambda: ratio(1, 0)])
def test_nothing_measured_makes_no_number(made_of_nothing) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="measured"):
        made_of_nothing()

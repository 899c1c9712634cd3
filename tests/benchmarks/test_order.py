"""Rounds of the benchmark's loops: what decides a promise comes first, and nothing takes the time of the others."""

from benchmarks.scenarios.clock import Clock
from benchmarks.scenarios.loops import CELLS, KEPT_MINUTES, Cell, in_order


def test_cells_with_several_rounds_take_turns_before_the_others() -> None:
    often, also, once = Cell(5, 1, 1, rounds=2), Cell(5, 1, 50, rounds=3), Cell(20, 1, 1)
    assert in_order([once, often, also]) == [(0, often), (0, also), (1, often), (1, also), (2, also), (0, once)]


def test_every_combination_of_turns_size_and_concurrency_is_measured() -> None:
    measured = {(cell.turns, cell.page_kb, cell.concurrency) for _, cell in in_order(CELLS)}
    assert measured == {(turns, size, many) for turns in (5, 20, 50) for size in (1, 20) for many in (1, 10, 50)}


def test_nothing_is_begun_that_would_take_the_time_of_the_other_scenarios() -> None:
    clock = Clock(minutes=38)
    clock.began -= 60 * (38 - KEPT_MINUTES) - 30
    assert clock.allows(25, KEPT_MINUTES)
    assert not clock.allows(35, KEPT_MINUTES)

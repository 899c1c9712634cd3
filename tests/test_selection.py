"""The lot: a share of each folder, the same for the same seed, and every test in the end."""

from fractions import Fraction

from tests.selection import drawn

TESTS = [f"tests/many/test_{number % 3}.py::test_{number}" for number in range(20)] + ["tests/few/test_b.py::test_only"]
QUARTER = Fraction(1, 4)


def test_a_quarter_of_each_folder_is_drawn_and_one_at_least() -> None:
    kept = drawn(TESTS, QUARTER, "a seed")
    assert len([each for each in kept if each.startswith("tests/many/")]) == 5
    assert "tests/few/test_b.py::test_only" in kept


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    assert drawn(TESTS, QUARTER, "a seed") == drawn(reversed(TESTS), QUARTER, "a seed")
    assert drawn(TESTS, QUARTER, "a seed") != drawn(TESTS, QUARTER, "another")


def test_with_time_every_test_is_drawn() -> None:
    assert set().union(*(drawn(TESTS, QUARTER, f"{day}") for day in range(60))) == set(TESTS)


def test_a_share_of_one_is_every_test() -> None:
    assert drawn(TESTS, Fraction(1), "a seed") == set(TESTS)

"""Tokens and money: how they are added up, and how much of the input came from the cache."""

from contracts.claude import Usage

WARM = Usage(input_tokens=40, cache_write_tokens=10, cache_read_tokens=150, output_tokens=7, cost_micros=3)


def test_what_came_from_the_cache_is_a_share_of_everything_that_was_read() -> None:
    assert (WARM.all_input_tokens, WARM.all_tokens, WARM.cached_percent) == (200, 207, 75)


def test_where_nothing_was_read_nothing_came_from_the_cache() -> None:
    assert Usage().cached_percent == 0


def test_usage_is_added_field_by_field() -> None:
    twice = WARM.plus(WARM)

    assert (twice.all_input_tokens, twice.output_tokens, twice.cost_micros, twice.cached_percent) == (400, 14, 6, 75)

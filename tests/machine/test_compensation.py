"""The rule by which an undo is tried: how long it waits, and what holds where nothing was said."""

from contracts.runs import RetryRule


def test_the_waits_of_a_retry_rule_double_up_to_sixty_times_the_first() -> None:
    rule = RetryRule(every=10)
    assert [rule.delay(tried) for tried in range(7)] == [10, 20, 40, 80, 160, 320, 600]
    assert rule.delay(20) == 600


def test_an_undo_for_which_nothing_was_said_is_tried_for_twelve_hours_and_a_no_is_put_to_people() -> None:
    assert (RetryRule().within, RetryRule().times) == (12 * 3600, 0)

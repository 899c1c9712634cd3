"""A run that nobody answers waits for months with a handful of timers; people are asked again and again."""

from temporalio.testing import WorkflowEnvironment

from tests.long.promises import MOST_TIMERS, broken_by_waiting
from tests.long.waiting import an_escalation_unanswered_for

DAYS = 60


async def test_an_escalation_that_nobody_answers_for_two_months_costs_a_timer_a_week(
    temporal: WorkflowEnvironment,
) -> None:
    waited = await an_escalation_unanswered_for(temporal, DAYS)

    assert list(broken_by_waiting(waited)) == []
    assert waited.waiting.state == "escalated"
    assert len(waited.waiting.waiting_for) == 1
    assert waited.growth.timers <= MOST_TIMERS * DAYS / 400

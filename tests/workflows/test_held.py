"""A call that is held waits in Temporal: the history does not grow, and whoever asks is told what it waits for."""

import asyncio
from datetime import timedelta

from temporalio.testing import WorkflowEnvironment

from activities.toolbox import NotSent
from cli.diagnosis import explain
from cli.server import Server
from contracts.servers import BreakerRule, ServerRules
from tests.doubles import WAITS_SECONDS, in_turn
from tests.story import StoryRun
from tests.workflows.errand_world import DONE, FIND, NOTE, an_errand, tools

AT_ONCE = ServerRules(breaker=BreakerRule(window=1, failures=0))


async def failure_of_attempt(run: StoryRun, attempt: int) -> str:
    """What the pending activity says once it waits for this attempt."""
    async with asyncio.timeout(WAITS_SECONDS):
        while True:
            described = await run.handle.describe()
            for pending in described.raw_description.pending_activities:
                if pending.attempt == attempt and pending.HasField("next_attempt_schedule_time"):
                    return pending.last_failure.message
            await asyncio.sleep(0.02)


async def test_claude_is_given_what_was_read_before_and_told_how_old_it_is(temporal: WorkflowEnvironment) -> None:
    found = {"order_id": "A-17", "status": "delivered"}
    toolbox = tools(orders__find_order=in_turn(found, NotSent("connection refused")))
    toolbox.said = {"orders": AT_ONCE}
    async with an_errand(temporal, (FIND,), (FIND, NOTE), DONE, toolbox=toolbox) as errand:
        await failure_of_attempt(errand.run, 2)
        await errand.story.fast_forward(errand.run, timedelta(seconds=3))
        ending = await errand.run.ending()

    (text, failed), _ = errand.told()
    assert ending.state == "answered"
    assert not failed
    assert text.startswith("[this was read ") and " s ago; the server cannot be asked now]" in text
    assert text.endswith('{"order_id": "A-17", "status": "delivered"}')
    assert toolbox.called.count("orders.find_order") == 2, "the second time it could not be reached"


async def test_a_held_call_waits_as_a_retry_that_says_what_it_waits_for(temporal: WorkflowEnvironment) -> None:
    found = {"order_id": "A-17", "status": "delivered"}
    toolbox = tools(orders__find_order=in_turn(NotSent("connection refused"), found))
    toolbox.said = {"orders": AT_ONCE}
    async with an_errand(temporal, (FIND,), DONE, toolbox=toolbox) as errand:
        run, story = errand.run, errand.story
        held = await failure_of_attempt(run, 2)
        findings = (await explain(Server(story.client), run.handle.id)).findings
        (why,) = [finding for finding in findings if finding.subject == run.handle.id]
        reached = list(toolbox.called)
        await story.fast_forward(run, timedelta(seconds=45))
        ending = await run.ending()
        history = await run.handle.fetch_history()

    assert held.startswith("orders is not called: its breaker is open since 20")
    assert (why.problem.startswith(f"waits: {held}; "), why.next_command) == (True, "interlock servers")
    assert held.endswith("the last problem: connection refused")
    assert (reached, toolbox.called, toolbox.probed) == (["orders.find_order"], ["orders.find_order"] * 2, ["orders"])
    assert ending.state == "answered"
    scheduled = [event.activity_task_scheduled_event_attributes for event in history.events]
    calls = [each for each in scheduled if each.activity_type.name == "call_tool"]
    assert [each.priority.fairness_key for each in calls] == ["orders"]

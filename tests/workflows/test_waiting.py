"""Runs that wait for people: nobody needs to know of them to find them (invariant I8)."""

from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from tests.doubles import says_no
from tests.story import Story, StoryRun
from tests.workflows.errand_world import DONE, MAIL, an_errand
from tests.workflows.refund_world import Books, a_refund


async def waits_visibly(story: Story, run: StoryRun, state: str) -> None:
    """It is in the lists, in the inbox and in the Web UI, each with what is waited for."""
    request = await run.asked()
    await run.in_state(state)
    assert [entry.request_id for entry in await story.store.inbox.waiting(10)] == [request.id]
    details = await run.details()
    assert f"interlock approvals show {request.id}" in details
    assert request.title[:20] in details.replace("\\", "")
    attributes = await run.search_attributes()
    assert attributes["InterlockState"] == state


async def test_a_refund_that_waits_for_approval_is_found_in_lists_inbox_and_web_ui(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        await waits_visibly(refund.story, refund.run, "awaiting_approval")


async def test_an_escalated_refund_is_found_in_lists_inbox_and_web_ui(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox(payments__issue_credit=says_no("the card has expired"))
    async with a_refund(temporal, 4000, toolbox=toolbox) as refund:
        await waits_visibly(refund.story, refund.run, "escalated")


async def test_an_errand_that_waits_for_approval_is_found_in_lists_inbox_and_web_ui(
    temporal: WorkflowEnvironment,
) -> None:
    async with an_errand(temporal, (MAIL,), DONE) as errand:
        await waits_visibly(errand.story, errand.run, "awaiting_approval")


async def test_an_escalated_errand_is_found_in_lists_inbox_and_web_ui(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, ClaudeRejected("400", "req_1")) as errand:
        await waits_visibly(errand.story, errand.run, "escalated")


async def test_a_run_that_ended_is_listed_with_its_ending_and_waits_for_nobody(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        await refund.run.ending()
        attributes = await refund.run.search_attributes()
        waiting = await refund.story.store.inbox.waiting(10)

    assert attributes["InterlockState"] == "refunded"
    assert attributes["InterlockAutomation"] == "refund"
    assert "rita" not in attributes["InterlockRequester"], "a pseudonym"
    assert waiting == ()

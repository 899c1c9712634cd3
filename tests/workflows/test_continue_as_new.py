"""Runs that continue as new, as Temporal suggests it: nobody outside can tell, and nothing is lost or done twice."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.conversations import RunKey
from activities.keys import idempotency_key
from contracts.decisions import ApprovalRequest, Verdict
from tests.doubles import in_turn, says_no
from tests.story import DEPLOYMENT, StoryRun
from tests.workflows.errand_world import DONE, FIND, MAIL, NOTE, OTHER_MAIL, an_errand, tools
from tests.workflows.refund_world import Books, a_refund
from tests.workflows.test_waits import awaiting_goods

pytestmark = pytest.mark.many


async def continued(run: StoryRun) -> str:
    """The Temporal run id now, which is no longer the first one."""
    description = await run.handle.describe()
    view = await run.view()
    assert description.run_id != view.first_run_id == run.handle.first_execution_run_id
    return description.run_id


async def shown_as_waiting(run: StoryRun, request: ApprovalRequest) -> None:
    """The lists and the Web UI show it as they did before."""
    view = await run.view()
    attributes, details = await run.search_attributes(), await run.details()
    assert attributes["InterlockState"] == view.state
    assert attributes["InterlockAutomation"] == view.automation
    assert attributes["InterlockRequester"]
    assert details.startswith(f"**{view.summary}**")
    assert f"interlock approvals show {request.id}" in details
    assert " → ".join(visit.state.replace("_", " ") for visit in view.path[:-1]) in details


async def test_a_refund_that_waits_for_people_continues_as_new_and_the_decision_counts(
    suggesting: WorkflowEnvironment,
) -> None:
    async with a_refund(suggesting, 64000) as refund:
        request = await refund.run.asked()
        await refund.run.in_state("awaiting_approval")
        await continued(refund.run)
        await shown_as_waiting(refund.run, request)
        decision = await refund.run.decision(Verdict.APPROVE)
        assert (await refund.run.sends(decision)).outcome == "approved"
        ending = await refund.run.ending()
        view = await refund.run.view()

    assert ending.state == "refunded"
    assert [visit.state for visit in view.path] == [
        "intake",
        "assessing",
        "ruling",
        "awaiting_approval",
        "issuing",
        "verifying",
        "refunded",
    ]
    assert view.turns == 2, "tokens and turns are counted over the whole run"
    run = RunKey(workflow_id=view.workflow_id, first_run_id=view.first_run_id)
    key = idempotency_key(DEPLOYMENT.id, run, "payments.issue_credit", "1")
    assert refund.toolbox.keys_of("payments.issue_credit") == [key]


async def test_an_approval_given_before_a_run_continues_as_new_counts_after_it(suggesting: WorkflowEnvironment) -> None:
    async with a_refund(suggesting, 150_000) as refund:
        await refund.run.decides(Verdict.APPROVE, by="dana")
        before = await continued(refund.run)
        for number in range(12):
            await refund.run.signals({"junk": number})
        await refund.run.until(lambda view: view.refused_count == 12)
        after = await continued(refund.run)
        request = await refund.run.asked()
        await refund.run.decides(Verdict.APPROVE, by="erik")
        ending = await refund.run.ending()

    assert before != after
    assert [decision.approver for decision in request.approvals] == ["dana"]
    assert ending.state == "refunded"


async def test_a_deadline_is_kept_by_a_run_that_continued_as_new(suggesting: WorkflowEnvironment) -> None:
    async with a_refund(suggesting, 64000) as refund:
        request = await refund.run.asked()
        await continued(refund.run)
        await refund.story.fast_forward(refund.run, timedelta(days=1, hours=23))
        passed = await refund.run.asked()
        await refund.story.fast_forward(refund.run, timedelta(hours=2))
        ending = await refund.run.ending()

    assert (passed.deadline, passed.remind_at, passed.handed_on) == (request.deadline, None, True)
    assert ending.state == "expired"


async def test_a_wait_ends_when_it_should_in_a_run_that_continued_as_new(suggesting: WorkflowEnvironment) -> None:
    async with awaiting_goods(suggesting) as (run, _):
        before = (await run.view()).wait
        await continued(run)
        await run.story.fast_forward(run, timedelta(days=13))
        after = (await run.until(lambda view: view.wait is not None)).wait
        await run.story.fast_forward(run, timedelta(days=1, minutes=1))
        ending = await run.ending()

    assert before == after
    assert ending.state == "reversed"


async def test_an_escalated_refund_continues_as_new_and_the_choice_counts(suggesting: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(payments__issue_credit=in_turn(says_no("the card has expired"), books.credit))
    async with a_refund(suggesting, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await continued(refund.run)
        await shown_as_waiting(refund.run, request)
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert len(set(toolbox.keys_of("payments.issue_credit"))) == 2
    assert books.credits == [4000]


async def test_what_was_done_before_a_run_continued_as_new_is_undone_when_it_is_cancelled(
    suggesting: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox(
        mail__confirm_refund=says_no("the mailbox is full"),
        payments__reverse_credit=in_turn(says_no("later"), books.reverse),
    )
    async with a_refund(suggesting, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked(1)
        await continued(refund.run)
        await refund.run.cancel("no longer wanted")
        request = await refund.run.asked(2)
        await shown_as_waiting(refund.run, request)
        await refund.run.decides(Verdict.RETRY, number=2)
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert books.credits == []


async def test_an_errand_that_waits_for_two_decisions_continues_as_new_and_takes_both(
    suggesting: WorkflowEnvironment,
) -> None:
    async with an_errand(suggesting, (MAIL, OTHER_MAIL), DONE) as errand:
        requests = [await errand.run.asked(1), await errand.run.asked(2)]
        await errand.run.in_state("awaiting_approval")
        await continued(errand.run)
        for request in requests:
            await shown_as_waiting(errand.run, request)
        await errand.run.decides(Verdict.APPROVE, number=2)
        await errand.run.decides(Verdict.APPROVE, number=1)
        ending = await errand.run.ending()

    assert ending.state == "answered"
    assert errand.toolbox.effects() == ["mail.send_mail", "mail.send_mail"]
    assert len(set(errand.toolbox.keys)) == 2


async def test_a_decision_that_arrives_while_an_errand_calls_does_not_keep_it_from_continuing(
    suggesting: WorkflowEnvironment,
) -> None:
    toolbox = tools()
    release = toolbox.holding("orders.find_order")
    async with an_errand(suggesting, (MAIL, FIND), (NOTE,), DONE, toolbox=toolbox) as errand:
        decision = await errand.run.decision(Verdict.APPROVE)
        assert (await errand.run.view()).state == "calling"
        sending = asyncio.create_task(errand.run.sends(decision))
        await errand.run.signals(decision.model_copy(update={"approver": "rita"}))
        await errand.run.signals({"junk": True})
        await errand.run.until(lambda view: view.refused_count == 1)
        release.set()
        receipt = await sending
        ending = await errand.run.ending()
        await continued(errand.run)

    assert receipt.outcome == "approved"
    assert ending.state == "answered"
    assert toolbox.effects() == ["mail.send_mail", "crm.add_note"]


async def test_an_errand_of_many_turns_continues_as_new_between_them(suggesting: WorkflowEnvironment) -> None:
    async with an_errand(suggesting, *[(NOTE, FIND)] * 6, DONE) as errand:
        ending = await errand.run.ending()
        view = await errand.run.view()
        await continued(errand.run)

    assert ending.state == "answered"
    assert (view.turns, view.tool_calls) == (7, 12)
    assert len(errand.claude.questions[-1].messages) == 13, "Claude sees every turn"
    assert len(set(errand.toolbox.keys_of("crm.add_note"))) == 6

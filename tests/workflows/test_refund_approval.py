"""Refunds that people must sign: what each answer, and each silence, leads to."""

import json
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.doubles import RulesInTurn
from tests.story import StoryRun
from tests.workflows.refund_world import SIGN_EVERY_CREDIT, a_refund, rules

pytestmark = pytest.mark.many

EFFECTS_OF_A_REFUND = ["payments.issue_credit", "orders.mark_refunded", "mail.confirm_refund"]


async def test_a_large_refund_waits_for_an_approver_and_goes_ahead_when_approved(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        assert refund.toolbox.effects() == []
        receipt = await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()

    assert receipt.outcome == "approved"
    assert ending.state == "refunded"
    assert refund.toolbox.effects() == EFFECTS_OF_A_REFUND


async def test_people_are_shown_what_the_day_comes_to_with_what_they_are_asked(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        request = await refund.run.asked()
        shown = await refund.story.store.contents.get(request.display_digest)

    assert shown is not None
    lines = {line["label"]: line["text"] for line in json.loads(shown)["request"]["context"]}
    assert lines["with this one"] == "credits_of_customer_today 640.00 EUR; credits_of_requester_today 640.00 EUR"


async def test_a_rejected_refund_touches_nothing(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.decides(Verdict.REJECT, note="the photos show another shop's box")
        ending = await refund.run.ending()

    assert (ending.state, ending.reason) == ("rejected", "rejected by dana: the photos show another shop's box")
    assert refund.toolbox.effects() == []


async def test_an_approval_closes_its_request_at_once_and_any_other_answer_only_when_history_has_it(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000, 52000) as refund:
        await refund.run.decides(Verdict.RETURN)
        await refund.run.asked(2)
        returned = await closings_in_history(refund.run)
        await refund.run.decides(Verdict.APPROVE, number=2)
        await refund.run.ending()
        approved = await closings_in_history(refund.run)

    assert (returned, approved) == (1, 1), "a task that is lost would leave a closed request that nobody can answer"


async def closings_in_history(run: StoryRun) -> int:
    """How many requests were closed by an activity of its own."""
    events = (await run.handle.fetch_history()).events
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    return scheduled.count("close_request")


async def test_a_refund_nobody_answers_expires_after_two_days(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        await refund.story.fast_forward(refund.run, timedelta(days=2, minutes=1))
        ending = await refund.run.ending()
        view = await refund.run.view()

    assert (ending.state, ending.reason) == ("expired", "nobody decided in time")
    assert [(decided.id[-2:], decided.outcome) for decided in view.decided] == [("#1", "expired")]
    assert refund.toolbox.effects() == []


async def test_a_returned_refund_comes_back_with_another_amount_as_a_new_request(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, 52000) as refund:
        first = await refund.run.asked(1)
        await refund.run.decides(Verdict.RETURN, note="only the lamp was broken")
        second = await refund.run.asked(2)
        await refund.run.decides(Verdict.APPROVE, number=2)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert ending.state == "refunded"
    assert refund.books.credits == [52000]
    assert (first.title, second.title) == ("Credit 640.00 EUR for order A-17?", "Credit 520.00 EUR for order A-17?")
    assert first.action_digest != second.action_digest
    assert states[3:6] == ["awaiting_approval", "assessing", "ruling"]
    said = refund.claude.questions[-1].messages[-1]["content"]
    assert said == [{"type": "text", "text": "note from dana: only the lamp was broken"}]


async def test_over_a_thousand_two_people_must_approve(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 150_000) as refund:
        first = await refund.run.decides(Verdict.APPROVE, by="dana")
        again = await refund.run.refused(await refund.run.decision(Verdict.APPROVE, by=" Dana "))
        assert refund.toolbox.effects() == []
        second = await refund.run.decides(Verdict.APPROVE, by="erik")
        ending = await refund.run.ending()

    assert first.outcome == "counted"
    assert first.message.endswith(": 1 of 2 approvals")
    assert again == "this approver has approved already; a quorum counts people"
    assert second.outcome == "approved"
    assert ending.state == "refunded"
    assert refund.books.credits == [150_000]


async def test_one_rejection_outweighs_an_approval_that_was_counted(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 150_000) as refund:
        await refund.run.decides(Verdict.APPROVE, by="dana")
        await refund.run.decides(Verdict.REJECT, by="erik", note="too much")
        ending = await refund.run.ending()

    assert (ending.state, ending.reason) == ("rejected", "rejected by erik: too much")


async def test_whoever_asked_for_a_refund_may_not_approve_it(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, requester="dana") as refund:
        why = await refund.run.refused(await refund.run.decision(Verdict.APPROVE, by="Dana"))
        await refund.run.decides(Verdict.APPROVE, by="erik")
        ending = await refund.run.ending()

    assert why == "'dana' asked for this run and may not decide on it; somebody else must"
    assert ending.state == "refunded"


async def test_an_approval_is_void_when_the_order_changed_while_people_thought(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000, 60000) as refund:
        await refund.run.asked(1)
        refund.books.status = "returned to sender"
        await refund.run.decides(Verdict.APPROVE)
        await refund.run.asked(2)
        view = await refund.run.view()
        assert refund.toolbox.effects() == []
        await refund.run.decides(Verdict.APPROVE, number=2)
        ending = await refund.run.ending()

    assert [visit.state for visit in view.path][3:] == ["awaiting_approval", "assessing", "ruling", "awaiting_approval"]
    assert view.facts["status of the order"] == "returned to sender"
    said = refund.claude.questions[-1].messages[-1]["content"]
    assert said == [{"type": "text", "text": "changed: status: delivered -> returned to sender"}]
    assert ending.state == "refunded"
    assert refund.books.credits == [60000]


async def test_a_credit_needs_signing_after_all_when_policy_changed_since_it_ruled(
    temporal: WorkflowEnvironment,
) -> None:
    policy = RulesInTurn("issue_credit", [rules(), rules(SIGN_EVERY_CREDIT)])
    async with a_refund(temporal, 4000, policy=policy) as refund:
        await refund.run.asked()
        assert refund.toolbox.effects() == []
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[2:6] == ["ruling", "issuing", "ruling", "awaiting_approval"]
    assert ending.state == "refunded"
    assert refund.books.credits == [4000]

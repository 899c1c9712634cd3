"""The refund automation, told as stories: one for every arrow and every ending."""

from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.doubles import says_no
from tests.story import a_story
from tests.workflows.refund_world import Books, claude_advising

EFFECTS_OF_A_REFUND = ["payments.issue_credit", "orders.mark_refunded", "mail.send_mail"]


async def test_a_small_refund_is_issued_without_asking_anyone(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox()
    async with a_story(temporal, claude_advising(4000), toolbox) as story:
        run = await story.start("refund", order_id="A-17")
        ending = await run.ending()
        states = await run.states()

    assert ending.state == "refunded"
    assert states == ["intake", "assessing", "ruling", "issuing", "verifying", "refunded"]
    assert toolbox.effects() == EFFECTS_OF_A_REFUND
    assert books.credits == [4000]


async def test_a_large_refund_waits_for_an_approver_and_goes_ahead_when_approved(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()
    async with a_story(temporal, claude_advising(64000), toolbox) as story:
        run = await story.start("refund", order_id="A-18")
        await run.asked()
        assert toolbox.effects() == []
        receipt = await run.decides(Verdict.APPROVE)
        ending = await run.ending()

    assert receipt.outcome == "approved"
    assert ending.state == "refunded"
    assert toolbox.effects() == EFFECTS_OF_A_REFUND


async def test_a_rejected_refund_touches_nothing(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()
    async with a_story(temporal, claude_advising(64000), toolbox) as story:
        run = await story.start("refund", order_id="A-18")
        await run.decides(Verdict.REJECT, note="the photos show another shop's box")
        ending = await run.ending()

    assert (ending.state, ending.reason) == ("rejected", "rejected by dana: the photos show another shop's box")
    assert toolbox.effects() == []


async def test_a_refund_nobody_answers_expires_after_two_days(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()
    async with a_story(temporal, claude_advising(64000), toolbox) as story:
        run = await story.start("refund", order_id="A-18")
        await run.asked()
        await story.fast_forward(run, timedelta(days=2, minutes=1))
        ending = await run.ending()

    assert (ending.state, ending.reason) == ("expired", "nobody decided in time")
    assert toolbox.effects() == []


async def test_a_credit_is_reversed_when_the_order_cannot_be_marked(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded=says_no("the order is locked"))
    async with a_story(temporal, claude_advising(4000), toolbox) as story:
        run = await story.start("refund", order_id="A-17")
        ending = await run.ending()

    assert ending.state == "reversed"
    assert toolbox.effects() == [
        "payments.issue_credit",
        "orders.mark_refunded",
        "orders.unmark_refunded",
        "payments.reverse_credit",
    ]
    assert books.credits == []


pytestmark = pytest.mark.timeout(60)

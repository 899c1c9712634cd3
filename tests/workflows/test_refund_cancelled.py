"""Refunds that are cancelled: whatever the moment, what was done is undone, and nothing is left in flight."""

import asyncio
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from activities.toolbox import NotSent
from contracts.decisions import Verdict
from tests.doubles import ScriptedClaude, says_no
from tests.story import a_story
from tests.workflows.refund_world import READS_FIRST, Books, a_refund, advises, claude_advising

pytestmark = pytest.mark.many

CREDIT_UNDONE = ["payments.issue_credit", "payments.reverse_credit"]


@pytest.mark.parametrize(
    ("state", "held", "effects"),
    [
        ("intake", "orders.find_order", []),
        ("issuing", "payments.issue_credit", CREDIT_UNDONE),
        (
            "issuing",
            "orders.mark_refunded",
            ["payments.issue_credit", "orders.mark_refunded", "orders.unmark_refunded", "payments.reverse_credit"],
        ),
        (
            "verifying",
            "mail.confirm_refund",
            [
                "payments.issue_credit",
                "orders.mark_refunded",
                "mail.confirm_refund",
                "orders.unmark_refunded",
                "payments.reverse_credit",
            ],
        ),
    ],
)
async def test_a_call_in_flight_is_waited_for_when_the_run_is_cancelled_and_then_undone(
    temporal: WorkflowEnvironment, state: str, held: str, effects: list[str]
) -> None:
    books = Books()
    toolbox = books.toolbox()
    release = toolbox.holding(held)
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await toolbox.until_called(held)
        await refund.run.cancel("the customer withdrew")
        view = await refund.run.view()
        assert not view.final, "the call is still under way"
        release.set()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: the customer withdrew")
    assert states[-2:] == [state, "cancelled"]
    assert toolbox.effects() == effects
    assert (books.credits, books.refunded_cents) == ([], 0)


async def test_a_refund_cancelled_while_claude_thinks_stops_at_once(temporal: WorkflowEnvironment) -> None:
    claude = claude_advising(4000)
    claude.hold = asyncio.Event()
    async with a_refund(temporal, claude=claude) as refund:
        await claude.until_asked()
        await refund.run.cancel()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert ending.state == "cancelled"
    assert states == ["intake", "assessing", "cancelled"]


async def test_a_refund_cancelled_while_policy_is_asked_issues_nothing(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()

    def payments_get_slow() -> Any:
        toolbox.holding("payments.*")
        return advises(4000)

    claude = ScriptedClaude([READS_FIRST, payments_get_slow])
    async with a_refund(temporal, claude=claude, toolbox=toolbox) as refund:
        await refund.run.in_state("ruling")
        await toolbox.until_called("payments.*")
        await refund.run.cancel()
        toolbox.hold["payments.*"].set()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[-2:] == ["ruling", "cancelled"]
    assert ending.state == "cancelled"
    assert toolbox.effects() == []


async def test_a_refund_cancelled_while_people_think_takes_its_request_back(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        decision = await refund.run.decision(Verdict.APPROVE)
        await refund.run.cancel("ordered twice")
        ending = await refund.run.ending()
        view = await refund.run.view()
        waiting = await refund.story.store.inbox.waiting(10)

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: ordered twice")
    assert [visit.state for visit in view.path][-2:] == ["awaiting_approval", "cancelled"]
    assert [(decided.id, decided.outcome) for decided in view.decided] == [(decision.approval_id, "cancelled")]
    assert waiting == ()
    assert refund.toolbox.effects() == []


async def test_a_refund_cancelled_while_it_is_undone_is_undone_to_the_end(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded=says_no("the order is locked"))
    release = toolbox.holding("payments.reverse_credit")
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await toolbox.until_called("payments.reverse_credit")
        await refund.run.cancel()
        await refund.run.cancel()
        release.set()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[-2:] == ["compensating", "cancelled"]
    assert ending.state == "cancelled"
    assert toolbox.called.count("payments.reverse_credit") == 1
    assert books.credits == []


async def test_a_refund_cancelled_while_escalated_is_undone(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(mail__confirm_refund=says_no("the mailbox is full"))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked()
        await refund.run.cancel()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[-2:] == ["escalated", "cancelled"]
    assert ending.state == "cancelled"
    assert (books.credits, books.refunded_cents) == ([], 0)


async def test_a_cancelled_refund_whose_undo_fails_asks_and_may_stay_undone(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(payments__reverse_credit=says_no("paid out already"))
    release = toolbox.holding("payments.issue_credit")
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await toolbox.until_called("payments.issue_credit")
        await refund.run.cancel()
        release.set()
        await refund.run.asked()
        await refund.run.cancel("again")  # the undo is shielded from further cancels
        await refund.run.decides(Verdict.ABANDON)
        ending = await refund.run.ending()

    assert ending.state == "undo_incomplete"
    assert books.credits == [4000]


async def test_a_call_that_fails_while_the_run_is_cancelled_does_not_escalate(temporal: WorkflowEnvironment) -> None:
    """The cancel is what people asked for; a failure that comes with it must not hide it."""
    release = asyncio.Event()
    claude = ScriptedClaude([ClaudeRejected("400: prompt is wrong")], hold=release)
    async with a_refund(temporal, claude=claude) as refund:
        await claude.until_asked()
        await refund.run.cancel()
        release.set()
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert ending.state == "cancelled"
    assert states == ["intake", "assessing", "cancelled"]


async def test_a_refund_cancelled_before_its_credit_could_be_sent_has_nothing_to_undo(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = Books().toolbox(payments__issue_credit=NotSent("payments is down"))
    async with a_refund(temporal, 4000, toolbox=toolbox) as refund:
        await toolbox.until_called("payments.issue_credit")
        await refund.run.cancel()
        view = await refund.run.until(lambda seen: seen.final or seen.waiting_for)

    assert view.state == "cancelled"
    assert "payments.reverse_credit" not in toolbox.called


async def test_a_cancel_that_comes_after_the_last_state_changes_nothing(temporal: WorkflowEnvironment) -> None:
    """Its ending is being recorded, again and again, until somebody can."""
    async with a_story(temporal, claude_advising(4000), Books().toolbox()) as story:
        queue = f"{story.task_queue}-later"
        async with story.worker(queue, without="record_ending"):
            run = await story.start("refund", order_id="A-17", task_queue=queue)
            await run.in_state("refunded")
            await run.cancel("too late")
        async with story.worker(queue):
            ending = await run.ending()

    assert ending.state == "refunded"


async def test_a_refund_cancelled_before_a_worker_has_seen_it_ends_as_cancelled(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox()
    async with a_story(temporal, claude_advising(4000), toolbox) as story:
        run = await story.start("refund", order_id="A-17", task_queue=f"{story.task_queue}-later")
        await run.cancel("a slip of the finger")
        async with story.worker(f"{story.task_queue}-later"):
            ending = await run.ending()
            states = await run.states()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: a slip of the finger")
    assert states == ["intake", "cancelled"]
    assert toolbox.called == []

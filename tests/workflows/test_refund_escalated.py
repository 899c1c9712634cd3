"""Refunds that cannot go on by themselves: a person chooses, and every choice leads where it says."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from activities.toolbox import OutcomeUnknown
from contracts.decisions import RequestKind, Verdict
from contracts.tools import EffectClass
from tests.doubles import ScriptedClaude, answer_of, in_turn, says, says_no
from tests.workflows.refund_world import READS_FIRST, Books, a_refund, advises

pytestmark = pytest.mark.many

REFUSED = answer_of(says("I would rather not."), "refusal")


async def test_an_order_that_cannot_be_read_is_read_again_when_somebody_says_retry(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox(orders__find_order=in_turn(says_no("the book is locked"), lambda _: books.order()))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert request.kind is RequestKind.ESCALATION
    assert request.title == "intake: orders.find_order ended as said_no: the book is locked"
    assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    assert [obligation.role for obligation in request.obligations] == ["finance_manager"]
    assert states[:4] == ["intake", "escalated", "intake", "assessing"]
    assert ending.state == "refunded"


async def test_a_request_claude_rejects_escalates_with_its_id_and_is_asked_again_on_retry(
    temporal: WorkflowEnvironment,
) -> None:
    claude = ScriptedClaude([READS_FIRST, ClaudeRejected("400: prompt is wrong", "req_7"), advises(4000)])
    async with a_refund(temporal, claude=claude) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()

    assert request.title == "Claude refund/assessing: ClaudeRejected: 400: prompt is wrong (request req_7)"
    assert Verdict.SUPPLY not in request.options, "no value can stand in for a request that failed"
    assert ending.state == "refunded"
    assert len(claude.questions) == 3, "the turn that was answered is not paid for again"


async def test_claude_that_only_asks_for_tools_escalates_and_gets_further_turns_on_retry(
    temporal: WorkflowEnvironment,
) -> None:
    claude = ScriptedClaude([*[READS_FIRST] * 8, advises(4000)])
    async with a_refund(temporal, claude=claude) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()

    assert request.title == "no usable advice: Claude asked for tools 8 turns long and did not answer"
    assert ending.state == "refunded"
    assert len(claude.questions) == 9


async def test_a_person_supplies_the_amount_when_claude_declines(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, claude=ScriptedClaude([REFUSED])) as refund:
        request = await refund.run.asked()
        value = '{"cents": 2500, "reason": "one lamp"}'
        await refund.run.decides(Verdict.SUPPLY, value=value)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert request.title == "no usable advice: Claude stopped with 'refusal'"
    assert request.options == (Verdict.RETRY, Verdict.SUPPLY, Verdict.ABANDON)
    assert states == ["intake", "assessing", "escalated", "assessing", "ruling", "issuing", "verifying", "refunded"]
    assert ending.state == "refunded"
    assert refund.books.credits == [2500]


async def test_a_supplied_value_that_does_not_fit_is_asked_for_again(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, claude=ScriptedClaude([REFUSED])) as refund:
        await refund.run.decides(Verdict.SUPPLY, value='{"cents": -1, "reason": "one lamp"}')
        second = await refund.run.asked(2)
        await refund.run.decides(Verdict.SUPPLY, number=2, value="forty euros")
        third = await refund.run.asked(3)
        await refund.run.decides(Verdict.SUPPLY, number=3, value='{"cents": 100, "reason": "one lamp"}')
        ending = await refund.run.ending()

    assert second.title == "cents: Input should be greater than or equal to 0"
    assert third.title.startswith("value: Invalid JSON")
    assert ending.state == "refunded"
    assert refund.books.credits == [100]


async def test_policy_that_cannot_be_asked_for_an_hour_escalates(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox()

    def payments_go_away() -> Any:
        toolbox.unreachable.add("payments")
        return advises(4000)

    claude = ScriptedClaude([READS_FIRST, payments_go_away])
    async with a_refund(temporal, claude=claude, books=books, toolbox=toolbox) as refund:
        await refund.run.in_state("ruling")
        await refund.story.fast_forward(refund.run, timedelta(hours=1, minutes=2))
        request = await refund.run.asked()
        toolbox.unreachable.clear()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()

    assert request.title == (
        "policy on payments.issue_credit: NotSent: payments cannot be reached: payments does not answer"
    )
    assert ending.state == "refunded"


async def test_an_order_that_cannot_be_read_after_the_approval_is_asked_about_anew(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    order = lambda _: books.order()  # noqa: E731 - read three times: at intake, by Claude, after the approval
    toolbox = books.toolbox(orders__find_order=in_turn(order, order, says_no("the book is locked"), order))
    async with a_refund(temporal, 64000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.APPROVE)
        escalation = await refund.run.asked(2)
        await refund.run.decides(Verdict.RETRY, number=2)
        await refund.run.asked(3)
        assert toolbox.effects() == []
        await refund.run.decides(Verdict.APPROVE, number=3)
        ending = await refund.run.ending()

    assert escalation.title == "awaiting_approval: orders.find_order ended as said_no: the book is locked"
    assert ending.state == "refunded"
    assert books.credits == [64000]


async def test_a_credit_that_payments_refuses_is_ruled_on_anew_with_a_new_key(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(payments__issue_credit=in_turn(says_no("the card has expired"), books.credit))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert request.title == "the credit was not issued: the card has expired"
    assert request.options == (Verdict.RETRY, Verdict.TAKE_OVER, Verdict.ABANDON)
    assert states[3:7] == ["issuing", "escalated", "ruling", "issuing"]
    assert ending.state == "refunded"
    first, second = toolbox.keys_of("payments.issue_credit")
    assert first != second, "the first key has a final answer"
    assert books.credits == [4000]


async def test_a_credit_given_by_hand_is_verified_like_any_other(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(payments__issue_credit=says_no("the card has expired"))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked()
        books.credits.append(4000)
        books.refunded_cents = 4000
        await refund.run.decides(Verdict.TAKE_OVER)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[3:] == ["issuing", "escalated", "verifying", "refunded"]
    assert ending.state == "refunded"
    assert toolbox.effects() == ["payments.issue_credit", "mail.confirm_refund"]


async def test_abandoning_a_refused_credit_undoes_it_all_the_same_in_case_an_earlier_try_happened(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = Books().toolbox(payments__issue_credit=says_no("the card has expired"))
    async with a_refund(temporal, 4000, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON)
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert ending.reason == "abandoned by dana: the credit was not issued: the card has expired"
    assert toolbox.effects() == ["payments.issue_credit", "payments.reverse_credit"]


async def test_a_retry_after_the_credit_goes_on_with_that_credit_and_asks_nobody_again(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded=in_turn(OutcomeUnknown("the wire went silent"), books.mark))
    toolbox.classes = {**toolbox.classes, "orders.mark_refunded": EffectClass.OPAQUE}
    async with a_refund(temporal, 64000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.APPROVE)
        await refund.run.decides(Verdict.DID_NOT_HAPPEN, number=2)
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert books.credits == [64000]
    assert toolbox.called.count("payments.issue_credit") == 1
    assert toolbox.called.count("orders.mark_refunded") == 2


async def test_books_that_do_not_say_what_should_be_escalate_and_may_be_accepted(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded={"refunded_cents": 4000})  # says so, and does nothing
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.SKIP)
        ending = await refund.run.ending()

    assert request.title == "the books do not say what should be: refunded_cents is 0, not 4000"
    assert request.options == (Verdict.RETRY, Verdict.SKIP, Verdict.TAKE_OVER, Verdict.ABANDON)
    assert ending.state == "refunded"
    assert "mail.confirm_refund" not in toolbox.called, "skipping says nothing to the customer"


async def test_books_that_were_late_are_read_again_on_retry(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded={"refunded_cents": 4000})
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.asked()
        books.refunded_cents = 4000
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[4:] == ["verifying", "escalated", "verifying", "refunded"]
    assert ending.state == "refunded"
    assert toolbox.effects()[-1] == "mail.confirm_refund"


async def test_a_mail_that_is_refused_may_be_written_by_hand(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox(mail__confirm_refund=says_no("the mailbox is full"))
    async with a_refund(temporal, 4000, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.TAKE_OVER)
        ending = await refund.run.ending()

    assert request.title == "mail.confirm_refund ended as said_no: the mailbox is full"
    assert ending.state == "refunded"
    assert toolbox.called.count("mail.confirm_refund") == 1


async def test_an_escalation_nobody_answers_for_a_week_is_asked_again_visibly(temporal: WorkflowEnvironment) -> None:
    toolbox = Books().toolbox(payments__issue_credit=says_no("the card has expired"))
    async with a_refund(temporal, 4000, toolbox=toolbox) as refund:
        await refund.run.asked(1)
        await refund.story.fast_forward(refund.run, timedelta(days=7, minutes=1))
        second = await refund.run.asked(2)
        view = await refund.run.view()
        await refund.run.decides(Verdict.ABANDON, number=2)
        ending = await refund.run.ending()

    assert view.state == "escalated", "silence chooses nothing"
    assert [decided.outcome for decided in view.decided] == ["expired"]
    assert second.title == "the credit was not issued: the card has expired"
    assert ending.state == "cancelled"

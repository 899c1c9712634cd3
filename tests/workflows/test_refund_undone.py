"""Refunds whose undo fails: nothing is forgotten, and a person chooses how it goes on."""

from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.doubles import RecordingToolbox, in_turn, says_no
from tests.workflows.refund_world import Books, a_refund

pytestmark = pytest.mark.many

LOCKED = says_no("the order is locked")
TOO_LATE = says_no("the credit was paid out already")


def unmarkable(books: Books, reverse_credit: Any) -> RecordingToolbox:
    """The order cannot be marked, so the credit must be reversed."""
    return books.toolbox(orders__mark_refunded=LOCKED, payments__reverse_credit=reverse_credit)


async def test_an_undo_that_fails_is_tried_again_with_a_new_key_on_retry(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = unmarkable(books, in_turn(TOO_LATE, books.reverse))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.RETRY)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert request.title.startswith("not undone: the credit; undone: the mark on the order; payments.reverse_credit")
    assert request.options == (Verdict.RETRY, Verdict.TAKE_OVER, Verdict.ABANDON)
    assert states[-4:] == ["compensating", "escalated", "compensating", "reversed"]
    assert ending.state == "reversed"
    first, second = toolbox.keys_of("payments.reverse_credit")
    assert first != second
    assert toolbox.called.count("orders.unmark_refunded") == 1, "what is undone is not undone again"
    assert books.credits == []


async def test_an_undo_done_by_hand_is_not_tried_again(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = unmarkable(books, TOO_LATE)
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.TAKE_OVER)
        ending = await refund.run.ending()

    assert ending.state == "reversed"
    assert toolbox.called.count("payments.reverse_credit") == 1


async def test_an_undo_that_is_abandoned_ends_as_undo_incomplete(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = unmarkable(books, TOO_LATE)
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON, by="erik")
        ending = await refund.run.ending()

    assert ending.state == "undo_incomplete"
    assert ending.reason.startswith("abandoned by erik: not undone: the credit;")
    assert books.credits == [4000], "and everybody can see it"


async def test_abandoning_a_refund_whose_credit_was_issued_undoes_it(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(mail__confirm_refund=says_no("the mailbox is full"))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON)
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert toolbox.effects()[-2:] == ["orders.unmark_refunded", "payments.reverse_credit"]
    assert (books.credits, books.refunded_cents) == ([], 0)


async def test_abandoning_may_fail_to_undo_as_well_and_asks_again(temporal: WorkflowEnvironment) -> None:
    books = Books()
    toolbox = books.toolbox(
        mail__confirm_refund=says_no("the mailbox is full"),
        payments__reverse_credit=in_turn(TOO_LATE, TOO_LATE, books.reverse),
    )
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON, number=1)
        await refund.run.decides(Verdict.RETRY, number=2)
        await refund.run.decides(Verdict.RETRY, number=3)
        ending = await refund.run.ending()
        states = await refund.run.states()

    assert states[4:] == ["verifying", "escalated", "escalated", "escalated", "cancelled"]
    assert ending.state == "cancelled"
    assert books.credits == []

"""Checkouts that are cancelled, or put to people: from every state what was done is undone, or it goes on."""

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from demo.mcp_servers.housekeeping.board import Board
from tests.demo_servers import Faults, lies, refuses, says_no
from tests.workflows.hotel_world import CLOSED, ELENA, UNTOUCHED, a_checkout
from tests.workflows.test_guest_checkout import UNDOS

pytestmark = pytest.mark.many


@pytest.mark.parametrize(
    ("state", "held", "undone"),
    [
        ("validating", "property.find_bookings", 0),
        ("authorising", "payments.authorise", 1),
        ("checking_out", "property.check_out", 2),
        ("handing_over", "housekeeping.create_task", 4),
        ("settling", "payments.capture", 6),
        ("verifying", "housekeeping.tasks_of_room", 7),
    ],
)
async def test_a_checkout_that_is_cancelled_waits_for_the_call_in_flight_and_undoes_what_was_done(
    temporal: WorkflowEnvironment, state: str, held: str, undone: int
) -> None:
    async with a_checkout(temporal, held=held) as checkout:
        await checkout.hotel.until_called(held)
        await checkout.run.cancel("the guest stays on")
        assert not (await checkout.run.view()).final, "the call is still under way"
        assert checkout.undos() == []
        checkout.hotel.hold[held].set()
        ending = await checkout.run.ending()
        states = await checkout.run.states()
        undos, books = checkout.undos(), checkout.books()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: the guest stays on")
    assert states[-2:] == [state, "cancelled"]
    assert undos == UNDOS[len(UNDOS) - undone :]
    assert books == UNTOUCHED


async def test_a_checkout_that_is_cancelled_while_people_are_asked_undoes_everything(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_checkout(temporal, faults={"compliance.entries_of": says_no}) as checkout:
        await checkout.run.asked()
        await checkout.run.cancel("the guest stays on")
        ending = await checkout.run.ending()
        states = await checkout.run.states()
        books = checkout.books()

    assert (ending.state, states[-3:]) == ("cancelled", ["verifying", "escalated", "cancelled"])
    assert books == UNTOUCHED


@pytest.mark.parametrize("tool", ["property.find_bookings", "payments.payments_of_booking"])
async def test_a_read_that_failed_is_made_again_when_people_say_retry(temporal: WorkflowEnvironment, tool: str) -> None:
    async with a_checkout(temporal, faults={tool: says_no}) as checkout:
        await checkout.run.decides(Verdict.RETRY)
        ending = await checkout.run.ending()
        books = checkout.books()

    assert (ending.state, books) == ("checked_out", CLOSED)


@pytest.mark.parametrize(
    ("state", "failing", "undo", "follows"),
    [
        ("authorising", "payments.authorise", "payments.void", "declined"),
        ("checking_out", "property.send_to_cleaning", "property.reinstate", "reversed"),
        ("handing_over", "crm.close_opportunity", "housekeeping.cancel_task", "reversed"),
        ("settling", "compliance.record_checkout", "payments.refund", "reversed"),
    ],
)
async def test_an_undo_that_failed_is_tried_again_when_people_say_retry_and_nothing_is_done_anew(
    temporal: WorkflowEnvironment, state: str, failing: str, undo: str, follows: str
) -> None:
    async with a_checkout(temporal, faults={failing: refuses, undo: says_no}) as checkout:
        request = await checkout.run.asked()
        await checkout.run.decides(Verdict.RETRY)
        ending = await checkout.run.ending()
        states = await checkout.run.states()
        books = checkout.books()

    assert request.title.startswith("not undone: ")
    assert states[-4:] == [state, "escalated", state, follows]
    assert (ending.state, books) == (follows, UNTOUCHED)
    assert checkout.hotel.called.count(failing) == 1
    assert checkout.hotel.called.count(undo) == 2


async def test_what_cannot_be_given_back_is_named_for_good(temporal: WorkflowEnvironment) -> None:
    never: Faults = {"compliance.record_checkout": lies, "payments.refund": [says_no, says_no]}
    async with a_checkout(temporal, faults=never) as checkout:
        await checkout.run.decides(Verdict.RETRY)
        await checkout.run.decides(Verdict.ABANDON, by="mira", number=2)
        ending = await checkout.run.ending()
        view = await checkout.run.view()
        captured = checkout.books().captured_cents

    assert (ending.state, captured) == ("undo_incomplete", ELENA["amount"])
    assert ending.reason.startswith("abandoned by mira: not undone: the payment, the closed opportunity, the task, ")
    assert view.undone == ("the entry",)


async def test_books_that_do_not_say_what_should_be_are_put_to_people_who_may_take_over(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_checkout(temporal, held="compliance.record_checkout") as checkout:
        await checkout.hotel.until_called("compliance.record_checkout")
        Board(checkout.hotel.data).cancel("204", checkout.run.handle.id)  # somebody has taken the task off the board
        checkout.hotel.hold["compliance.record_checkout"].set()
        request = await checkout.run.asked()
        await checkout.run.decides(Verdict.RETRY)
        await checkout.run.decides(Verdict.TAKE_OVER, number=2)
        ending = await checkout.run.ending()
        states = await checkout.run.states()

    assert "the books do not say what should be: housekeeping has None at /newest_for, not 'guest_checkout/" in (
        request.title
    )
    assert (ending.state, states[-3:]) == ("checked_out", ["verifying", "escalated", "checked_out"])

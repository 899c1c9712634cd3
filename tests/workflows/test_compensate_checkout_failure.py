"""Compensations, told as stories: what a checkout has left is undone, by managers, signed, and never against a run."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.authority import PinnedTool
from contracts.decisions import Verdict
from contracts.runs import RunView
from demo.mcp_servers.property.register import Register
from tests.authority import Signer, roster_of
from tests.demo_servers import Faults, lies, refuses, says_no
from tests.story import StoryRun
from tests.workflows.hotel_world import CLOSED, ELENA, UNTOUCHED, Checkout, a_hotel, books_in

pytestmark = pytest.mark.many

ROSTER = roster_of(
    Signer("rita", ("support_agent",)),
    Signer("sam", ("support_lead",)),
    Signer("mira", ("duty_manager",)),
    Signer("fiona", ("finance_manager",)),
)
ASKED: dict[str, Any] = {
    "payment_intent_id": "AU-1001",
    "guest_email": ELENA["guest_email"],
    "idempotency_token": "manager-01",
    "reason": "the card was charged for a stay that goes on",
}
RESTORES = [
    "property.take_back_check_out",
    "property.take_back_cleaning",
    "housekeeping.take_back_task",
    "crm.take_back_closing",
    "compliance.correct_checkout",
]
HALF_UNDONE: Faults = {"compliance.record_checkout": lies, "payments.refund": [says_no, says_no]}
"""The last step of a checkout says no though it did it, and the money cannot be given back either."""
NEVER_TAKEN: Faults = {"payments.capture": says_no, "crm.reopen_opportunity": [says_no, says_no]}
"""The money is reserved and never taken, and what sales have won cannot be opened again."""


@asynccontextmanager
async def after_a_checkout(temporal: WorkflowEnvironment, faults: Faults | None = None) -> AsyncIterator[Checkout]:
    """A story that begins when Elena's checkout is over: well, or abandoned half undone."""
    async with a_hotel(temporal, faults or {}, roster=ROSTER) as (story, hotel):
        run = await story.start("guest_checkout", **ELENA)
        if faults:
            await run.decides(Verdict.ABANDON, by="mira")
        assert (await run.ending()).state == ("undo_incomplete" if faults else "checked_out")
        hotel.called.clear()
        yield Checkout(run, story, hotel)


def has_looked(times: int, view: RunView) -> bool:
    """It waits to look once more."""
    return view.tries_again_at is not None and view.visits == times


async def compensation(told: Checkout, requester: str = "sam", **otherwise: Any) -> StoryRun:
    """A manager asks for it."""
    return await told.story.start("compensate_checkout_failure", requester=requester, **ASKED | otherwise)


async def test_what_a_failed_checkout_has_left_is_found_and_undone_once_finance_has_signed(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal, HALF_UNDONE) as told:
        before = told.books()
        run = await compensation(told)
        request = await run.asked()
        shown = await told.story.store.contents.get(request.display_digest)
        await run.decides(Verdict.APPROVE, by="fiona")
        ending = await run.ending()
        states = await run.states()
        books = told.books()

    assert (before.captured_cents, before.booking) == (ELENA["amount"], "checked_out")
    assert request.title == "Give back 450.50 EUR for booking B-2041?"
    assert [each.role for each in request.obligations] == ["finance_manager"]
    assert shown is not None
    lines = {line["label"]: line["text"] for line in json.loads(shown)["request"]["context"]}
    assert lines["the checkout"] == f"{told.run.handle.id} ended as undo_incomplete"
    assert lines["what it has left"] == "450.50 EUR captured; the booking; the room; the task; the opportunity"
    path = ["looking", "ruling", "awaiting_approval", "releasing", "restoring", "verifying", "compensated"]
    assert (ending.state, states) == ("compensated", path)
    assert told.hotel.effects() == ["payments.refund_payment", *RESTORES[:-1]]
    assert books == UNTOUCHED


async def test_money_that_was_only_reserved_is_given_up_without_a_signature(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        before = told.books()
        run = await compensation(told)
        ending = await run.ending()
        view = await run.view()
        books = told.books()

    assert (before.reserved_cents, before.opportunity) == (ELENA["amount"], "won")
    assert (ending.state, view.decided) == ("compensated", ())
    assert told.hotel.effects()[0] == "payments.void_payment"
    assert books == UNTOUCHED


async def test_a_checkout_that_ended_well_is_undone_only_when_people_say_so_and_then_wholly(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told)
        request = await run.asked()
        untouched = told.books()
        await run.decides(Verdict.APPROVE, by="fiona")
        ending = await run.ending()
        books = told.books()

    assert request.title == "Undo a checkout that ended well, and give back 450.50 EUR for booking B-2041?"
    assert untouched == CLOSED
    assert (ending.state, books) == ("compensated", UNTOUCHED)
    assert told.hotel.effects() == ["payments.refund_payment", *RESTORES]


@pytest.mark.parametrize(
    ("verdict", "state", "reason"),
    [(Verdict.REJECT, "rejected", "rejected by fiona: it was right"), (None, "expired", "nobody decided in time")],
)
async def test_a_checkout_that_ended_well_stands_when_people_refuse_or_say_nothing(
    temporal: WorkflowEnvironment, verdict: Verdict | None, state: str, reason: str
) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told)
        await run.asked()
        if verdict is None:
            await told.story.fast_forward(run, timedelta(days=1, minutes=1))
        else:
            await run.decides(verdict, by="fiona", note="it was right")
        ending = await run.ending()
        books = told.books()

    assert (ending.state, ending.reason, books) == (state, reason, CLOSED)
    assert told.hotel.effects() == []


async def test_whoever_asks_does_not_sign_for_it(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told, requester="fiona")
        why = await run.refused(await run.decision(Verdict.APPROVE, by="fiona"))
        state = (await run.view()).state

    assert "asked for this run" in why
    assert (state, told.hotel.effects()) == ("awaiting_approval", [])


# Managers alone, and for the payment of this guest.


async def test_the_front_desk_compensates_nothing(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told, requester="rita")
        ending = await run.ending()
        books = told.books()

    assert (ending.state, books) == ("declined", CLOSED)
    assert (await told.run.ending()).state == "checked_out"
    assert told.hotel.effects() == []


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"payment_intent_id": "AU-1002"}, "there is no payment AU-1002"),
        ({"payment_intent_id": "PAY-7"}, "there is no payment PAY-7"),
        ({"guest_email": "jonas.lindqvist@example.com"}, "the payment is not of this guest"),
    ],
)
async def test_a_payment_that_is_not_this_guests_is_left_alone(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], reason: str
) -> None:
    async with after_a_checkout(temporal) as told:
        ending = await (await compensation(told, **otherwise)).ending()

    assert (ending.state, ending.reason, told.hotel.effects()) == ("refused", reason, [])


async def test_a_payment_that_no_checkout_has_made_is_left_alone(temporal: WorkflowEnvironment) -> None:
    async with a_hotel(temporal, roster=ROSTER) as (story, hotel):
        paid = {"booking_number": "B-2041", "guest_email": ELENA["guest_email"], "cents": 100, "currency": "EUR"}
        by_hand = {"payment_method_id": "PM-elena-visa", "client_token": "t", "reference": "by-hand"}
        await hotel.says("payments.authorise", **paid, **by_hand, idempotency_key="k")
        run = await story.start("compensate_checkout_failure", requester="sam", **ASKED)
        ending = await run.ending()

    assert (ending.state, hotel.effects()) == ("refused", [])
    assert ending.reason == "the payment was made by by-hand, which is no checkout; put it right there"


# Nothing left, and nothing twice.


async def test_what_was_compensated_before_is_not_compensated_again_whatever_the_token(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal, HALF_UNDONE) as told:
        first = await compensation(told)
        await first.decides(Verdict.APPROVE, by="fiona")
        assert (await first.ending()).state == "compensated"
        told.hotel.called.clear()
        again = await compensation(told, idempotency_token="drawn-anew")
        ending = await again.ending()

    assert ending.state == "cancelled"
    assert "was started before" in ending.reason
    assert told.hotel.effects() == []


async def test_where_a_checkout_has_undone_itself_nothing_is_left_to_do(temporal: WorkflowEnvironment) -> None:
    async with a_hotel(temporal, {"compliance.record_checkout": says_no}, roster=ROSTER) as (story, hotel):
        checkout = await story.start("guest_checkout", **ELENA)
        assert (await checkout.ending()).state == "reversed"
        hotel.called.clear()
        run = await story.start("compensate_checkout_failure", requester="sam", **ASKED)
        ending = await run.ending()

    assert (ending.state, hotel.effects()) == ("nothing_left", [])
    assert ending.reason == f"nothing of {checkout.handle.id} stands any more"


async def test_a_checkout_that_ended_well_and_was_paid_back_is_not_taken_back_without_money(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal) as told:
        back = {"authorisation_id": "AU-1001", "cents": ELENA["amount"], "reason": "by hand", "reference": "by-hand"}
        await told.hotel.says("payments.refund_payment", **back, idempotency_key="k")
        ending = await (await compensation(told)).ending()
        booking = told.books().booking

    assert (ending.state, ending.reason) == ("refused", "the checkout ended well and its payment is refunded")
    assert (booking, told.hotel.effects()) == ("checked_out", [])


async def test_what_is_left_beside_the_money_is_taken_back_when_the_money_was_given_back_before(
    temporal: WorkflowEnvironment,
) -> None:
    stuck: Faults = {"compliance.record_checkout": lies, "crm.reopen_opportunity": [says_no, says_no]}
    async with after_a_checkout(temporal, stuck) as told:
        before = told.books()
        run = await compensation(told)
        ending = await run.ending()
        states = await run.states()
        books = told.books()

    assert (before.captured_cents, before.opportunity, before.booking) == (0, "won", "checked_out")
    assert states == ["looking", "ruling", "restoring", "verifying", "compensated"]
    assert (ending.state, books) == ("compensated", UNTOUCHED)


# It does not fight a checkout that is under way.


async def test_a_checkout_that_is_under_way_holds_the_case_and_is_waited_for(temporal: WorkflowEnvironment) -> None:
    async with a_hotel(temporal, roster=ROSTER) as (story, hotel):
        hotel.holding("payments.capture")
        checkout = await story.start("guest_checkout", **ELENA)
        await hotel.until_called("payments.capture")
        run = await story.start("compensate_checkout_failure", requester="sam", **ASKED)
        waits = await run.until(lambda view: view.tries_again_at)
        untouched = books_in(hotel.data)
        hotel.hold["payments.capture"].set()
        assert (await checkout.ending()).state == "checked_out"
        await story.fast_forward(run, timedelta(minutes=10, seconds=1))
        await run.decides(Verdict.REJECT, by="fiona")
        ending = await run.ending()
        books = books_in(hotel.data)

    said = f"{checkout.handle.id} is under way for this booking and holds the case: wait until it has ended"
    assert (waits.state, waits.reason) == ("looking", said)
    assert (untouched.booking, untouched.reserved_cents) == ("checked_out", ELENA["amount"])
    assert (ending.state, books) == ("rejected", CLOSED)


async def test_a_checkout_that_stays_under_way_is_put_to_the_duty_manager(temporal: WorkflowEnvironment) -> None:
    async with a_hotel(temporal, roster=ROSTER) as (story, hotel):
        hotel.holding("payments.capture")
        checkout = await story.start("guest_checkout", **ELENA)
        await hotel.until_called("payments.capture")
        run = await story.start("compensate_checkout_failure", requester="sam", **ASKED)
        for tried in range(1, 4):
            await run.until(partial(has_looked, tried + 1))
            await story.fast_forward(run, timedelta(minutes=10, seconds=1))
        request = await run.asked()
        hotel.hold["payments.capture"].set()
        assert (await checkout.ending()).state == "checked_out"
        await run.decides(Verdict.RETRY, by="mira")
        await run.decides(Verdict.REJECT, by="fiona", number=2)
        ending = await run.ending()

    assert "is under way for this booking and holds the case" in request.title
    assert [each.role for each in request.obligations] == ["duty_manager"]
    assert (ending.state, hotel.effects().count("payments.refund_payment")) == ("rejected", 0)


async def test_a_checkout_of_the_same_stay_by_another_name_holds_the_case_too(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, {"payments.capture": says_no, "payments.void": says_no}) as told:
        told.hotel.holding("crm.opportunities_of_guest")
        by_room = await told.story.start("guest_checkout", **ELENA | {"booking_number": None})
        await told.hotel.until_called("crm.opportunities_of_guest")
        run = await compensation(told)
        waits = await run.until(lambda view: view.tries_again_at)
        effects = told.hotel.effects()
        told.hotel.hold["crm.opportunities_of_guest"].set()
        assert (await by_room.ending()).state == "declined"
        await told.story.fast_forward(run, timedelta(minutes=10, seconds=1))
        ending = await run.ending()
        books = told.books()

    assert waits.reason.startswith(f"{by_room.handle.id} is under way for this booking")
    assert effects == []
    assert (ending.state, books) == ("compensated", UNTOUCHED)


# After a wait everything is looked at again.


@pytest.mark.parametrize("returned", [True, False], ids=["returned", "changed meanwhile"])
async def test_an_approval_is_asked_anew_when_it_was_returned_or_the_facts_have_changed(
    temporal: WorkflowEnvironment, returned: bool
) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told)
        await run.asked()
        if returned:
            await run.decides(Verdict.RETURN, by="fiona", note="which stay?")
        else:
            Register(told.hotel.data).mark_clean("204")
            await run.decides(Verdict.APPROVE, by="fiona")
        again = await run.asked(2)
        shown = await told.story.store.contents.get(again.display_digest)
        effects = told.hotel.effects()
        await run.decides(Verdict.APPROVE, by="fiona", number=2)
        ending = await run.ending()

    why = "returned by fiona: which stay?" if returned else "it changed meanwhile: room_status: cleaning -> clean"
    assert shown is not None
    lines = {line["label"]: line["text"] for line in json.loads(shown)["request"]["context"]}
    assert lines["asked again because"] == why
    assert (effects, ending.state) == ([], "compensated")


# Cancelled, and put to people.


@pytest.mark.parametrize(
    ("state", "held"),
    [
        ("looking", "payments.find_payment"),
        ("releasing", "payments.void_payment"),
        ("restoring", "property.take_back_cleaning"),
    ],
)
async def test_one_that_is_cancelled_waits_for_the_call_in_flight_and_does_nothing_more(
    temporal: WorkflowEnvironment, state: str, held: str
) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.holding(held)
        run = await compensation(told)
        await told.hotel.until_called(held)
        await run.cancel()
        assert not (await run.view()).final, "the call is still under way"
        told.hotel.hold[held].set()
        ending = await run.ending()
        states = await run.states()
        last = told.hotel.called[-1]

    assert (ending.state, states[-2:], last) == ("cancelled", [state, "cancelled"], held)


async def test_one_that_is_cancelled_while_policy_is_asked_does_nothing(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal) as told:
        told.hotel.holding("compliance.entries_of")
        run = await compensation(told)
        await told.hotel.until_called("compliance.entries_of")
        told.hotel.holding("payments.*")
        told.hotel.hold["compliance.entries_of"].set()
        await told.hotel.until_called("payments.*")
        await run.cancel()
        told.hotel.hold["payments.*"].set()
        ending = await run.ending()
        states = await run.states()

    assert (ending.state, states) == ("cancelled", ["looking", "ruling", "cancelled"])


async def test_one_that_is_cancelled_while_people_are_asked_or_the_books_are_read_back_says_so(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal) as told:
        waits = await compensation(told)
        await waits.asked()
        await waits.cancel()
        assert (await waits.ending()).state == "cancelled"
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.holding("crm.take_back_closing")
        run = await compensation(told)
        await told.hotel.until_called("crm.take_back_closing")
        told.hotel.holding("payments.find_payment")
        told.hotel.hold["crm.take_back_closing"].set()
        await told.hotel.until_called("payments.find_payment")
        await run.cancel()
        assert not (await run.view()).final, "the call is still under way"
        told.hotel.hold["payments.find_payment"].set()
        ending = await run.ending()
        states = await run.states()

    assert (ending.state, states[-2:]) == ("cancelled", ["verifying", "cancelled"])


async def test_one_that_cannot_go_on_is_cancelled_or_abandoned_as_people_say(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["payments.void_payment"] = [says_no, says_no]
        run = await compensation(told)
        request = await run.asked()
        await run.cancel()
        assert (await run.ending()).state == "cancelled"
        assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["payments.void_payment"] = [says_no]
        run = await compensation(told)
        await run.decides(Verdict.ABANDON, by="mira")
        assert (await run.ending()).state == "cancelled"
        reserved = told.books().reserved_cents

    assert reserved == ELENA["amount"]


async def test_one_that_cannot_go_on_waits_for_the_duty_manager(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["payments.void_payment"] = [says_no]
        run = await compensation(told)
        request = await run.asked()
        state = (await run.view()).state

    assert [each.role for each in request.obligations] == ["duty_manager"]
    assert (state, told.hotel.effects()) == ("escalated", ["payments.void_payment"])


async def test_a_release_that_failed_is_looked_at_anew_when_people_say_retry(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["payments.void_payment"] = [says_no]
        run = await compensation(told)
        await run.decides(Verdict.RETRY, by="mira")
        ending = await run.ending()
        states = await run.states()
        books = told.books()

    assert states[2:5] == ["releasing", "escalated", "looking"]
    assert (ending.state, books) == ("compensated", UNTOUCHED)


async def test_a_rule_that_cannot_be_asked_is_asked_again_when_people_say_retry(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        pins = told.story.authority.pins
        pins["payments.void_payment"] = PinnedTool(pin="sha256:" + "1" * 64, definition="sha256:" + "0" * 64)
        run = await compensation(told)
        await run.asked()
        del pins["payments.void_payment"]
        await run.decides(Verdict.RETRY, by="mira")
        ending = await run.ending()
        states = await run.states()

    assert states[:4] == ["looking", "ruling", "escalated", "looking"]
    assert ending.state == "compensated"


async def test_what_cannot_be_read_after_an_approval_is_looked_at_anew(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal) as told:
        run = await compensation(told)
        await run.asked()
        told.hotel.faults["payments.find_payment"] = [refuses]
        await run.decides(Verdict.APPROVE, by="fiona")
        await run.decides(Verdict.RETRY, by="mira", number=2)
        await run.decides(Verdict.REJECT, by="fiona", number=3)
        ending = await run.ending()
        states = await run.states()

    assert states[2:5] == ["awaiting_approval", "escalated", "looking"]
    assert (ending.state, told.hotel.effects()) == ("rejected", [])


async def test_a_guest_whose_room_was_given_away_is_put_to_people_who_may_retry_or_take_over(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["property.take_back_check_out"] = [says_no, says_no]
        run = await compensation(told)
        await run.decides(Verdict.RETRY, by="mira")
        await run.decides(Verdict.TAKE_OVER, by="mira", number=2)
        await run.decides(Verdict.RETRY, by="mira", number=3)
        ending = await run.ending()
        states = await run.states()
        books = told.books()

    retried = ["restoring", "escalated", "looking", "ruling", "restoring", "escalated", "verifying", "escalated"]
    assert states[3:11] == retried, "what a person says to have done is read back"
    assert (ending.state, books) == ("compensated", UNTOUCHED)


async def test_what_people_say_to_have_put_right_by_hand_is_taken_for_it(temporal: WorkflowEnvironment) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        told.hotel.faults["property.take_back_check_out"] = [says_no]
        run = await compensation(told)
        await run.decides(Verdict.TAKE_OVER, by="mira")
        request = await run.asked(2)
        await run.decides(Verdict.TAKE_OVER, by="mira", number=2)
        ending = await run.ending()

    assert request.title.startswith("the books do not say what should be: the booking still stands")
    assert ending.state == "compensated"

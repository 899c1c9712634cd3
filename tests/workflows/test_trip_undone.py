"""Trips that are undone: newest first, each by a rule of its own, and people know what is left when one cannot be."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.toolbox import OutcomeUnknown
from cli.watching import run_lines
from contracts.decisions import Verdict
from tests.doubles import RecordingToolbox, in_turn, says_no
from tests.workflows.refund_world import Books, a_refund
from tests.workflows.trip_world import (
    Bookings,
    a_trip,
    cancel_once_it_continued,
    shown_of,
    the_line_is_cut,
    until_it_pauses,
)

pytestmark = pytest.mark.many

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
NO_CAR = says_no("nothing is left")
LOCKED = says_no("the desk is closed")
NEVER = says_no("it cannot be given back")
NO_CANCELLING = """
@id("rooms-are-kept") forbid(principal, action == Action::"rooms.cancel", resource)
  when { context.purpose == "compensation" };
"""
HELD = {"flights.book": "flying", "rooms.book": "lodging", "cars.book": "driving", "cards.book": "paying"}


def without_a_car(bookings: Bookings, **answers: Any) -> RecordingToolbox:
    """Everything has to be undone."""
    return bookings.toolbox(cars__book=NO_CAR, **answers)


async def test_an_undo_that_is_answered_with_no_is_tried_again_by_its_own_rule_and_nobody_is_asked(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, rooms__cancel=in_turn(LOCKED, LOCKED, bookings.cancel("rooms")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        for times in (1, 2):
            await until_it_pauses(trip.run, times)
            assert len(toolbox.keys_of("rooms.cancel")) == times
            assert (await trip.run.view()).tries_again_at is not None
            await trip.story.fast_forward(trip.run, times * MINUTE + SECOND)  # the second wait is twice as long
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert (ending.state, bookings.booked) == ("called_off", [])
    assert len(set(toolbox.keys_of("rooms.cancel"))) == 3, "each a new intention"
    assert trip.cancels() == ["cars", "rooms", "rooms", "rooms", "flights"], "the older ones wait"
    assert view.decided == ()


async def test_another_undo_has_another_rule_and_people_are_asked_at_once(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, flights__cancel=in_turn(NEVER, bookings.cancel("flights")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        request = await trip.run.asked()
        shown, details = await shown_of(trip), await trip.run.details()
        lines = [*run_lines(await trip.run.view())]
        await trip.run.decides(Verdict.RETRY)
        ending = await trip.run.ending()
        states = await trip.run.states()

    assert request.title.startswith(
        "not undone: the flight; undone: the car, the room; flights.cancel ended as said_no"
    )
    assert (shown["undone"], shown["not undone"]) == ("the car, the room", "the flight")
    assert "| undone | the car, the room |\n| not undone | the flight |" in details
    assert lines[-2:] == ["undone: the car, the room", "not undone: the flight"]
    assert states[-4:] == ["driving", "escalated", "driving", "called_off"]
    assert (ending.state, bookings.booked) == ("called_off", [])
    assert trip.cancels() == ["cars", "rooms", "flights", "flights"], "what is undone is not undone again"
    assert toolbox.called.count("cars.book") == 1, "undoing goes on; nothing is booked again"


async def test_an_undo_has_as_long_as_its_rule_says_and_no_longer(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, flights__cancel=the_line_is_cut)
    async with a_trip(temporal, bookings, toolbox) as trip:
        await toolbox.until_called("flights.cancel")
        await trip.story.fast_forward(trip.run, timedelta(hours=1, minutes=1))
        request = await trip.run.asked()
        await trip.run.decides(Verdict.TAKE_OVER)
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert request.title.startswith("not undone: the flight; undone: the car, the room; flights.cancel: ")
    assert ending.state == "called_off"
    assert view.undone == ("the car", "the room", "the flight (by hand)")


async def test_a_rule_begins_anew_when_a_person_says_retry(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, rooms__cancel=in_turn(*[LOCKED] * 4, bookings.cancel("rooms")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        for times in (1, 2):
            await until_it_pauses(trip.run, times)
            await trip.story.fast_forward(trip.run, times * MINUTE + SECOND)
        request = await trip.run.asked()
        await trip.run.decides(Verdict.RETRY)
        await until_it_pauses(trip.run, 4)  # the third was for people
        await trip.story.fast_forward(trip.run, MINUTE + SECOND)
        ending = await trip.run.ending()

    assert request.title.startswith("not undone: the room, the flight; undone: the car; rooms.cancel ended as said_no")
    assert (ending.state, bookings.booked) == ("called_off", [])


async def test_what_nobody_can_undo_is_named_for_good_with_what_is_undone(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    async with a_trip(temporal, bookings, without_a_car(bookings, flights__cancel=NEVER)) as trip:
        await trip.run.decides(Verdict.ABANDON, by="erik")
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.state == "undo_incomplete"
    assert ending.reason == (
        "abandoned by erik: not undone: the flight; undone: the car, the room; "
        "flights.cancel ended as said_no: it cannot be given back"
    )
    assert (view.undone, view.not_undone) == (("the car", "the room"), ("the flight",))
    assert bookings.booked == ["flights"]


async def test_an_undo_of_which_nobody_knows_whether_it_happened_is_not_tried_again_by_itself(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    lost = in_turn(OutcomeUnknown("the line was cut"), bookings.cancel("rooms"))
    toolbox = bookings.toolbox(opaque="rooms.cancel", cars__book=NO_CAR, rooms__cancel=lost)
    async with a_trip(temporal, bookings, toolbox) as trip:
        request = await trip.run.asked()
        assert trip.cancels() == ["cars", "rooms"]
        await trip.run.decides(Verdict.HAPPENED, note="the hotel has no booking for us")
        ending = await trip.run.ending()

    assert "nobody knows whether rooms.cancel happened" in request.title
    assert ending.state == "called_off"
    assert trip.cancels() == ["cars", "rooms", "flights"]


async def test_policy_may_forbid_an_undo_and_people_are_told_by_which_rule(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    async with a_trip(temporal, bookings, without_a_car(bookings), NO_CANCELLING) as trip:
        request = await trip.run.asked()
        await trip.run.decides(Verdict.TAKE_OVER)
        ending = await trip.run.ending()

    assert request.title.startswith("not undone: the room, the flight; undone: the car; rooms.cancel ended as ")
    assert request.title.endswith("forbidden by rooms-are-kept")
    assert ending.state == "called_off"
    assert trip.cancels() == ["cars", "flights"], "a rule that forbids is asked once"


async def test_whoever_approves_a_credit_approves_its_undo_which_nobody_signs_again(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    toolbox = books.toolbox(orders__mark_refunded=says_no("the order is locked"))
    async with a_refund(temporal, 64000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()
        view = await refund.run.view()

    assert ending.state == "reversed"
    assert [decided.outcome for decided in view.decided] == ["approved"]
    assert (books.credits, view.undone) == ([], ("the mark on the order", "the credit"))


@pytest.mark.parametrize("held", ["rooms.book", "cars.book"])
async def test_a_trip_that_is_cancelled_waits_for_the_call_in_flight_and_undoes_everything(
    temporal: WorkflowEnvironment, held: str
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox()
    release = toolbox.holding(held)
    async with a_trip(temporal, bookings, toolbox) as trip:
        await toolbox.until_called(held)
        await trip.run.cancel()
        assert trip.cancels() == []
        release.set()
        ending = await trip.run.ending()
        states = await trip.run.states()

    servers = [name.split(".")[0] for name in HELD]
    done = servers[: servers.index(held.split(".")[0]) + 1]
    assert states[-2:] == [HELD[held], "cancelled"]
    assert trip.cancels() == [*reversed(done)]
    assert (ending.state, bookings.booked) == ("cancelled", [])


async def test_cancels_that_come_while_everything_is_undone_change_only_the_ending(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings)
    release = toolbox.holding("rooms.cancel")
    async with a_trip(temporal, bookings, toolbox) as trip:
        await toolbox.until_called("rooms.cancel")
        await trip.run.cancel("no longer wanted")
        await trip.run.cancel("really not")
        release.set()
        ending = await trip.run.ending()

    assert ending.state == "cancelled"
    assert trip.cancels() == ["cars", "rooms", "flights"]
    assert bookings.booked == []


async def test_a_cancel_does_not_shorten_the_wait_of_an_undo_that_is_tried_again(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, rooms__cancel=in_turn(LOCKED, bookings.cancel("rooms")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        await until_it_pauses(trip.run)
        await trip.run.cancel("no longer wanted")
        await until_it_pauses(trip.run, 2)
        await trip.run.cancel("really not")
        assert trip.cancels() == ["cars", "rooms"]
        await trip.story.fast_forward(trip.run, MINUTE + SECOND)
        ending = await trip.run.ending()

    assert (ending.state, ending.reason) == ("cancelled", "cancelled: no longer wanted")
    assert trip.cancels() == ["cars", "rooms", "rooms", "flights"]


async def test_a_second_cancel_leaves_the_question_to_people_and_the_reason_as_they_are(
    suggesting: WorkflowEnvironment,
) -> None:
    """Temporal passes on a second cancel only to a run that has continued as new since the first."""
    bookings = Bookings()
    toolbox = bookings.toolbox(flights__cancel=NEVER)
    release = toolbox.holding("cars.book")
    async with a_trip(suggesting, bookings, toolbox) as trip:
        await toolbox.until_called("cars.book")
        first = (await trip.run.handle.describe()).run_id
        await trip.run.cancel("no longer wanted")
        release.set()
        choice = await trip.run.decision(Verdict.TAKE_OVER)
        await cancel_once_it_continued(trip.run, first, "really not")
        await trip.run.sends(choice)
        ending = await trip.run.ending()

    assert (ending.state, ending.reason) == ("cancelled", "")
    assert trip.cancels() == ["cars", "rooms", "flights"]


async def test_a_trip_that_waits_to_try_again_is_undone_when_it_is_cancelled(temporal: WorkflowEnvironment) -> None:
    bookings = Bookings()
    async with a_trip(temporal, bookings, bookings.toolbox(rooms__book=NO_CAR)) as trip:
        await until_it_pauses(trip.run)
        await trip.run.cancel()
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.state == "cancelled"
    assert [(visit.state, visit.failed) for visit in view.path][-2:] == [("lodging", True), ("cancelled", False)]
    assert trip.cancels() == ["rooms", "flights"]


async def test_undoing_goes_on_where_it_stood_in_a_run_that_continued_as_new(suggesting: WorkflowEnvironment) -> None:
    bookings = Bookings()
    toolbox = without_a_car(bookings, flights__cancel=in_turn(NEVER, bookings.cancel("flights")))
    async with a_trip(suggesting, bookings, toolbox) as trip:
        await trip.run.asked()
        before = (await trip.run.handle.describe()).run_id
        await trip.run.decides(Verdict.RETRY)
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert before != trip.run.handle.first_execution_run_id
    assert (ending.state, bookings.booked) == ("called_off", [])
    assert view.undone == ("the car", "the room", "the flight")
    assert toolbox.called.count("cars.book") == 1

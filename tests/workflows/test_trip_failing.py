"""Trips of which a step fails: each state goes on as its author chose, and what nobody knows is put to people."""

from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.toolbox import OutcomeUnknown
from cli.watching import run_lines
from contracts.decisions import Verdict
from tests.doubles import in_turn, says_no
from tests.workflows.trip_world import SERVERS, Bookings, a_trip, the_line_is_cut, until_it_pauses, until_visited

pytestmark = pytest.mark.many

FIVE_MINUTES = timedelta(minutes=5, seconds=1)
FULL = says_no("nothing is left")
STATE_OF = {"flights": "flying", "rooms": "lodging", "cars": "driving", "cards": "paying"}
NO_BOOKING = '@id("no-{0}-today") forbid(principal, action == Action::"{0}.book", resource);'


async def test_a_trip_of_which_no_step_fails_is_booked_and_nothing_is_undone(temporal: WorkflowEnvironment) -> None:
    async with a_trip(temporal) as trip:
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.state == "booked"
    assert trip.booked == list(SERVERS)
    assert (view.undone, view.not_undone) == ((), ())


async def test_where_nothing_else_is_chosen_a_failed_step_is_put_to_people_and_nothing_is_undone(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(flights__book=in_turn(FULL, bookings.book("flights")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        request = await trip.run.asked()
        assert trip.cancels() == []
        await trip.run.decides(Verdict.RETRY)
        ending = await trip.run.ending()

    assert request.title == "flights.book ended as said_no: nothing is left"
    assert ending.state == "booked"


async def test_where_everything_is_to_be_undone_it_is_newest_first_and_the_named_state_follows(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    async with a_trip(temporal, bookings, bookings.toolbox(cars__book=FULL)) as trip:
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert (ending.state, ending.reason) == ("called_off", "cars.book ended as said_no: nothing is left")
    assert [(visit.state, visit.failed) for visit in view.path][2:] == [("driving", False), ("called_off", True)]
    assert trip.cancels() == ["cars", "rooms", "flights"]
    assert trip.booked == []
    assert (view.undone, view.not_undone) == (("the car", "the room", "the flight"), ())


async def test_what_policy_did_not_let_happen_counts_as_nothing_to_undo(temporal: WorkflowEnvironment) -> None:
    async with a_trip(temporal, None, None, NO_BOOKING.format("cars")) as trip:
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.reason == "cars.book ended as forbidden: forbidden by no-cars-today"
    assert trip.cancels() == ["rooms", "flights"]
    assert view.undone == ("the car (nothing had been done)", "the room", "the flight")


async def test_a_call_without_an_outcome_is_put_to_people_since_an_earlier_attempt_may_have_sent_it(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(cars__book=the_line_is_cut)
    async with a_trip(temporal, bookings, toolbox) as trip:
        await toolbox.until_called("cars.book")
        await trip.story.fast_forward(trip.run, timedelta(hours=12, minutes=2))
        request = await trip.run.asked()
        assert trip.cancels() == []
        await trip.run.decides(Verdict.ABANDON)
        ending = await trip.run.ending()

    assert request.title.startswith("cars.book: ")
    assert ending.state == "cancelled"
    assert trip.cancels() == ["rooms", "flights"], "nothing was sent to the cars"


async def test_where_a_handler_undoes_a_step_itself_a_call_without_an_outcome_is_put_to_people_as_well(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(cards__book=the_line_is_cut)
    async with a_trip(temporal, bookings, toolbox) as trip:
        await toolbox.until_called("cards.book")
        await trip.story.fast_forward(trip.run, timedelta(hours=12, minutes=2))
        await trip.run.asked()
        toolbox.answers = {**toolbox.answers, "cards.book": bookings.book("cards")}
        await trip.run.decides(Verdict.RETRY)
        ending = await trip.run.ending()

    assert ending.state == "booked"
    assert trip.cancels() == []


async def test_where_it_is_to_keep_trying_what_was_done_is_kept_and_the_step_has_a_new_key(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(rooms__book=in_turn(FULL, FULL, bookings.book("rooms")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        for times in (1, 2):
            await until_it_pauses(trip.run, times)
            assert len(toolbox.keys_of("rooms.book")) == times, "not before its time"
            waiting, details = await trip.run.view(), await trip.run.details()
            assert waiting.tries_again_at is not None
            assert f"tried again by itself | {waiting.tries_again_at:%Y-%m-%d %H:%M:%S} UTC" in details
            assert any(line.startswith("tries again by itself at ") for line in run_lines(waiting))
            await trip.story.fast_forward(trip.run, FIVE_MINUTES)
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.state == "booked"
    tries = [("lodging", False), ("lodging", True), ("lodging", True)]
    assert [(visit.state, visit.failed) for visit in view.path][1:4] == tries
    assert len(set(toolbox.keys_of("rooms.book"))) == 3
    assert toolbox.called.count("flights.book") == 1
    assert trip.cancels() == []


async def test_a_run_that_has_tried_as_often_as_it_may_asks_people_and_may_try_as_often_again(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(rooms__book=in_turn(*[FULL] * 5, bookings.book("rooms")))
    async with a_trip(temporal, bookings, toolbox) as trip:
        for times in (1, 2):
            await until_it_pauses(trip.run, times)
            await trip.story.fast_forward(trip.run, FIVE_MINUTES)
        request = await trip.run.asked()
        await trip.run.decides(Verdict.RETRY)
        for times in (4, 5):  # the third was for people
            await until_it_pauses(trip.run, times)
            await trip.story.fast_forward(trip.run, FIVE_MINUTES)
        ending = await trip.run.ending()

    assert request.title == "rooms.book ended as said_no: nothing is left"
    assert ending.state == "booked"
    assert len(set(toolbox.keys_of("rooms.book"))) == 6


async def test_a_rule_that_forbids_a_step_is_not_asked_again_and_again(temporal: WorkflowEnvironment) -> None:
    async with a_trip(temporal, None, None, NO_BOOKING.format("rooms")) as trip:
        request = await trip.run.asked()
        await trip.run.decides(Verdict.ABANDON)
        ending = await trip.run.ending()
        states = await trip.run.states()

    assert request.title == "rooms.book ended as forbidden: forbidden by no-rooms-today"
    assert states == ["flying", "lodging", "escalated", "cancelled"]
    assert (ending.state, trip.booked) == ("cancelled", [])


async def test_a_handler_may_undo_everything_after_one_of_its_steps_and_choose_what_follows(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(cards__book=says_no("the card is declined"))
    async with a_trip(temporal, bookings, toolbox) as trip:
        ending = await trip.run.ending()

    assert (ending.state, ending.reason) == ("unpaid", "cards.book ended as said_no: the card is declined")
    assert trip.cancels() == ["cards", "cars", "rooms", "flights"]
    assert trip.booked == []


async def test_what_a_handler_has_chosen_follows_after_an_undo_that_a_person_did_by_hand(
    temporal: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    toolbox = bookings.toolbox(cards__book=FULL, cards__cancel=says_no("nothing to give back"))
    async with a_trip(temporal, bookings, toolbox) as trip:
        await trip.run.decides(Verdict.TAKE_OVER)
        ending = await trip.run.ending()
        view = await trip.run.view()

    assert ending.state == "unpaid"
    assert view.undone == ("the payment (by hand)", "the car", "the room", "the flight")
    assert toolbox.called.count("cards.book") == 1


@pytest.mark.parametrize("server", ["rooms", "cars", "cards"])
async def test_a_step_of_which_nobody_knows_whether_it_happened_is_put_to_people_whatever_was_chosen(
    temporal: WorkflowEnvironment, server: str
) -> None:
    bookings = Bookings()
    lost = {f"{server}__book": in_turn(OutcomeUnknown("the line was cut"), bookings.book(server))}
    async with a_trip(temporal, bookings, bookings.toolbox(opaque=f"{server}.book", **lost)) as trip:
        request = await trip.run.asked()
        assert trip.cancels() == []
        await trip.run.decides(Verdict.DID_NOT_HAPPEN)
        ending = await trip.run.ending()
        states = await trip.run.states()

    assert "nobody knows whether" in request.title
    before = states.index("escalated")
    assert [states[before - 1], states[before + 1]] == [STATE_OF[server]] * 2
    assert trip.toolbox.called.count(f"{server}.book") == 2, "the second time because a person said so"
    assert ending.state == "booked"


async def test_a_run_that_waits_to_try_again_continues_as_new_and_tries_no_more_often(
    suggesting: WorkflowEnvironment,
) -> None:
    bookings = Bookings()
    async with a_trip(suggesting, bookings, bookings.toolbox(rooms__book=FULL)) as trip:
        for visits in (3, 4):
            await until_visited(trip.run, visits)
            await until_it_pauses(trip.run)
            await trip.story.fast_forward(trip.run, FIVE_MINUTES)
        await trip.run.asked()
        now = (await trip.run.handle.describe()).run_id
        await trip.run.decides(Verdict.ABANDON)
        ending = await trip.run.ending()

    assert now != trip.run.handle.first_execution_run_id
    assert len(set(trip.toolbox.keys_of("rooms.book"))) == 3
    assert (ending.state, trip.booked) == ("cancelled", [])

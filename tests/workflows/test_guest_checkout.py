"""Guest checkouts, told as stories: the whole of it, and each known fault of another implementation as a case."""

from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from tests.demo_servers import loses_the_answer, says_no
from tests.workflows.hotel_world import (
    AIKO,
    CLOSED,
    ELENA,
    JONAS,
    RUTH,
    UNTOUCHED,
    a_checkout,
    a_hotel,
    books_in,
    ever_in,
)
from workflows.catalog import Catalog

pytestmark = pytest.mark.many

EFFECTS = [
    "payments.authorise",
    "property.check_out",
    "property.send_to_cleaning",
    "housekeeping.create_task",
    "crm.close_opportunity",
    "payments.capture",
    "compliance.record_checkout",
]
UNDOS = [
    "compliance.record_reversal",
    "payments.refund",
    "crm.reopen_opportunity",
    "housekeeping.cancel_task",
    "property.take_back_from_cleaning",
    "property.reinstate",
    "payments.void",
]


async def test_a_guest_is_checked_out_in_every_system_and_pays_last(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal) as checkout:
        ending = await checkout.run.ending()
        states = await checkout.run.states()
        books = checkout.books()

    assert (ending.state, ending.reason) == ("checked_out", "450.50 EUR taken for booking B-2041")
    path = ["validating", "authorising", "checking_out", "handing_over", "settling", "verifying", "checked_out"]
    assert states == path
    assert checkout.hotel.effects() == EFFECTS
    assert books == CLOSED


# It charges before it checks the booking.


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"booking_number": "B-9999"}, "the guest has no such stay in this house"),
        ({"booking_number": "B-2042"}, "the guest has no such stay in this house"),
        ({"booking_number": "B-1987", "amount": 1}, "the booking is checked_out, not in house; "),
        ({"guest_name": "Elena Marchesi"}, "the booking is in another name"),
        ({"room_number": "205"}, "the room is 204"),
        ({"amount": 45_000}, "450.50 EUR is due, not 450.00 EUR"),
        ({"guest_email": "ruth.abelson@example.com", "booking_number": None, "room_number": None}, "2 stays in house"),
    ],
)
async def test_nothing_is_charged_before_the_stay_holds(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], reason: str
) -> None:
    async with a_checkout(temporal, ELENA | otherwise) as checkout:
        ending = await checkout.run.ending()
        states = await checkout.run.states()

    assert (ending.state, states) == ("refused", ["validating", "refused"])
    assert reason in ending.reason
    assert checkout.hotel.effects() == []


# It looks up today's booking only.


@pytest.mark.parametrize(
    ("asked", "booking"),
    [(JONAS, "B-2042"), (AIKO, "B-2043")],
    ids=["leaves early", "should have left days ago"],
)
async def test_a_stay_is_found_whatever_its_dates(
    temporal: WorkflowEnvironment, asked: dict[str, Any], booking: str
) -> None:
    async with a_checkout(temporal, asked) as checkout:
        ending = await checkout.run.ending()
        captured = checkout.books(booking).captured_cents

    assert (ending.state, captured) == ("checked_out", asked["amount"])


async def test_where_nobody_hopes_for_business_no_opportunity_is_closed(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal, AIKO) as checkout:
        ending = await checkout.run.ending()

    assert ending.state == "checked_out"
    assert checkout.hotel.effects() == [name for name in EFFECTS if name != "crm.close_opportunity"]


# It swallows errors of single steps and answers success; and has a compensation nobody calls.


@pytest.mark.parametrize("tool", ["property.send_to_cleaning", "compliance.record_checkout"])
async def test_a_step_that_fails_is_not_passed_over_and_what_was_done_is_undone_by_the_run_itself(
    temporal: WorkflowEnvironment, tool: str
) -> None:
    async with a_checkout(temporal, faults={tool: says_no}) as checkout:
        ending = await checkout.run.ending()
        view = await checkout.run.view()
        undos, books = checkout.undos(), checkout.books()

    assert (ending.state, ending.reason) == ("reversed", f"{tool} ended as said_no: not today")
    assert view.decided == (), "nobody had to ask for it"
    assert checkout.hotel.effects() == [*EFFECTS[: EFFECTS.index(tool) + 1], *undos]
    assert undos == UNDOS[-1 - EFFECTS.index(tool) :]
    assert books == UNTOUCHED


# It gets a new token for each retry of its client, and charges again.


async def test_a_second_start_for_the_booking_does_nothing_whatever_its_token(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal) as checkout:
        await checkout.run.ending()
        again = await checkout.story.start("guest_checkout", **ELENA | {"idempotency_token": "desk-new"})
        ending = await again.ending()
        books = checkout.books()

    assert ending.state == "cancelled"
    assert "was started before" in ending.reason
    assert (checkout.hotel.effects(), books) == (EFFECTS, CLOSED)


async def test_a_stay_that_is_asked_for_by_guest_and_room_meanwhile_is_not_charged_again(
    temporal: WorkflowEnvironment,
) -> None:
    by_room = ELENA | {"booking_number": None, "idempotency_token": "desk-new"}
    async with a_checkout(temporal, held="property.check_out") as checkout:
        await checkout.hotel.until_called("property.check_out")
        second = await checkout.story.start("guest_checkout", **by_room)
        meanwhile = await second.ending()
        checkout.hotel.hold["property.check_out"].set()
        first = await checkout.run.ending()
        third = await checkout.story.start("guest_checkout", **by_room | {"room_number": None})
        afterwards = await third.ending()
        books, ever = checkout.books(), ever_in(checkout.hotel.data)

    assert meanwhile.state == "declined"
    assert "booking 'B-2041' is authorised already" in meanwhile.reason
    assert (afterwards.state, afterwards.reason) == ("refused", "the guest has no such stay in this house")
    assert (first.state, books, ever["authorisations"]) == ("checked_out", CLOSED, 1)


async def test_a_token_that_is_used_again_for_another_stay_is_refused_and_the_difference_named(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_hotel(temporal) as (story, hotel):
        first = await story.start("guest_checkout", **RUTH, room_number="401")
        assert (await first.ending()).state == "checked_out"
        second = await story.start("guest_checkout", **RUTH, booking_number="B-2045")
        ending = await second.ending()
        books = books_in(hotel.data, "B-2045")

    assert ending.state == "declined"
    assert "booking_number differ from the payment that token 'desk-3b77' was used for" in ending.reason
    assert (books.booking, books.room, books.reserved_cents) == ("in_house", "clean", 0)


async def test_a_token_that_is_used_again_for_another_amount_names_the_difference_before_anything_starts(
    temporal: WorkflowEnvironment,
) -> None:
    entry = Catalog.load().find("guest_checkout")
    given = entry.request.model_validate(ELENA | {"amount": 45_051})
    async with a_checkout(temporal) as checkout:
        await checkout.run.ending()
        known = await checkout.story.store.starts.look_up(
            "guest_checkout", entry.business_key(given), given.model_dump(mode="json")
        )

    assert (known.workflow_id, known.differing_fields) == (checkout.run.handle.id, ("amount",))


# It refuses the retry of its own booking.


async def test_a_check_out_whose_answer_was_lost_is_not_taken_for_somebody_elses(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal, faults={"property.check_out": loses_the_answer}) as checkout:
        ending = await checkout.run.ending()
        books = checkout.books()

    assert (ending.state, books) == ("checked_out", CLOSED)
    assert checkout.hotel.called.count("property.check_out") == 2


async def test_the_same_request_again_finds_the_run_that_serves_it(temporal: WorkflowEnvironment) -> None:
    entry = Catalog.load().find("guest_checkout")
    given = entry.request.model_validate(ELENA)
    async with a_checkout(temporal) as checkout:
        await checkout.run.ending()
        request = given.model_dump(mode="json")
        known = await checkout.story.store.starts.look_up("guest_checkout", entry.business_key(given), request)

    assert (known.same_input, known.ending) == (True, "checked_out")


# The card.


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("PM-elena-old", "the card 'PM-elena-old' is expired"),
        ("PM-elena-debit", "the card 'PM-elena-debit' was declined: the amount is over its limit"),
        ("PM-jonas-amex", "the guest has no card 'PM-jonas-amex' on file"),
    ],
)
async def test_a_payment_that_is_declined_ends_the_checkout_before_anything_is_touched(
    temporal: WorkflowEnvironment, card: str, reason: str
) -> None:
    async with a_checkout(temporal, ELENA | {"payment_method_id": card}) as checkout:
        ending = await checkout.run.ending()
        books = checkout.books()

    assert ending.state == "declined"
    assert ending.reason.startswith("payments.authorise ended as said_no: ") and reason in ending.reason
    assert (checkout.hotel.effects(), books) == (["payments.authorise", "payments.void"], UNTOUCHED)


# The words by which a stay is known.


def test_a_checkout_is_known_by_its_booking_and_without_one_by_guest_and_room() -> None:
    entry = Catalog.load().find("guest_checkout")

    def key(**otherwise: Any) -> str:
        return entry.business_key(entry.request.model_validate(ELENA | otherwise))

    assert key() == key(idempotency_token="another", amount=1, room_number=None) == "B-2041"
    by_room = key(booking_number=None)
    assert by_room == key(booking_number=None, idempotency_token="another", guest_email=ELENA["guest_email"].upper())
    assert len({by_room, key(booking_number=None, room_number="205"), key(booking_number=None, room_number=None)}) == 3
    assert "@" not in by_room


async def test_a_checkout_that_cannot_go_on_waits_for_the_duty_manager(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal, faults={"property.find_room": says_no}) as checkout:
        request = await checkout.run.asked()
        details = await checkout.run.details()

    assert request.title == "validating: property.find_room ended as said_no: not today"
    assert request.options == (Verdict.RETRY, Verdict.ABANDON)
    assert [each.role for each in request.obligations] == ["duty_manager"]
    assert "| guest | Elena Marchetti |" in details
    assert checkout.hotel.effects() == []

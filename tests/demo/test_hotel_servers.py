"""The hotel's pretend systems in memory: the rules by which they refuse, and that what was done can be taken back."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer

from demo.mcp_servers import world
from demo.mcp_servers.compliance import server as compliance
from demo.mcp_servers.compliance.journal import Journal
from demo.mcp_servers.crm import server as crm
from demo.mcp_servers.crm.cards import CardIndex
from demo.mcp_servers.housekeeping import server as housekeeping
from demo.mcp_servers.housekeeping.board import Board
from demo.mcp_servers.payments import server as payments
from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.property import server as property_
from demo.mcp_servers.property.register import Register
from tests.demo.asking import ask, refusal

ELENA = "elena.marchetti@example.com"
OURS = {"booking_number": "B-2041", "reference": "ours"}
ROOM = {"room_number": "204", "reference": "ours"}


def register_of(data: Path, as_of: date | None = None) -> MCPServer:
    return property_.build_server(Register(data, (lambda: as_of) if as_of else world.today))


def provider(data: Path) -> MCPServer:
    return payments.build_server(PaymentLedger.open(data), payments.AnswerHold(None))


# The property system -----------------------------------------------------------------------------------------


async def test_a_guests_bookings_are_found_whatever_their_dates_the_latest_first(tmp_path: Path) -> None:
    async with Client(register_of(tmp_path)) as client:
        every = await ask(client, "find_bookings", guest_email=ELENA.upper())
        in_house = await ask(client, "find_bookings", guest_email=ELENA, status="in_house")
        another = await ask(client, "find_bookings", guest_email="ruth.abelson@example.com", booking_number="B-2041")
    assert [booking["booking_number"] for booking in every["bookings"]] == ["B-2041", "B-1987"]
    assert [(booking["room_number"], booking["due_cents"]) for booking in in_house["bookings"]] == [("204", 45_050)]
    assert (another["count"], another["bookings"]) == (0, [])


async def test_a_check_out_makes_the_room_vacant_and_can_be_said_again_and_taken_back(tmp_path: Path) -> None:
    async with Client(register_of(tmp_path)) as client:
        before = await ask(client, "find_bookings", guest_email=ELENA)
        left = await ask(client, "check_out", **OURS)
        assert await ask(client, "check_out", **OURS) == left
        assert (left["status"], left["checked_out_by"]) == ("checked_out", "ours")
        assert (await ask(client, "find_room", room_number="204"))["occupied_by"] is None
        assert "checked out before, by 'ours'" in await refusal(client, "check_out", **OURS | {"reference": "theirs"})
        await ask(client, "reinstate", **OURS | {"reference": "theirs"})
        assert (await ask(client, "find_bookings", guest_email=ELENA))["bookings"][0] == left
        await ask(client, "reinstate", **OURS)
        assert await ask(client, "find_bookings", guest_email=ELENA) == before


@pytest.mark.parametrize(
    ("booking", "sentence"),
    [
        ("B-1987", "booking 'B-1987' was checked out before, by hand"),
        ("B-2050", "booking 'B-2050' is booked; only a guest in house can be checked out"),
        ("B-2046", "booking 'B-2046' is cancelled; only a guest in house"),
        ("B-9999", "there is no booking 'B-9999'"),
    ],
)
async def test_only_a_guest_in_house_is_checked_out(tmp_path: Path, booking: str, sentence: str) -> None:
    async with Client(register_of(tmp_path)) as client:
        assert sentence in await refusal(client, "check_out", booking_number=booking, reference="ours")


async def test_a_room_is_cleaned_once_it_is_vacant_and_is_as_before_when_that_is_taken_back(tmp_path: Path) -> None:
    async with Client(register_of(tmp_path)) as client:
        assert "is taken by booking 'B-2041'" in await refusal(client, "send_to_cleaning", **ROOM)
        await ask(client, "check_out", **OURS)
        sent = await ask(client, "send_to_cleaning", **ROOM)
        assert await ask(client, "send_to_cleaning", **ROOM) == sent
        assert (sent["status"], sent["sent_to_cleaning_by"]) == ("cleaning", "ours")
        theirs = ROOM | {"reference": "theirs"}
        assert "is cleaning already" in await refusal(client, "send_to_cleaning", **theirs)
        assert (await ask(client, "take_back_from_cleaning", **theirs)) == sent
        assert (await ask(client, "take_back_from_cleaning", **ROOM))["status"] == "clean"
        await ask(client, "send_to_cleaning", **theirs)
        assert (await ask(client, "mark_clean", room_number="204"))["status"] == "clean"
        assert (await ask(client, "take_back_from_cleaning", **theirs))["status"] == "clean"
        assert "room '403' is out_of_order; have it repaired" in await refusal(client, "mark_clean", room_number="403")
        closed = {"room_number": "403", "reference": "ours"}
        assert "'403' is out_of_order already" in await refusal(client, "send_to_cleaning", **closed)


async def test_a_guest_is_not_put_back_into_a_room_that_another_has_taken(tmp_path: Path) -> None:
    async with Client(register_of(tmp_path)) as client:
        await ask(client, "check_out", **OURS)
        with closing(sqlite3.connect(tmp_path / "property.db")) as connection, connection:
            connection.execute("UPDATE bookings SET room_number = '204' WHERE booking_number = 'B-2050'")
        await ask(client, "check_in", booking_number="B-2050", reference="arrival")
        assert "room '204' is taken by booking 'B-2050'" in await refusal(client, "reinstate", **OURS)


async def test_a_guest_who_is_expected_is_checked_in_on_the_day_into_a_clean_room(tmp_path: Path) -> None:
    arrival = {"booking_number": "B-2050", "reference": "ours"}
    async with Client(register_of(tmp_path, world.today())) as client:
        came = await ask(client, "check_in", **arrival)
        assert await ask(client, "check_in", **arrival) == came
        assert (came["status"], came["checked_in_by"]) == ("in_house", "ours")
        assert (await ask(client, "undo_check_in", **arrival))["status"] == "booked"
        assert (await ask(client, "undo_check_in", **arrival))["status"] == "booked"
        assert "'B-2041' is in_house; only a guest who is expected" in await refusal(client, "check_in", **OURS)
    async with Client(register_of(tmp_path, world.today() - timedelta(days=1))) as client:
        assert "begins on" in await refusal(client, "check_in", **arrival)
    with closing(sqlite3.connect(tmp_path / "property.db")) as connection, connection:
        connection.execute("UPDATE rooms SET status = 'dirty' WHERE room_number = '207'")
    async with Client(register_of(tmp_path)) as client:
        assert "room '207' is dirty; have it cleaned" in await refusal(client, "check_in", **arrival)


# Payments for stays ------------------------------------------------------------------------------------------

PAYMENT: dict[str, Any] = {
    **OURS,
    "guest_email": ELENA,
    "cents": 45_050,
    "currency": "EUR",
    "payment_method_id": "PM-elena-visa",
    "client_token": "desk-1",
    "idempotency_key": "key-1",
}


async def standing(client: Client) -> tuple[int, int, int]:
    """How many payments of the booking stand, what is reserved, and what is captured."""
    found = await ask(client, "payments_of_booking", booking_number="B-2041")
    return found["count"], found["authorised_cents"], found["captured_cents"]


async def test_a_payment_is_reserved_then_taken_then_given_back_each_once(tmp_path: Path) -> None:
    async with Client(provider(tmp_path)) as client:
        reserved = await ask(client, "authorise", **PAYMENT)
        assert await ask(client, "authorise", **PAYMENT) == reserved
        assert await standing(client) == (1, 45_050, 0)
        taken = await ask(client, "capture", **OURS, idempotency_key="key-2")
        assert await ask(client, "capture", **OURS, idempotency_key="key-2") == taken
        assert await standing(client) == (1, 0, 45_050)
        assert "was captured; a captured payment is refunded" in await refusal(
            client, "void", **OURS, idempotency_key="key-3"
        )
        given = await ask(client, "refund", **OURS, idempotency_key="key-4")
        assert await ask(client, "refund", **OURS, idempotency_key="key-4") == given
        assert given["released_cents"] == 45_050
        assert await standing(client) == (0, 0, 0)
        assert (await ask(client, "void", **OURS, idempotency_key="key-5"))["released_cents"] == 0


async def test_what_is_voided_is_not_taken_any_more_and_the_card_is_free_for_it_again(tmp_path: Path) -> None:
    async with Client(provider(tmp_path)) as client:
        await ask(client, "authorise", **PAYMENT)
        assert (await ask(client, "void", **OURS, idempotency_key="key-2"))["released_cents"] == 45_050
        nothing = await refusal(client, "capture", **OURS, idempotency_key="key-3")
        anew = await ask(client, "authorise", **PAYMENT | {"idempotency_key": "key-4"})
    assert "nothing is reserved for booking 'B-2041' by 'ours'" in nothing
    assert anew["status"] == "authorised"


async def test_a_release_that_found_nothing_still_catches_a_late_payment(tmp_path: Path) -> None:
    async with Client(provider(tmp_path)) as client:
        assert (await ask(client, "void", **OURS, idempotency_key="key-2"))["released_cents"] == 0
        await ask(client, "authorise", **PAYMENT)
        assert (await ask(client, "void", **OURS, idempotency_key="key-2"))["released_cents"] == 45_050


async def test_a_booking_has_one_payment_at_a_time(tmp_path: Path) -> None:
    other = PAYMENT | {"client_token": "desk-2", "reference": "theirs", "idempotency_key": "key-2"}
    async with Client(provider(tmp_path)) as client:
        await ask(client, "authorise", **PAYMENT)
        assert "'B-2041' is authorised already, for 'ours'" in await refusal(client, "authorise", **other)
        await ask(client, "capture", **OURS, idempotency_key="key-3")
        assert "'B-2041' is captured already, for 'ours'" in await refusal(client, "authorise", **other)
        await ask(client, "refund", **OURS, idempotency_key="key-4")
        assert (await ask(client, "authorise", **other))["status"] == "authorised"


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ({"booking_number": "B-1987"}, "booking_number"),
        ({"cents": 45_051}, "cents"),
        ({"payment_method_id": "PM-elena-debit"}, "payment_method_id"),
        ({"booking_number": "B-2044", "guest_email": "ruth.abelson@example.com"}, "booking_number, guest_email"),
    ],
)
async def test_a_token_stands_for_one_payment_for_good_and_the_difference_is_named(
    tmp_path: Path, other: dict[str, Any], differing: str
) -> None:
    async with Client(provider(tmp_path)) as client:
        await ask(client, "authorise", **PAYMENT)
        await ask(client, "void", **OURS, idempotency_key="key-2")
        said = await refusal(client, "authorise", **PAYMENT | {"idempotency_key": "key-3"} | other)
    assert f"{differing} differ from the payment that token 'desk-1' was used for" in said


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"payment_method_id": "PM-elena-old"}, "the card 'PM-elena-old' is expired"),
        ({"payment_method_id": "PM-jonas-amex"}, "the guest has no card 'PM-jonas-amex' on file"),
        ({"payment_method_id": "PM-nobody"}, "the guest has no card 'PM-nobody' on file"),
        ({"payment_method_id": "PM-elena-debit"}, "was declined: the amount is over its limit"),
        ({"cents": 500_001}, "was declined: the amount is over its limit"),
        ({"cents": 0}, "cents"),
    ],
)
async def test_a_card_is_the_guests_own_valid_and_good_for_the_amount(
    tmp_path: Path, other: dict[str, Any], sentence: str
) -> None:
    async with Client(provider(tmp_path)) as client:
        assert sentence in await refusal(client, "authorise", **PAYMENT | other)
        assert await standing(client) == (0, 0, 0)


async def test_a_key_of_a_payment_serves_for_no_other_call(tmp_path: Path) -> None:
    async with Client(provider(tmp_path)) as client:
        await ask(client, "authorise", **PAYMENT)
        assert "other parameters" in await refusal(client, "capture", **OURS, idempotency_key="key-1")
        assert "other parameters" in await refusal(client, "void", **OURS, idempotency_key="key-1")
        assert await standing(client) == (1, 45_050, 0)


# Housekeeping, sales, compliance -----------------------------------------------------------------------------


async def test_a_room_has_one_open_task_of_a_kind_and_a_task_that_is_done_is_not_cancelled(tmp_path: Path) -> None:
    wanted = ROOM | {"kind": "departure_clean", "idempotency_key": "key-1"}
    async with Client(housekeeping.build_server(Board(tmp_path))) as client:
        task = await ask(client, "create_task", **wanted)
        assert await ask(client, "create_task", **wanted) == task
        second = wanted | {"reference": "theirs", "idempotency_key": "key-2"}
        assert f"has {task['task_id']} for a departure_clean already" in await refusal(client, "create_task", **second)
        assert "used for another task" in await refusal(client, "create_task", **wanted | {"kind": "repair"})
        assert "no floor has a room '999'" in await refusal(client, "create_task", **wanted | {"room_number": "999"})
        nobodys = ROOM | {"reference": "theirs"}
        assert (await ask(client, "cancel_task", **nobodys))["cancelled_count"] == 0
        assert (await ask(client, "cancel_task", **ROOM))["cancelled_count"] == 1
        assert (await ask(client, "cancel_task", **ROOM))["cancelled_count"] == 0
        done = await ask(client, "create_task", **second)
        await ask(client, "finish_task", task_id=done["task_id"])
        assert "room '204' has been done already" in await refusal(client, "cancel_task", **nobodys)
        assert "no task 'HK-1' to be done" in await refusal(client, "finish_task", task_id="HK-1")
        tasks = await ask(client, "tasks_of_room", room_number="204")
    assert (tasks["open_count"], tasks["newest_for"]) == (0, "theirs")
    assert [each["status"] for each in tasks["tasks"]] == ["cancelled", "done"]


async def test_an_opportunity_is_closed_once_and_opened_again_by_whoever_has_closed_it(tmp_path: Path) -> None:
    ours, theirs = ({"opportunity_id": "OP-71", "reference": reference} for reference in ("ours", "theirs"))
    async with Client(crm.build_server(CardIndex(tmp_path))) as client:
        found = await ask(client, "opportunities_of_guest", guest_email=ELENA.upper())
        assert [(each["opportunity_id"], each["stage"]) for each in found["opportunities"]] == [
            ("OP-71", "open"),
            ("OP-65", "won"),
        ]
        closed = await ask(client, "close_opportunity", **ours)
        assert await ask(client, "close_opportunity", **ours) == closed
        assert "'OP-71' is won already; reopen it first" in await refusal(client, "close_opportunity", **theirs)
        assert await ask(client, "reopen_opportunity", **theirs) == closed
        assert (await ask(client, "reopen_opportunity", **ours))["stage"] == "open"
        unknown = ours | {"opportunity_id": "OP-0"}
        assert "there is no opportunity 'OP-0'" in await refusal(client, "close_opportunity", **unknown)


async def test_the_compliance_log_writes_what_it_is_told_and_a_reversal_only_while_something_stands(
    tmp_path: Path,
) -> None:
    async with Client(compliance.build_server(Journal(tmp_path))) as client:
        assert (await ask(client, "record_reversal", **OURS, entry_key="key-0"))["entries"] == []
        for _ in range(2):
            await ask(client, "record_checkout", **OURS, cents=45_050, entry_key="key-1")
        twice = await ask(client, "entries_of", **OURS)
        reversed_ = await ask(client, "record_reversal", **OURS, entry_key="key-2")
        assert await ask(client, "record_reversal", **OURS, entry_key="key-2") == reversed_
    assert (twice["standing_count"], twice["standing_cents"]) == (2, 90_100)
    assert [entry["entry_key"] for entry in twice["entries"]] == ["key-1", "key-1"]
    assert (reversed_["standing_count"], len(reversed_["entries"])) == (0, 4)


@pytest.mark.parametrize("change", ["UPDATE entries SET cents = 1", "DELETE FROM entries"])
async def test_no_entry_of_the_compliance_log_is_ever_changed_or_removed(tmp_path: Path, change: str) -> None:
    Journal(tmp_path).record_checkout("B-2041", 45_050, "ours", "key-1")
    refused = pytest.raises(sqlite3.IntegrityError, match="an entry is never")
    with closing(sqlite3.connect(tmp_path / "compliance.db")) as connection, refused:
        connection.execute(change)
    assert Journal(tmp_path).entries("B-2041", "ours").standing_cents == 45_050

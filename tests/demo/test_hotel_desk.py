"""What the hotel's systems do for the front desk: contacts, requests, closed rooms, and what others have left."""

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

MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Lindgren", "contact_type": "guest"}
OURS, THEIRS = {"reference": "ours"}, {"reference": "theirs"}
ROOM = {"room_number": "119"}
PAYMENT = {
    "booking_number": "B-2041",
    "guest_email": "elena.marchetti@example.com",
    "cents": 45_050,
    "currency": "EUR",
    "payment_method_id": "PM-elena-visa",
    "client_token": "desk-1",
    "reference": "theirs",
    "idempotency_key": "key-1",
}
MADE_BY = {"made_by": "theirs"}


def sales(data: Path) -> MCPServer:
    return crm.build_server(CardIndex(data))


def front_office(data: Path, as_of: date | None = None) -> MCPServer:
    return property_.build_server(Register(data, (lambda: as_of) if as_of else world.today))


def board(data: Path) -> MCPServer:
    return housekeeping.build_server(Board(data))


def provider(data: Path) -> MCPServer:
    return payments.build_server(PaymentLedger.open(data), payments.AnswerHold(None))


# Contacts.


async def test_a_contact_is_made_changed_and_put_back_as_it_was_by_whoever_has_changed_it_last(tmp_path: Path) -> None:
    async with Client(sales(tmp_path)) as client:
        made = await ask(client, "upsert_contact", **MAYA, **OURS, phone="+46701234567")
        assert await ask(client, "upsert_contact", **MAYA, **OURS) == made, "what is not given stays"
        changed = await ask(client, "upsert_contact", **MAYA | {"last_name": "Berg"}, **THEIRS)
        assert (changed["last_name"], changed["phone"], changed["changed_by"]) == ("Berg", "+46701234567", "theirs")
        late = await ask(client, "restore_contact", email=MAYA["email"], **OURS)
        assert late["contacts"] == [changed], "another has changed it since"
        back = await ask(client, "restore_contact", email=MAYA["email"].upper(), **THEIRS)
        assert back["contacts"] == [made]
        gone = await ask(client, "restore_contact", email=MAYA["email"], **OURS)
        assert gone["count"] == 0
        assert (await ask(client, "restore_contact", email=MAYA["email"], **OURS))["count"] == 0


@pytest.mark.parametrize(
    ("otherwise", "sentence"),
    [
        ({"phone": "0170 123"}, "the phone '0170 123' is no number in international form"),
        ({"contact_type": "travel_agent"}, "a contact of type travel_agent belongs to an account"),
        ({"account_id": "AC-9"}, "there is no account 'AC-9'"),
        ({"account_id": "AC-102"}, "account 'AC-102' is closed; nobody is added to it"),
        ({"email": "jonas.lindqvist@example.com", "account_id": "AC-101"}, "belongs to account 'AC-100'; have sales"),
        ({"contact_type": "friend"}, "contact_type"),
    ],
)
async def test_a_contact_against_the_rules_is_refused(tmp_path: Path, otherwise: dict[str, Any], sentence: str) -> None:
    async with Client(sales(tmp_path)) as client:
        assert sentence in await refusal(client, "upsert_contact", **MAYA | otherwise, **OURS)
        assert (await ask(client, "find_contact", email=MAYA["email"]))["count"] == 0


# Rooms and arrivals.


async def test_a_vacant_room_is_taken_out_of_order_and_put_back_as_it_was_by_whoever_has_done_it(
    tmp_path: Path,
) -> None:
    async with Client(front_office(tmp_path)) as client:
        closed = await ask(client, "take_out_of_order", **ROOM, **OURS)
        assert await ask(client, "take_out_of_order", **ROOM, **OURS) == closed
        assert (closed["status"], closed["out_of_order_by"]) == ("out_of_order", "ours")
        assert "is out_of_order already" in await refusal(client, "take_out_of_order", **ROOM, **THEIRS)
        assert await ask(client, "put_back_in_order", **ROOM, **THEIRS) == closed
        assert (await ask(client, "put_back_in_order", **ROOM, **OURS))["status"] == "clean"
        taken = {"room_number": "204"}
        assert "taken by booking 'B-2041'; move the guest" in await refusal(
            client, "take_out_of_order", **taken, **OURS
        )
        assert (await ask(client, "find_room", **taken))["guest_name"] == "Elena Marchetti"


@pytest.mark.parametrize(
    ("booking", "days", "sentence"),
    [("B-2051", 0, "begins on "), ("B-2050", 4, "was until "), ("B-2053", 0, "room '205' is dirty")],
    ids=["before the day", "when it is over", "into a dirty room"],
)
async def test_nobody_is_checked_in_outside_their_stay_or_into_a_room_that_is_not_clean(
    tmp_path: Path, booking: str, days: int, sentence: str
) -> None:
    first = date(2026, 12, 1)
    Register(tmp_path, lambda: first)
    async with Client(front_office(tmp_path, first + timedelta(days=days))) as client:
        assert sentence in await refusal(client, "check_in", booking_number=booking, **OURS)


async def test_a_stay_is_found_by_the_day_on_which_it_begins(tmp_path: Path) -> None:
    day = date(2026, 12, 1)
    async with Client(front_office(tmp_path, day)) as client:
        found = await ask(client, "find_bookings", guest_email="maya.lindgren@example.com", arrival="2026-12-02")
    assert ([each["booking_number"] for each in found["bookings"]], found["today"]) == (["B-2051"], "2026-12-01")


# Requests.


def wanted(**otherwise: Any) -> dict[str, Any]:
    asked = {"type": "other", "priority": "normal", "requested_by": "Jonas", "description": "Please."}
    return ROOM | asked | OURS | {"client_token": "t-1", "idempotency_key": "key-1"} | otherwise


@pytest.mark.parametrize("kind", ["service", "maintenance"])
async def test_a_request_is_entered_once_per_key_token_and_open_type_and_is_withdrawn_by_its_own(
    tmp_path: Path, kind: str
) -> None:
    submit, withdraw, listing = f"submit_{kind}_request", f"withdraw_{kind}_request", f"{kind}_requests_of_room"
    async with Client(board(tmp_path)) as client:
        first = await ask(client, submit, **wanted())
        assert await ask(client, submit, **wanted()) == first
        assert "key was used for another request" in await refusal(client, submit, **wanted(description="More."))
        other_key = {"idempotency_key": "key-2"}
        differing = await refusal(client, submit, **wanted(priority="urgent", **other_key))
        assert "priority differ from the request that token 't-1' stands for" in differing
        again = await refusal(client, submit, **wanted(**other_key))
        assert "token 't-1' stands for RQ-1001, which is open" in again
        second = await refusal(client, submit, **wanted(client_token="t-2", **other_key))
        assert "room '119' has RQ-1001 for other open already" in second
        assert "no floor has a room '999'" in await refusal(client, submit, **wanted(room_number="999", **other_key))
        assert (await ask(client, withdraw, **ROOM, **THEIRS))["withdrawn_count"] == 0
        assert (await ask(client, withdraw, **ROOM, **OURS))["withdrawn_count"] == 1
        assert (await ask(client, withdraw, **ROOM, **OURS))["withdrawn_count"] == 0
        told = await ask(client, listing, **ROOM, **OURS)
        assert (told["open_count"], [each["status"] for each in told["requests"]]) == (0, ["withdrawn"])
        assert (await ask(client, listing, **ROOM, **THEIRS))["requests"] == []


async def test_a_request_that_was_seen_to_makes_room_for_the_next_and_urgent_ones_are_due_first(tmp_path: Path) -> None:
    async with Client(board(tmp_path)) as client:
        first = await ask(client, "submit_service_request", **wanted(priority="urgent"))
        done = await ask(client, "finish_request", request_id=first["request_id"])
        assert await ask(client, "finish_request", request_id=first["request_id"]) == done
        second = await ask(
            client, "submit_service_request", **wanted(client_token="t-2", idempotency_key="key-2", priority="low")
        )
        assert "no request 'RQ-1' to be seen to" in await refusal(client, "finish_request", request_id="RQ-1")
    assert (done["status"], second["request_id"]) == ("done", "RQ-1002")
    assert first["due_by"] < second["due_by"]


# What another has left.


async def test_a_payment_is_voided_or_given_back_by_its_number_once_and_whole(tmp_path: Path) -> None:
    named = {"authorisation_id": "AU-1001", "reason": "it failed", **OURS}
    back = named | {"cents": 45_050}
    async with Client(provider(tmp_path)) as client:
        assert "there is no payment 'AU-1001'" in await refusal(client, "void_payment", **named, idempotency_key="k0")
        await ask(client, "authorise", **PAYMENT)
        found = await ask(client, "find_payment", authorisation_id="AU-1001")
        assert (found["count"], found["payments"][0]["reference"]) == (1, "theirs")
        early = await refusal(client, "refund_payment", **back, idempotency_key="k1")
        assert "AU-1001 is authorised, not captured" in early
        await ask(client, "capture", booking_number="B-2041", reference="theirs", idempotency_key="key-2")
        late = await refusal(client, "void_payment", **named, idempotency_key="k2")
        assert "AU-1001 is captured, not authorised" in late
        part = await refusal(client, "refund_payment", **back | {"cents": 45_049}, idempotency_key="k3")
        assert "is a payment of 45050 cents; it is given back whole" in part
        given = await ask(client, "refund_payment", **back, idempotency_key="k4")
        assert await ask(client, "refund_payment", **back, idempotency_key="k4") == given
        assert given["status"] == "refunded"
        assert (await ask(client, "void_payment", **named, idempotency_key="k5"))["status"] == "refunded"
        assert (await ask(client, "find_payment", authorisation_id="1001"))["count"] == 0


async def test_what_another_has_done_is_taken_back_by_their_name_and_nothing_else_is(tmp_path: Path) -> None:
    nobody = {"made_by": "nobody"}
    booking, room = {"booking_number": "B-2041"}, {"room_number": "204"}
    async with Client(front_office(tmp_path)) as client:
        await ask(client, "check_out", **booking, **THEIRS)
        await ask(client, "send_to_cleaning", **room, **THEIRS)
        assert (await ask(client, "take_back_check_out", **booking, **nobody))["status"] == "checked_out"
        assert (await ask(client, "take_back_cleaning", **room, **nobody))["status"] == "cleaning"
        assert (await ask(client, "take_back_check_out", **booking, **MADE_BY))["status"] == "in_house"
        assert (await ask(client, "take_back_cleaning", **room, **MADE_BY))["status"] == "clean"
    async with Client(board(tmp_path)) as client:
        await ask(client, "create_task", **room, **THEIRS, kind="departure_clean", idempotency_key="key-1")
        assert (await ask(client, "take_back_task", **room, **nobody))["cancelled_count"] == 0
        assert (await ask(client, "tasks_of_room", **room, **OURS))["open_count"] == 0
        assert (await ask(client, "take_back_task", **room, **MADE_BY))["cancelled_count"] == 1
    async with Client(sales(tmp_path)) as client:
        await ask(client, "close_opportunity", opportunity_id="OP-71", **THEIRS)
        by = {"guest_email": "elena.marchetti@example.com", "closed_by": "theirs"}
        assert (await ask(client, "opportunities_of_guest", **by))["count"] == 1
        assert (await ask(client, "take_back_closing", opportunity_id="OP-71", **nobody))["stage"] == "won"
        assert (await ask(client, "take_back_closing", opportunity_id="OP-71", **MADE_BY))["stage"] == "open"
    async with Client(compliance.build_server(Journal(tmp_path))) as client:
        await ask(client, "record_checkout", **booking, **THEIRS, cents=45_050, entry_key="key-1")
        await ask(client, "correct_checkout", **booking, **nobody, entry_key="key-2")
        assert (await ask(client, "entries_of", **booking, **THEIRS))["standing_count"] == 1
        await ask(client, "correct_checkout", **booking, **MADE_BY, entry_key="key-2")
        assert (await ask(client, "entries_of", **booking, **THEIRS))["standing_count"] == 0

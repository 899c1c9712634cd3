"""What the hotel's small automations refuse, and each known fault of another implementation as a case."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.testing import WorkflowEnvironment

from demo.mcp_servers import world
from tests.demo_servers import read
from tests.workflows.hotel_world import ELENA, JONAS, a_checkout, a_hotel
from tests.workflows.skills_world import MAYA, SAMUEL, SHOWER, SKILLS, TOWELS, Skill
from workflows.catalog import Catalog

pytestmark = pytest.mark.many
TODAY = world.today()
TOMORROW, YESTERDAY = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
REQUESTS = tuple(skill for skill in SKILLS if "idempotency_token" in skill.asked)
ELENAS: dict[str, Any] = {"guest_email": ELENA["guest_email"]}
MAYAS: dict[str, Any] = {"guest_email": "maya.lindgren@example.com"}


async def refused(temporal: WorkflowEnvironment, automation: str, asked: Mapping[str, Any]) -> tuple[str, str]:
    """How it ended and why, when nothing at all was done."""
    async with a_checkout(temporal, dict(asked), automation=automation) as told:
        ending = await told.run.ending()
        assert told.hotel.effects() == []
    return ending.state, ending.reason


# Check-ins.


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"booking_number": "B-9999"}, "the guest has no such stay in this house"),
        ({"guest_email": "ruth.abelson@example.com"}, "the guest has no such stay in this house"),
        ({"check_in_date": TOMORROW}, f"the guest is expected on {TODAY}"),
        (MAYAS | {"booking_number": "B-2051"}, f"the booking begins on {TOMORROW}; change its dates first"),
        (MAYAS | {"booking_number": "B-2054"}, "the booking was until "),
        (ELENAS | {"booking_number": "B-2041"}, "the guest is in house already, in room 204"),
        (ELENAS | {"booking_number": "B-1987"}, "the booking is checked_out"),
        ({"guest_email": "peter.novak@example.com", "booking_number": "B-2046"}, "the booking is cancelled"),
        ({"guest_email": "peter.novak@example.com", "booking_number": "B-2053"}, "room 205 is dirty; have it cleaned"),
        ({"payment_id": "AU-1001"}, "no such payment stands for this booking"),
    ],
)
async def test_nobody_is_let_in_but_the_guest_who_is_expected_today_into_a_clean_room(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], reason: str
) -> None:
    state, said = await refused(temporal, "check_in_guest", SAMUEL | otherwise)

    assert state == "refused"
    assert reason in said


@pytest.mark.parametrize(
    "asked",
    [
        {"guest_email": "noor.haddad@example.com", "booking_number": "B-2052"},
        {"guest_email": "Noor.Haddad@example.com", "check_in_date": YESTERDAY},
        {"guest_email": SAMUEL["guest_email"], "check_in_date": TODAY},
    ],
    ids=["who comes a day late", "found by the day before", "found by the day"],
)
async def test_a_guest_is_let_in_though_the_booking_is_not_todays(
    temporal: WorkflowEnvironment, asked: dict[str, Any]
) -> None:
    async with a_checkout(temporal, asked, automation="check_in_guest") as told:
        assert (await told.run.ending()).state == "checked_in"


async def test_a_payment_that_stands_for_another_booking_guarantees_nothing_and_its_own_does(
    temporal: WorkflowEnvironment,
) -> None:
    reserved = ELENA | {"reference": "by-hand", "idempotency_key": "k", "currency": "EUR", "cents": 100}
    async with a_hotel(temporal) as (story, hotel):
        held = ("guest_email", "payment_method_id", "reference", "idempotency_key", "currency", "cents")
        given = {name: reserved[name] for name in held} | {"client_token": "t"}
        await hotel.says("payments.authorise", **given, booking_number="B-2050")
        another_payment = {"booking_number": "B-2041", "client_token": "u", "idempotency_key": "l"}
        await hotel.says("payments.authorise", **(given | another_payment))
        another = await story.start("check_in_guest", **SAMUEL, payment_id="AU-1002")
        assert (await another.ending()).reason == "no such payment stands for this booking"
        by_day = {"guest_email": SAMUEL["guest_email"], "check_in_date": TODAY}
        own = await story.start("check_in_guest", **by_day, payment_id="AU-1001")
        assert (await own.ending()).state == "checked_in"


def test_a_check_in_that_names_no_stay_is_refused_with_the_way_out() -> None:
    entry = Catalog.load().find("check_in_guest")
    with pytest.raises(ValidationError, match="or check_in_date must say which stay is meant"):
        entry.request.model_validate({"guest_email": SAMUEL["guest_email"]})


# Contacts.


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"account_id": None}, "a contact of type corporate belongs to an account; give account_id"),
        ({"account_id": "AC-999"}, "there is no account AC-999"),
        ({"account_id": "AC-102"}, "account AC-102 is closed"),
        (
            {"email": "jonas.lindqvist@example.com", "account_id": "AC-101"},
            "the contact belongs to account AC-100; have sales move it first",
        ),
    ],
)
async def test_a_contact_that_cannot_be_so_is_not_written(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], reason: str
) -> None:
    assert await refused(temporal, "upsert_contact", MAYA | otherwise) == ("refused", reason)


async def test_a_contact_that_is_known_is_brought_up_to_date_and_what_is_not_given_stays(
    temporal: WorkflowEnvironment,
) -> None:
    elena = {"email": "Elena.Marchetti@example.com", "first_name": "Elena", "last_name": "Marchetti-Rossi"}
    async with a_checkout(temporal, elena | {"contact_type": "guest"}, automation="upsert_contact") as told:
        ending = await told.run.ending()
        phone = read(told.hotel.data, "crm", "SELECT phone FROM contacts WHERE last_name = 'Marchetti-Rossi'")

    assert (ending.state, phone) == ("updated", "+390612345678")


async def test_a_contact_that_is_so_already_is_not_written_again(temporal: WorkflowEnvironment) -> None:
    jonas = {"email": "jonas.lindqvist@example.com", "first_name": "Jonas", "last_name": "Lindqvist"}
    asked = jonas | {"contact_type": "corporate", "account_id": "AC-100"}
    state, reason = await refused(temporal, "upsert_contact", asked)

    assert (state, reason) == ("unchanged", "contact CT-102 was so already")


# Requests.


@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"room_number": "207"}, "nobody is in house in room 207"),
        ({"person": "Elena Marchetti"}, "room 305 is another guest's"),
        ({"room_number": "999"}, "there is no room '999'"),
    ],
)
async def test_nobody_is_sent_to_a_room_that_is_not_the_guests(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], reason: str
) -> None:
    state, said = await refused(temporal, "submit_guest_service_request", TOWELS | otherwise)

    assert state == "refused"
    assert reason in said


async def test_a_guest_may_be_named_by_address_and_in_any_case(temporal: WorkflowEnvironment) -> None:
    asked = TOWELS | {"person": "JONAS.lindqvist@example.com"}
    async with a_checkout(temporal, asked, automation="submit_guest_service_request") as told:
        ending = await told.run.ending()
        view = await told.run.view()

    assert (ending.state, ending.reason) == ("submitted", "housekeeping has it as RQ-1001")
    assert view.facts["request"] == "RQ-1001"


async def test_a_room_that_there_is_not_is_not_repaired(temporal: WorkflowEnvironment) -> None:
    state, reason = await refused(temporal, "submit_maintenance_request", SHOWER | {"room_number": "999"})

    assert state == "refused"
    assert "there is no room '999'" in reason


@pytest.mark.parametrize(
    ("otherwise", "room", "said"),
    [
        ({"priority": "high"}, "clean", "the room stays clean"),
        ({"room_number": "403"}, "out_of_order", "the room stays out_of_order"),
        ({"room_number": "305"}, "clean", "booking B-2042 is in the room: move the guest, then take it out of order"),
    ],
    ids=["not urgent", "closed already", "somebody is in it"],
)
async def test_a_room_is_closed_only_when_it_is_urgent_and_vacant_and_people_are_told_otherwise(
    temporal: WorkflowEnvironment, otherwise: dict[str, Any], room: str, said: str
) -> None:
    asked = SHOWER | otherwise
    async with a_checkout(temporal, asked, automation="submit_maintenance_request") as told:
        ending = await told.run.ending()
        query = f"SELECT status FROM rooms WHERE room_number = '{asked['room_number']}'"
        status = read(told.hotel.data, "property", query)

    assert (ending.state, status) == ("submitted", room)
    assert ending.reason == f"the board has it as RQ-1001; {said}"


# It gets a new token for each retry of its client, and does it again.


@pytest.mark.parametrize("skill", REQUESTS, ids=lambda skill: skill.automation)
async def test_the_same_matter_is_the_same_case_whatever_its_token(temporal: WorkflowEnvironment, skill: Skill) -> None:
    entry = Catalog.load().find(skill.automation)
    drawn = dict(skill.asked) | {"idempotency_token": "drawn-anew"}
    async with a_checkout(temporal, dict(skill.asked), automation=skill.automation) as told:
        await told.run.ending()
        given = entry.request.model_validate(drawn)
        known = await told.story.store.starts.look_up(
            skill.automation, entry.business_key(given), given.model_dump(mode="json")
        )
        again = await told.story.start(skill.automation, **drawn)
        ending = await again.ending()
        said = skill.said(told.hotel)

    assert (known.workflow_id, known.differing_fields) == (told.run.handle.id, ("idempotency_token",))
    assert (ending.state, said) == ("cancelled", skill.after)
    assert "was started before" in ending.reason


@pytest.mark.parametrize("skill", REQUESTS, ids=lambda skill: skill.automation)
async def test_a_matter_that_is_told_in_other_words_meanwhile_is_not_done_twice(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    worded = dict(skill.asked) | {"idempotency_token": "drawn-anew", "description": "As I said before."}
    async with a_checkout(temporal, dict(skill.asked), automation=skill.automation) as told:
        await told.run.ending()
        again = await told.story.start(skill.automation, **worded)
        ending = await again.ending()
        said = skill.said(told.hotel)

    assert (ending.state, said) == ("declined", skill.after)
    assert f"has RQ-1001 for {skill.asked['type']} open already" in ending.reason


@pytest.mark.parametrize("skill", REQUESTS, ids=lambda skill: skill.automation)
async def test_a_token_that_is_used_again_for_another_matter_is_refused_and_the_difference_named(
    temporal: WorkflowEnvironment, skill: Skill
) -> None:
    other = dict(skill.asked) | {"type": "other", "description": "And something else."}
    async with a_checkout(temporal, dict(skill.asked), automation=skill.automation) as told:
        await told.run.ending()
        again = await told.story.start(skill.automation, **other)
        ending = await again.ending()
        said = skill.said(told.hotel)

    token = skill.asked["idempotency_token"]
    assert (ending.state, said) == ("declined", skill.after)
    assert f"type, description differ from the request that token {token!r}" in ending.reason


# The words by which each is known.


def key(automation: str, asked: Mapping[str, Any]) -> str:
    """Its business key."""
    entry = Catalog.load().find(automation)
    return entry.business_key(entry.request.model_validate(dict(asked)))


def test_a_check_in_is_known_by_its_booking_and_without_one_by_guest_and_day() -> None:
    assert key("check_in_guest", SAMUEL | {"payment_id": "AU-1"}) == "B-2050"
    by_day = {"guest_email": SAMUEL["guest_email"], "check_in_date": TODAY}
    assert key("check_in_guest", by_day) == key(
        "check_in_guest", by_day | {"guest_email": SAMUEL["guest_email"].upper()}
    )
    assert key("check_in_guest", by_day) != key("check_in_guest", by_day | {"check_in_date": TOMORROW})


def test_a_contact_is_known_by_how_it_is_to_be_and_names_nobody() -> None:
    assert key("upsert_contact", MAYA) == key("upsert_contact", MAYA | {"email": MAYA["email"].upper()})
    assert key("upsert_contact", MAYA) != key("upsert_contact", MAYA | {"phone": "+46709999999"})
    assert "Maya" not in key("upsert_contact", MAYA)


@pytest.mark.parametrize(("automation", "asked"), [(each.automation, each.asked) for each in SKILLS[2:]])
def test_a_request_is_known_by_who_wants_what_where(automation: str, asked: dict[str, Any]) -> None:
    same = {"idempotency_token": "another", "priority": "low", "description": f" {asked['description'].upper()} "}
    assert key(automation, asked) == key(automation, asked | same)
    for otherwise in ({"room_number": "118"}, {"type": "other"}, {"person": "Somebody"}, {"description": "x"}):
        assert key(automation, asked) != key(automation, asked | otherwise)


async def test_a_guest_who_has_left_is_sent_nothing_more(temporal: WorkflowEnvironment) -> None:
    async with a_checkout(temporal, JONAS) as told:
        assert (await told.run.ending()).state == "checked_out"
        late = await told.story.start("submit_guest_service_request", **TOWELS)
        assert (await late.ending()).reason == "nobody is in house in room 305"

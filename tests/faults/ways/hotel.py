"""Ways through the hotel's small automations."""

from typing import Any

from activities.toolbox import ServerRefused
from contracts.decisions import Verdict
from contracts.tools import Delivered
from tests.demo_servers import Ask, Fault, refuses, says_no
from tests.faults.ways.journey import OLGA, Journey
from tests.workflows.skills_world import MAYA, SAMUEL, SHOWER, TOWELS

ABANDONED = ((Verdict.ABANDON, OLGA),)


def refuses_once_it_says(word: str) -> Fault:
    """The server takes no more reads as soon as it would answer this."""

    async def fault(ask: Ask) -> Delivered:
        delivered = await ask()
        if word in str(delivered.content):
            raise ServerRefused("invalid parameters")
        return delivered

    return fault


_JONAS: dict[str, Any] = {
    "email": "jonas.lindqvist@example.com",
    "first_name": "Jonas",
    "last_name": "Lindqvist",
    "contact_type": "corporate",
    "account_id": "AC-100",
}
_KNOWN = {name: MAYA[name] for name in ("email", "last_name", "phone", "account_id")}
CONTACTS = (
    Journey("a contact is entered", "upsert_contact", MAYA, "created", {"crm.contacts": (_KNOWN,)}),
    Journey(
        "a contact has another telephone",
        "upsert_contact",
        _JONAS | {"phone": MAYA["phone"]},
        "updated",
        {"crm.contacts": ({"email": _JONAS["email"], "phone": MAYA["phone"]},)},
    ),
    Journey("a contact was so already", "upsert_contact", _JONAS, "unchanged"),
    Journey("a contact without its account", "upsert_contact", MAYA | {"account_id": None}, "refused"),
    Journey("the CRM says no to a contact", "upsert_contact", MAYA, "declined", faults={"crm.upsert_contact": says_no}),
    Journey(
        "a contact cannot be read back, and a person abandons it",
        "upsert_contact",
        MAYA,
        "cancelled",
        people=ABANDONED,
        faults={"crm.find_contact": refuses_once_it_says(MAYA["phone"])},
    ),
)

ARRIVALS = (
    Journey(
        "a guest arrives",
        "check_in_guest",
        SAMUEL,
        "checked_in",
        {"property.bookings": ({"booking_number": "B-2050", "status": "in_house"},)},
    ),
    Journey("a guest without a stay arrives", "check_in_guest", SAMUEL | {"booking_number": "B-9999"}, "refused"),
    Journey("nobody is let in", "check_in_guest", SAMUEL, "declined", faults={"property.check_in": says_no}),
    Journey(
        "an arrival cannot be read back, and a person abandons it",
        "check_in_guest",
        SAMUEL,
        "cancelled",
        people=ABANDONED,
        faults={"property.find_bookings": refuses_once_it_says("in_house")},
    ),
)

_TOWELS = {"room_number": "305", "type": "towels"}
SERVICES = (
    Journey(
        "a guest has towels brought",
        "submit_guest_service_request",
        TOWELS,
        "submitted",
        {"housekeeping.requests": (_TOWELS | {"status": "open"},)},
    ),
    Journey(
        "towels for another guest's room",
        "submit_guest_service_request",
        TOWELS | {"person": "Elena Marchetti"},
        "refused",
    ),
    Journey(
        "housekeeping says no to towels",
        "submit_guest_service_request",
        TOWELS,
        "declined",
        faults={"housekeeping.submit_service_request": says_no},
    ),
    Journey(
        "towels cannot be read back, and a person abandons them",
        "submit_guest_service_request",
        TOWELS,
        "cancelled",
        {"housekeeping.requests": (_TOWELS | {"status": "withdrawn"},)},
        people=ABANDONED,
        faults={"housekeeping.service_requests_of_room": refuses},
    ),
)

_SHOWER = {"room_number": "119", "type": "plumbing"}
REPAIRS = (
    Journey(
        "what is urgent closes the room",
        "submit_maintenance_request",
        SHOWER,
        "room_closed",
        {
            "housekeeping.requests": (_SHOWER | {"status": "open"},),
            "property.rooms": ({"room_number": "119", "status": "out_of_order"},),
        },
    ),
    Journey(
        "what can wait closes no room",
        "submit_maintenance_request",
        SHOWER | {"priority": "high"},
        "submitted",
        {"housekeeping.requests": (_SHOWER | {"status": "open"},)},
    ),
    Journey("a room that there is not", "submit_maintenance_request", SHOWER | {"room_number": "999"}, "refused"),
    Journey(
        "the board says no to a repair",
        "submit_maintenance_request",
        SHOWER,
        "declined",
        faults={"housekeeping.submit_maintenance_request": says_no},
    ),
    Journey(
        "the room cannot be closed, and the repair is withdrawn",
        "submit_maintenance_request",
        SHOWER,
        "reversed",
        {"housekeeping.requests": (_SHOWER | {"status": "withdrawn"},)},
        faults={"property.take_out_of_order": says_no},
    ),
    Journey(
        "a repair cannot be read back, and a person abandons it",
        "submit_maintenance_request",
        SHOWER,
        "cancelled",
        {"housekeeping.requests": (_SHOWER | {"status": "withdrawn"},)},
        people=ABANDONED,
        faults={"housekeeping.maintenance_requests_of_room": refuses},
    ),
)

HOTEL = (*CONTACTS, *ARRIVALS, *SERVICES, *REPAIRS)

"""The hotel's four small automations as a table: what each is asked, goes through, does, and leaves in the books."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.demo_servers import DemoServers, read

SAMUEL: dict[str, Any] = {"guest_email": "samuel.okafor@example.com", "booking_number": "B-2050"}
"""He is expected today, in room 207."""
MAYA: dict[str, Any] = {
    "email": "maya.lindgren@example.com",
    "first_name": "Maya",
    "last_name": "Lindgren",
    "phone": "+46701234567",
    "contact_type": "corporate",
    "account_id": "AC-100",
}
"""Nobody in the CRM knows her."""
TOWELS: dict[str, Any] = {
    "idempotency_token": "desk-5d10",
    "person": "Jonas Lindqvist",
    "room_number": "305",
    "type": "towels",
    "priority": "normal",
    "description": "Two more bath towels, please.",
}
"""He is in house there."""
SHOWER: dict[str, Any] = {
    "idempotency_token": "desk-6e22",
    "person": "Housekeeping, first floor",
    "room_number": "119",
    "type": "plumbing",
    "priority": "urgent",
    "description": "The shower drains into the room.",
}
"""Nobody is in that room, and it is clean."""


@dataclass(frozen=True)
class Skill:
    """One automation, and a request to it that ends well."""

    automation: str
    asked: Mapping[str, Any]
    effects: Mapping[str, str]
    """State -> the one tool that acts in it, in their order."""
    reads: Mapping[str, str]
    """State -> the tool by which it is held and fails: the first state, and the last one."""
    ending: str
    undos: Mapping[str, str]
    """Tool -> what takes it back."""
    fails_to: Mapping[str, str]
    """State -> what follows when its effect fails."""
    books: tuple[tuple[str, str], ...]
    """Server, and a query of one value."""
    before: tuple[object, ...]
    after: tuple[object, ...]

    @property
    def states(self) -> list[str]:
        """Those that it goes through."""
        first, last = self.reads
        return [first, *self.effects, last, self.ending]

    @property
    def first_read(self) -> str:
        """The first thing it asks."""
        return next(iter(self.reads.values()))

    @property
    def last_read(self) -> str:
        """What it reads back."""
        return [*self.reads.values()][-1]

    def said(self, hotel: DemoServers) -> tuple[object, ...]:
        """What its books say now."""
        return tuple(read(hotel.data, server, query) for server, query in self.books)


CHECK_IN = Skill(
    automation="check_in_guest",
    asked=SAMUEL,
    effects={"checking_in": "property.check_in"},
    reads={"validating": "property.find_room", "verifying": "property.find_bookings"},
    ending="checked_in",
    undos={"property.check_in": "property.undo_check_in"},
    fails_to={"checking_in": "declined"},
    books=(("property", "SELECT status FROM bookings WHERE booking_number = 'B-2050'"),),
    before=("booked",),
    after=("in_house",),
)
CONTACT = Skill(
    automation="upsert_contact",
    asked=MAYA,
    effects={"writing": "crm.upsert_contact"},
    reads={"reading": "crm.find_account", "verifying": "crm.find_contact"},
    ending="created",
    undos={"crm.upsert_contact": "crm.restore_contact"},
    fails_to={"writing": "declined"},
    books=(("crm", f"SELECT count(*) FROM contacts WHERE email = '{MAYA['email']}' AND phone = '{MAYA['phone']}'"),),
    before=(0,),
    after=(1,),
)
SERVICE = Skill(
    automation="submit_guest_service_request",
    asked=TOWELS,
    effects={"submitting": "housekeeping.submit_service_request"},
    reads={"validating": "property.find_room", "verifying": "housekeeping.service_requests_of_room"},
    ending="submitted",
    undos={"housekeeping.submit_service_request": "housekeeping.withdraw_service_request"},
    fails_to={"submitting": "declined"},
    books=(("housekeeping", "SELECT count(*) FROM requests WHERE status = 'open' AND room_number = '305'"),),
    before=(0,),
    after=(1,),
)
MAINTENANCE = Skill(
    automation="submit_maintenance_request",
    asked=SHOWER,
    effects={
        "submitting": "housekeeping.submit_maintenance_request",
        "closing_room": "property.take_out_of_order",
    },
    reads={"looking": "property.find_room", "verifying": "housekeeping.maintenance_requests_of_room"},
    ending="room_closed",
    undos={
        "housekeeping.submit_maintenance_request": "housekeeping.withdraw_maintenance_request",
        "property.take_out_of_order": "property.put_back_in_order",
    },
    fails_to={"submitting": "declined", "closing_room": "reversed"},
    books=(
        ("housekeeping", "SELECT count(*) FROM requests WHERE status = 'open' AND room_number = '119'"),
        ("property", "SELECT status FROM rooms WHERE room_number = '119'"),
    ),
    before=(0, "clean"),
    after=(1, "out_of_order"),
)
SKILLS = (CONTACT, CHECK_IN, SERVICE, MAINTENANCE)
EFFECTS = tuple((skill, state) for skill in SKILLS for state in skill.effects)
"""Each state in which something is done."""

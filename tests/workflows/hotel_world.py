"""The world of checkout stories: the demo's own servers, as its servers file declares them, on books of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.testing import WorkflowEnvironment

from contracts.model import Model
from contracts.roster import Roster
from policies.engine import PolicyEngine
from tests.authority import NOBODY
from tests.demo_servers import NO_FAULTS, DemoServers, Faults, a_folder, read
from tests.doubles import ScriptedClaude, says
from tests.story import Story, StoryRun, a_story

HOTEL = ("property", "payments", "housekeeping", "crm", "compliance")
"""The servers that a checkout needs."""

ELENA: dict[str, Any] = {
    "guest_email": "elena.marchetti@example.com",
    "guest_name": "Elena Marchetti",
    "amount": 45_050,
    "payment_method_id": "PM-elena-visa",
    "idempotency_token": "desk-7f3a",
    "room_number": "204",
    "booking_number": "B-2041",
}
"""What the front desk asks for when Elena leaves."""
JONAS: dict[str, Any] = {
    "guest_email": "jonas.lindqvist@example.com",
    "guest_name": "Jonas Lindqvist",
    "amount": 212_400,
    "payment_method_id": "PM-jonas-amex",
    "idempotency_token": "desk-81c0",
    "booking_number": "B-2042",
}
"""He came ten days ago, and was to stay two more."""
AIKO: dict[str, Any] = {
    "guest_email": "aiko.tanaka@example.com",
    "guest_name": "Aiko Tanaka",
    "amount": 316_000,
    "payment_method_id": "PM-aiko-visa",
    "idempotency_token": "desk-90d2",
    "room_number": "118",
}
"""She came long ago, and should have left five days ago. Nobody hopes for more business from her."""
RUTH: dict[str, Any] = {
    "guest_email": "ruth.abelson@example.com",
    "guest_name": "Ruth Abelson",
    "amount": 44_700,
    "payment_method_id": "PM-ruth-mastercard",
    "idempotency_token": "desk-3b77",
}
"""She has two rooms, which cost the same."""


class Books(Model):
    """What of one stay stands in the servers' own databases."""

    booking: str = "in_house"
    room: str = "clean"
    open_tasks: int = 0
    opportunity: str = "open"
    reserved_cents: int = 0
    captured_cents: int = 0
    entries: int = 0
    """Of the compliance log, those that no reversal was written for."""


UNTOUCHED = Books()
CLOSED = Books(
    booking="checked_out", room="cleaning", open_tasks=1, opportunity="won", captured_cents=ELENA["amount"], entries=1
)
"""Elena has left, and everything is done once."""

_PAID = "SELECT coalesce(sum(cents), 0) FROM authorisations WHERE booking_number = :booking AND status = "
_READ = {
    "booking": ("property", "SELECT status FROM bookings WHERE booking_number = :booking"),
    "room": (
        "property",
        "SELECT rooms.status FROM rooms JOIN bookings USING (room_number) WHERE booking_number = :booking",
    ),
    "open_tasks": ("housekeeping", "SELECT count(*) FROM tasks WHERE status = 'open'"),
    "opportunity": ("crm", "SELECT coalesce(max(stage), 'none') FROM opportunities WHERE booking_number = :booking"),
    "reserved_cents": ("payments", f"{_PAID} 'authorised'"),
    "captured_cents": ("payments", f"{_PAID} 'captured'"),
    "entries": (
        "compliance",
        "SELECT coalesce(sum(iif(kind = 'checkout', 1, -1)), 0) FROM entries WHERE booking_number = :booking",
    ),
}
_EVER = {
    "authorisations": ("payments", "SELECT count(*) FROM authorisations"),
    "tasks": ("housekeeping", "SELECT count(*) FROM tasks"),
    "entries": ("compliance", "SELECT count(*) FROM entries WHERE kind = 'checkout'"),
    "reversals": ("compliance", "SELECT count(*) FROM entries WHERE kind = 'reversal'"),
}


def books_in(data: Path, booking: str = ELENA["booking_number"]) -> Books:
    """What stands in the books of this folder."""
    return Books.model_validate({name: read(data, *where, booking=booking) for name, where in _READ.items()})


def reserved_in(data: Path, booking: str) -> int:
    """What is reserved for a stay: of the payments' own books alone, as other servers may not have begun any yet."""
    return int(read(data, *_READ["reserved_cents"], booking=booking))


def ever_in(data: Path) -> dict[str, int]:
    """How often each kind of thing was ever made, whatever became of it."""
    return {name: int(read(data, *where)) for name, where in _EVER.items()}


@dataclass
class Checkout:
    """A checkout under way, and the world around it."""

    run: StoryRun
    story: Story
    hotel: DemoServers

    def undos(self) -> list[str]:
        """What was called to undo something, in order."""
        return [name for name in self.hotel.effects() if self.hotel.known[name].undoes is not None]

    def books(self, booking: str = ELENA["booking_number"]) -> Books:
        """What stands there now, straight from the files."""
        return books_in(self.hotel.data, booking)


@asynccontextmanager
async def a_hotel(
    environment: WorkflowEnvironment,
    faults: Faults = NO_FAULTS,
    policy: PolicyEngine | None = None,
    roster: Roster = NOBODY,
) -> AsyncIterator[tuple[Story, DemoServers]]:
    """A story in which nobody has come or left yet."""
    with a_folder(HOTEL) as data:
        hotel = await DemoServers.at(data, HOTEL, faults)
        nobody = ScriptedClaude([says("nobody asks")])
        async with a_story(environment, nobody, hotel, policy=policy, roster=roster) as story:
            yield story, hotel


@asynccontextmanager
async def a_checkout(
    environment: WorkflowEnvironment,
    asked: dict[str, Any] = ELENA,
    *,
    faults: Faults = NO_FAULTS,
    policy: PolicyEngine | None = None,
    held: str = "",
    automation: str = "guest_checkout",
) -> AsyncIterator[Checkout]:
    """A story of one checkout, or of `automation`; calls of the tool `held` are held from the beginning."""
    async with a_hotel(environment, faults, policy) as (story, hotel):
        if held:
            hotel.holding(held)
        yield Checkout(await story.start(automation, **asked), story, hotel)

"""Check-in: a guest who is expected is let into a clean room, once, whatever day the booking is looked up on."""

from enum import StrEnum
from typing import ClassVar, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from datetime import date

    from pydantic import Field, ValidationInfo, field_validator

    from contracts.model import Model
    from contracts.runs import Case, Ending
    from contracts.tools import Scalar
    from workflows.books import Arguments, confirm, do, this_run
    from workflows.hotel import NUMBER, EmailAddress, listed
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.steps import read_facts


class CheckInRequest(Model):
    """What the front desk gives: the stay by its booking, else by the guest and the day on which it begins."""

    business_key: ClassVar[tuple[str, ...]] = ("stay",)

    guest_email: EmailAddress
    check_in_date: date | None = None
    """The day on which the booking begins."""
    booking_number: str | None = Field(default=None, pattern=NUMBER, validate_default=True)
    payment_id: str | None = Field(default=None, pattern=NUMBER)
    """The payment that guarantees the stay, where there must be one."""

    @field_validator("booking_number")
    @classmethod
    def _names_one_stay(cls, number: str | None, given: ValidationInfo) -> str | None:
        """A guest comes more than once: an old check-in must not answer for the next stay."""
        if number is None and given.data.get("check_in_date") is None:
            raise ValueError("or check_in_date must say which stay is meant")
        return number

    @property
    def stay(self) -> str:
        """What identifies it (docs/decisions/0043)."""
        return self.booking_number or f"{self.guest_email.casefold()} {self.check_in_date}"


class Arrival(Model):
    """What the systems say of the stay, before anything is done."""

    today: Scalar = None
    bookings: Scalar = None
    booking_number: Scalar = None
    status: Scalar = None
    arrival: Scalar = None
    departure: Scalar = None
    room_number: Scalar = None
    room: Scalar = None
    """Whether it is clean."""
    occupied_by: Scalar = None
    paid_for: Scalar = None
    """The booking that the named payment is for."""
    payment: Scalar = None


class CheckInCase(Case):
    """A check-in's whole state."""

    request: CheckInRequest
    found: Arrival = Arrival()

    @property
    def booking(self) -> Arguments:
        """The booking, once it is found."""
        return {"booking_number": self.found.booking_number}

    @property
    def conditions(self) -> Arguments:
        """By which the stay is found among the guest's, in whatever state it is."""
        asked = self.request
        if asked.booking_number is not None:
            return {"guest_email": asked.guest_email, "booking_number": asked.booking_number}
        return {"guest_email": asked.guest_email, "arrival": str(asked.check_in_date)}

    @property
    def problem(self) -> str:
        """Why the guest is not let in; empty when nothing stands against it."""
        asked, found = self.request, self.found
        if found.bookings == 0:
            return "the guest has no such stay in this house"
        if found.bookings != 1:
            return f"{found.bookings} stays of the guest begin on that day; name the booking"
        if found.status == "in_house":
            return f"the guest is in house already, in room {found.room_number}"
        if found.status != "booked":
            return f"the booking is {found.status}; only a guest who is expected is let in"
        today, room = str(found.today), found.room_number
        return listed(
            {
                f"the guest is expected on {found.arrival}": str(asked.check_in_date or found.arrival) != found.arrival,
                f"the booking begins on {found.arrival}; change its dates first": today < str(found.arrival),
                f"the booking was until {found.departure}; make a new one": today >= str(found.departure),
                f"room {room} is taken by {found.occupied_by}": found.occupied_by is not None,
                f"room {room} is {found.room}; have it cleaned, or give another": found.room != "clean",
                "no such payment stands for this booking": asked.payment_id is not None and not self._guaranteed,
            }
        )

    @property
    def _guaranteed(self) -> bool:
        stands = self.found.payment in ("authorised", "captured")
        return stands and self.found.paid_for == self.found.booking_number


class State(StrEnum):
    """Where a check-in can be."""

    VALIDATING = "validating"
    CHECKING_IN = "checking_in"
    VERIFYING = "verifying"

    CHECKED_IN = "checked_in"
    REFUSED = "refused"  # the stay, the day, the room or the payment is not as it must be; nothing was touched
    DECLINED = "declined"  # the property system or policy said no; nothing is left of it


CHECK_IN = Machine(
    State,
    initial=State.VALIDATING,
    final=(State.CHECKED_IN, State.REFUSED, State.DECLINED),
    good=(State.CHECKED_IN,),
)

BOOKING_FACTS = {
    "today": "/today",
    "bookings": "/count",
    "booking_number": "/bookings/0/booking_number",
    "status": "/bookings/0/status",
    "arrival": "/bookings/0/arrival",
    "departure": "/bookings/0/departure",
    "room_number": "/bookings/0/room_number",
}
ROOM_FACTS = {"room": "/status", "occupied_by": "/occupied_by"}
PAYMENT_FACTS = {"paid_for": "/payments/0/booking_number", "payment": "/payments/0/status"}


@workflow.defn(name="check_in_guest")
class CheckInWorkflow(Automation[CheckInCase]):
    """One guest who arrives."""

    machine = CHECK_IN
    name = "check_in_guest"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: CheckInCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: CheckInCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @CHECK_IN.state(State.VALIDATING)
    async def validate(self) -> Literal[State.CHECKING_IN, State.REFUSED]:
        """Find the stay, whatever its dates and state, its room, and the payment that guarantees it."""
        self.note(found=await self._find_arrival())
        if problem := self.case.problem:
            self.note(reason=problem)
            return State.REFUSED
        return State.CHECKING_IN

    @CHECK_IN.state(State.CHECKING_IN, fails=UndoAll(to=State.DECLINED))
    async def check_in(self) -> Literal[State.VERIFYING]:
        """The property system lets the guest in, or says why not."""
        await do(self, "the check-in", "property", "check_in", self.case.booking, undo="undo_check_in")
        return State.VERIFYING

    @CHECK_IN.state(State.VERIFYING)
    async def verify(self) -> Literal[State.CHECKED_IN]:
        """Read the property system back: in house, by this run."""
        this = self.case.booking | {"guest_email": self.case.request.guest_email}
        expected: dict[str, Scalar] = {"/bookings/0/status": "in_house", "/bookings/0/checked_in_by": this_run()}
        room = await confirm(self, "property", "find_bookings", this, expected, "/bookings/0/room_number")
        self.note(reason=f"the guest of booking {self.case.found.booking_number} is in room {room}")
        return State.CHECKED_IN

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        asked = self.case.request
        return f"Check-in of {asked.booking_number or f'a guest who comes on {asked.check_in_date}'}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        found = self.case.found
        if found.booking_number is None:
            return {}
        stay = f"{found.arrival} to {found.departure}"
        return {"booking": str(found.booking_number), "room": str(found.room_number), "stay": stay}

    async def _find_arrival(self) -> Arrival:
        booking = (await read_facts(self, "property", "find_bookings", self.case.conditions, BOOKING_FACTS)).facts
        if booking["bookings"] != 1:
            return Arrival(bookings=booking["bookings"])
        named: Arguments = {"room_number": booking["room_number"]}
        room = (await read_facts(self, "property", "find_room", named, ROOM_FACTS)).facts
        paid: dict[str, Scalar] = {}
        if number := self.case.request.payment_id:
            payment: Arguments = {"authorisation_id": number}
            paid = (await read_facts(self, "payments", "find_payment", payment, PAYMENT_FACTS)).facts
        return Arrival(**booking, **room, **paid)


CHECK_IN.check()

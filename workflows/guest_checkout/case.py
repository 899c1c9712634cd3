"""What a guest checkout is asked, finds and remembers, and the words made from it."""

from typing import ClassVar

from pydantic import Field

from contracts.model import Model
from contracts.runs import Case
from contracts.tools import Scalar
from workflows.books import Arguments
from workflows.hotel import NUMBER, ROOM_NUMBER, EmailAddress, IdempotencyToken, listed, same_name


class GuestCheckoutRequest(Model):
    """What the front desk gives. The business case is the stay; the token only says that it is the same request."""

    business_key: ClassVar[tuple[str, ...]] = ("stay",)

    guest_email: EmailAddress
    guest_name: str = Field(min_length=1, max_length=120)
    amount: int = Field(gt=0, le=100_000_000)
    """What the guest was told that is due, in cents."""
    payment_method_id: str = Field(min_length=1, max_length=60)
    idempotency_token: IdempotencyToken
    room_number: str | None = Field(default=None, pattern=ROOM_NUMBER)
    booking_number: str | None = Field(default=None, pattern=NUMBER)

    @property
    def stay(self) -> str:
        """What identifies it: the booking, else who stays where (docs/decisions/0039)."""
        return self.booking_number or f"{self.guest_email.casefold()} {self.room_number or ''}".rstrip()


class Stay(Model):
    """What the systems say of the stay, before anything is done."""

    bookings: Scalar = None
    """How many there are that may be meant."""
    booking_number: Scalar = None
    guest_name: Scalar = None
    status: Scalar = None
    room_number: Scalar = None
    due_cents: Scalar = None
    currency: Scalar = None
    occupied_by: Scalar = None
    opportunity_id: Scalar = None
    opportunity_stage: Scalar = None


class GuestCheckoutCase(Case):
    """A checkout's whole state."""

    request: GuestCheckoutRequest
    found: Stay = Stay()

    @property
    def guest(self) -> Arguments:
        """The guest, as every system knows people."""
        return {"guest_email": self.request.guest_email}

    @property
    def booking(self) -> Arguments:
        """The booking, once it is found."""
        return {"booking_number": self.found.booking_number}

    @property
    def room(self) -> Arguments:
        """Its room."""
        return {"room_number": self.found.room_number}

    @property
    def opportunity(self) -> Arguments:
        """What the sales people hoped for from this stay."""
        return {"opportunity_id": self.found.opportunity_id}

    @property
    def hoped_for(self) -> bool:
        """Whether they still do."""
        return self.found.opportunity_stage == "open"

    @property
    def conditions(self) -> Arguments:
        """By which the stay is found among the guest's: the booking, else whoever is in house now."""
        asked = self.request
        if asked.booking_number is not None:
            return self.guest | {"booking_number": asked.booking_number}
        return self.guest | {"status": "in_house", "room_number": asked.room_number or ""}

    @property
    def payment(self) -> Arguments:
        """How much is to be reserved, on whose card, and by which token."""
        asked = self.request
        money: Arguments = {"cents": asked.amount, "currency": str(self.found.currency)}
        card: Arguments = {"payment_method_id": asked.payment_method_id, "client_token": asked.idempotency_token}
        return self.guest | card | money

    @property
    def problem(self) -> str:
        """Why the stay cannot be checked out as it was asked for; empty when it can."""
        asked, found = self.request, self.found
        if found.bookings == 0:
            return "the guest has no such stay in this house"
        if found.bookings != 1:
            return f"the guest has {found.bookings} stays in house; name the room or the booking"
        differing = {
            f"the booking is {found.status}, not in house": found.status != "in_house",
            "the booking is in another name": not same_name(found.guest_name, asked.guest_name),
            f"the room is {found.room_number}": asked.room_number not in (None, found.room_number),
            f"the room is taken by {found.occupied_by or 'nobody'}": found.occupied_by != found.booking_number,
            f"{self.money(found.due_cents)} is due, not {self.money(asked.amount)}": found.due_cents != asked.amount,
        }
        return listed(differing)

    def money(self, cents: Scalar) -> str:
        """`450.50 EUR`."""
        return f"{cents / 100:.2f} {self.found.currency}" if isinstance(cents, int) else "no amount"

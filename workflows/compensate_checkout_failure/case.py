"""What a compensation is asked, finds and remembers, and the words made from it."""

from typing import Any, ClassVar

from pydantic import Field

from contracts.business_cases import business_key_of
from contracts.decisions import DisplayLine
from contracts.model import Model
from contracts.policy import Ruling
from contracts.runs import Case
from contracts.tools import Scalar, ToolCall
from workflows.books import Arguments
from workflows.guest_checkout.case import GuestCheckoutRequest
from workflows.hotel import NUMBER, EmailAddress, IdempotencyToken, same_name

CHECKOUT = "guest_checkout"
"""The automation whose remains are put right."""
ENDED_WELL = "checked_out"


class CompensateRequest(Model):
    """What a manager gives. The business case is the payment; the token only says that it is the same request."""

    business_key: ClassVar[tuple[str, ...]] = ("payment_intent_id",)

    payment_intent_id: str = Field(pattern=NUMBER)
    """The payment that the checkout has made, such as AU-1001."""
    guest_email: EmailAddress
    idempotency_token: IdempotencyToken
    reason: str | None = Field(default=None, min_length=1, max_length=400)


class Paid(Model):
    """The payment, as the provider knows it."""

    payments: Scalar = None
    guest_email: Scalar = None
    booking_number: Scalar = None
    made_by: Scalar = None
    """The run that has made it."""
    cents: Scalar = None
    currency: Scalar = None
    status: Scalar = None


class Remains(Model):
    """What a checkout has left in the other systems, by its own name; read again after every wait."""

    ending: Scalar = None
    """How the checkout's run ended."""
    booking_status: Scalar = None
    checked_out_by: Scalar = None
    room_number: Scalar = None
    room_status: Scalar = None
    sent_to_cleaning_by: Scalar = None
    open_tasks: Scalar = None
    opportunity_id: Scalar = None
    opportunity_closed_by: Scalar = None
    standing_entries: Scalar = None


class CompensationCase(Case):
    """A compensation's whole state."""

    request: CompensateRequest
    paid: Paid = Paid()
    found: Remains = Remains()
    asked_again: str = ""
    """Why people are asked once more."""
    ruling: Ruling | None = None
    release: ToolCall | None = None
    """The call that gives the money back, as policy saw it and people approve it; sent exactly so."""

    @property
    def payment(self) -> Arguments:
        """The payment, as the provider names it."""
        return {"authorisation_id": self.request.payment_intent_id}

    @property
    def booking(self) -> Arguments:
        """The booking that was paid."""
        return {"booking_number": self.paid.booking_number}

    @property
    def checkout(self) -> str:
        """The run that has made the payment."""
        return str(self.paid.made_by)

    @property
    def names_of_the_case(self) -> tuple[str, ...]:
        """Every business key that a checkout of this stay may have: by booking, by guest and room, by guest."""
        nothing: dict[str, Any] = {"booking_number": None, "room_number": None}
        guest = nothing | {"guest_email": self.request.guest_email}
        by = (guest | self.booking, guest | {"room_number": self.found.room_number}, guest)
        asked = (GuestCheckoutRequest.model_construct(**named) for named in by)
        return tuple(business_key_of(each) for each in asked)

    @property
    def stands(self) -> bool:
        """Money is reserved or taken."""
        return self.paid.status in ("authorised", "captured")

    @property
    def ended_well(self) -> bool:
        """The checkout did everything that it should: only people may undo that."""
        return self.found.ending == ENDED_WELL

    @property
    def restores(self) -> tuple[tuple[str, str, str, Arguments], ...]:
        """What is to be taken back beside the money: what it is, server, tool, and of what; the booking first."""
        found = self.found
        by: Arguments = {"made_by": self.checkout}
        room = by | {"room_number": found.room_number}
        opportunity = by | {"opportunity_id": found.opportunity_id}
        every = (
            ("the booking", "property", "take_back_check_out", by | self.booking, found.checked_out_by),
            ("the room", "property", "take_back_cleaning", room, self._cleaned_for),
            ("the task", "housekeeping", "take_back_task", room, self.checkout if found.open_tasks else None),
            ("the opportunity", "crm", "take_back_closing", opportunity, found.opportunity_closed_by),
            ("the entry", "compliance", "correct_checkout", by | self.booking, self._entered_for),
        )
        return tuple(each[:4] for each in every if each[4] == self.checkout)

    @property
    def _cleaned_for(self) -> Scalar:
        return self.found.sent_to_cleaning_by if self.found.room_status == "cleaning" else None

    @property
    def _entered_for(self) -> Scalar:
        return self.checkout if self.found.standing_entries else None

    @property
    def left(self) -> tuple[str, ...]:
        """What still stands, in words people read."""
        money = (f"{self.money} {self.paid.status}",) if self.stands else ()
        return (*money, *(what for what, *_ in self.restores))

    @property
    def not_this_guests(self) -> str:
        """Why the payment is not one to put right here; empty when it may be."""
        if self.paid.payments != 1:
            return f"there is no payment {self.request.payment_intent_id}"
        if not same_name(self.paid.guest_email, self.request.guest_email):
            return "the payment is not of this guest"
        if not self.checkout.startswith(f"{CHECKOUT}/"):
            return f"the payment was made by {self.checkout}, which is no checkout; put it right there"
        return ""

    @property
    def why(self) -> str:
        """For the provider's records."""
        return self.request.reason or f"compensation of {self.checkout}"

    @property
    def money(self) -> str:
        """`450.50 EUR`."""
        cents = self.paid.cents
        return f"{cents / 100:.2f} {self.paid.currency}" if isinstance(cents, int) else "no amount"

    @property
    def question(self) -> str:
        """What people are asked."""
        about = f"{self.money} for booking {self.paid.booking_number}"
        well = "Undo a checkout that ended well, and give back" if self.ended_well else "Give back"
        return f"{well} {about}?"

    def context(self) -> tuple[DisplayLine, ...]:
        """What people are shown beside the action itself."""
        ended = "well: everything it should do is done" if self.ended_well else f"as {self.found.ending}"
        again = (DisplayLine(label="asked again because", text=self.asked_again),) if self.asked_again else ()
        return (
            *again,
            DisplayLine(label="the checkout", text=f"{self.checkout} ended {ended}"),
            DisplayLine(label="what it has left", text="; ".join(self.left)),
            DisplayLine(label="the reason given", text=self.request.reason or "none"),
            DisplayLine(label="cost of waiting", text="the guest's money and room stay as the checkout has left them"),
        )

    def changes_to(self, paid: Paid, found: Remains) -> str:
        """What is different now, field by field; empty when nothing is."""
        before = self.paid.model_dump() | self.found.model_dump()
        now = paid.model_dump() | found.model_dump()
        return "; ".join(f"{name}: {before[name]} -> {now[name]}" for name in before if before[name] != now[name])

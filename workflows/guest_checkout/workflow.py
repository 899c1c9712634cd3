"""Guest checkout: a stay is looked at, paid for and closed in every system, or everything is as it was before."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.runs import Ending
    from workflows.books import Arguments, by_this_run, check_outcome, do, this_run, unlike
    from workflows.guest_checkout.case import GuestCheckoutCase, Stay
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.steps import read_facts


class State(StrEnum):
    """Where a checkout can be."""

    VALIDATING = "validating"  # booking, room, amount: nothing is charged before they hold
    AUTHORISING = "authorising"  # reserve the amount on the card
    CHECKING_OUT = "checking_out"  # the property system: booking and room
    HANDING_OVER = "handing_over"  # housekeeping and sales
    SETTLING = "settling"  # take what was reserved, and write it into the compliance log
    VERIFYING = "verifying"  # read the systems of record back

    CHECKED_OUT = "checked_out"
    REFUSED = "refused"  # the stay is not what was asked for; nothing was touched
    DECLINED = "declined"  # the card, the payment provider or policy said no; nothing else was touched
    REVERSED = "reversed"  # a later step failed, and everything was undone


CHECKOUT = Machine(
    State,
    initial=State.VALIDATING,
    final=(State.CHECKED_OUT, State.REFUSED, State.DECLINED, State.REVERSED),
    good=(State.CHECKED_OUT,),
)
ALL_IS_UNDONE = UndoAll(to=State.REVERSED)

BOOKING_FACTS = {
    "bookings": "/count",
    "booking_number": "/bookings/0/booking_number",
    "guest_name": "/bookings/0/guest_name",
    "status": "/bookings/0/status",
    "room_number": "/bookings/0/room_number",
    "due_cents": "/bookings/0/due_cents",
    "currency": "/bookings/0/currency",
}
ROOM_FACTS = {"occupied_by": "/occupied_by"}
OPPORTUNITY_FACTS = {"opportunity_id": "/opportunities/0/opportunity_id", "opportunity_stage": "/opportunities/0/stage"}


@workflow.defn(name="guest_checkout")
class GuestCheckoutWorkflow(Automation[GuestCheckoutCase]):
    """One guest who leaves."""

    machine = CHECKOUT
    name = "guest_checkout"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: GuestCheckoutCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: GuestCheckoutCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @CHECKOUT.state(State.VALIDATING)
    async def validate(self) -> Literal[State.AUTHORISING, State.REFUSED]:
        """Find the stay, whatever its dates, and hold it against what was asked for, before anything is charged."""
        self.note(found=await self._find_stay())
        if problem := self.case.problem:
            self.note(reason=problem[:400])
            return State.REFUSED
        return State.AUTHORISING

    @CHECKOUT.state(State.AUTHORISING, fails=UndoAll(to=State.DECLINED))
    async def authorise(self) -> Literal[State.CHECKING_OUT]:
        """Reserve the amount on the guest's card; without that nothing is touched."""
        booking, payment = self.case.booking, self.case.payment
        await do(self, "the authorisation", "payments", "authorise", booking, undo="void", **payment)
        return State.CHECKING_OUT

    @CHECKOUT.state(State.CHECKING_OUT, fails=ALL_IS_UNDONE)
    async def check_out(self) -> Literal[State.HANDING_OVER]:
        """The property system: the guest has left, the room is to be cleaned."""
        await do(self, "the check-out", "property", "check_out", self.case.booking, undo="reinstate")
        await do(self, "the cleaning", "property", "send_to_cleaning", self.case.room, undo="take_back_from_cleaning")
        return State.HANDING_OVER

    @CHECKOUT.state(State.HANDING_OVER, fails=ALL_IS_UNDONE)
    async def hand_over(self) -> Literal[State.SETTLING]:
        """Housekeeping gets a task; sales have won what they hoped for, if they hoped for anything."""
        room, kind = self.case.room, "departure_clean"
        await do(self, "the task", "housekeeping", "create_task", room, undo="cancel_task", kind=kind)
        if self.case.hoped_for:
            won = self.case.opportunity
            await do(self, "the closed opportunity", "crm", "close_opportunity", won, undo="reopen_opportunity")
        return State.SETTLING

    @CHECKOUT.state(State.SETTLING, fails=ALL_IS_UNDONE)
    async def settle(self) -> Literal[State.VERIFYING]:
        """Everything else holds: take what was reserved, and write it into the compliance log."""
        booking, cents = self.case.booking, self.case.request.amount
        await do(self, "the payment", "payments", "capture", booking, undo="refund")
        await do(self, "the entry", "compliance", "record_checkout", booking, undo="record_reversal", cents=cents)
        return State.VERIFYING

    @CHECKOUT.state(State.VERIFYING, take_over=State.CHECKED_OUT)
    async def verify(self) -> Literal[State.CHECKED_OUT]:
        """Read every system of record back: this stay, this amount, once, by this run."""
        check_outcome(await self._differences())
        money = self.case.money(self.case.request.amount)
        self.note(reason=f"{money} taken for booking {self.case.found.booking_number}")
        return State.CHECKED_OUT

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        asked = self.case.request
        return f"Checkout of {asked.booking_number or asked.room_number or 'a guest'} for {asked.guest_name}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        found, asked = self.case.found, self.case.request
        shown = {"guest": asked.guest_name, "card": asked.payment_method_id}
        if found.booking_number is not None:
            shown |= {"booking": str(found.booking_number), "room": str(found.room_number)}
            shown |= {"due": self.case.money(found.due_cents), "opportunity": str(found.opportunity_stage or "none")}
        return shown

    async def _find_stay(self) -> Stay:
        booking = (await read_facts(self, "property", "find_bookings", self.case.conditions, BOOKING_FACTS)).facts
        if booking["bookings"] != 1:
            return Stay(bookings=booking["bookings"])
        room: Arguments = {"room_number": booking["room_number"]}
        about: Arguments = self.case.guest | {"booking_number": booking["booking_number"]}
        taken = (await read_facts(self, "property", "find_room", room, ROOM_FACTS)).facts
        hoped = (await read_facts(self, "crm", "opportunities_of_guest", about, OPPORTUNITY_FACTS)).facts
        return Stay(**booking, **taken, **hoped)

    async def _differences(self) -> list[str]:
        case, mine = self.case, this_run()
        guest, amount = case.guest | case.booking, case.request.amount
        left = {"/bookings/0/status": "checked_out", "/bookings/0/checked_out_by": mine}
        paid, written = {"/count": 1, "/captured_cents": amount}, {"/standing_count": 1, "/standing_cents": amount}
        won = {"/opportunities/0/closed_by": mine} if case.hoped_for else {}
        return [
            *await unlike(self, "property", "find_bookings", guest, left),
            *await unlike(self, "property", "find_room", case.room, {"/sent_to_cleaning_by": mine}),
            *await unlike(self, "housekeeping", "tasks_of_room", case.room, {"/newest_for": mine}),
            *await unlike(self, "payments", "payments_of_booking", case.booking, paid),
            *await unlike(self, "compliance", "entries_of", by_this_run(case.booking), written),
            *(await unlike(self, "crm", "opportunities_of_guest", guest, won) if won else ()),
        ]


CHECKOUT.check()

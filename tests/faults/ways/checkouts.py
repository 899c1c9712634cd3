"""Ways through a guest checkout."""

from contracts.decisions import Verdict
from tests.demo_servers import refuses, says_no
from tests.faults.ways.journey import OLGA, Effects, Journey
from tests.workflows.hotel_world import ELENA

_STAY = {"booking_number": "B-2041"}
_LEFT: Effects = {
    "payments.authorisations": ({**_STAY, "cents": 45_050, "status": "captured"},),
    "property.bookings": ({**_STAY, "status": "checked_out"},),
    "property.rooms": ({"room_number": "204", "status": "cleaning"},),
    "housekeeping.tasks": ({"room_number": "204", "kind": "departure_clean", "status": "open"},),
    "crm.opportunities": ({"opportunity_id": "OP-71", "stage": "won"},),
    "compliance.entries": ({**_STAY, "kind": "checkout", "cents": 45_050},),
}
_PAID_AND_GIVEN_BACK = {"payments.authorisations": ({**_STAY, "cents": 45_050, "status": "refunded"},)}
_TASK_CANCELLED = {"housekeeping.tasks": ({"room_number": "204", "status": "cancelled"},)}
_WRITTEN_AND_REVERSED = {"compliance.entries": ({**_STAY, "kind": "checkout"}, {**_STAY, "kind": "reversal"})}

A_GUEST_LEAVES = Journey("a guest leaves", "guest_checkout", ELENA, "checked_out", _LEFT)
ALL_IS_UNDONE = Journey(
    "the log refuses the entry, and all is undone",
    "guest_checkout",
    ELENA,
    "reversed",
    {**_PAID_AND_GIVEN_BACK, **_TASK_CANCELLED},
    faults={"compliance.record_checkout": refuses},
)

CHECKOUTS = (
    A_GUEST_LEAVES,
    ALL_IS_UNDONE,
    Journey("another amount is due", "guest_checkout", {**ELENA, "amount": 1}, "refused"),
    Journey("the card is expired", "guest_checkout", {**ELENA, "payment_method_id": "PM-elena-old"}, "declined"),
    Journey(
        "the books cannot be read back, and a person abandons it",
        "guest_checkout",
        ELENA,
        "cancelled",
        {**_PAID_AND_GIVEN_BACK, **_TASK_CANCELLED, **_WRITTEN_AND_REVERSED},
        people=((Verdict.ABANDON, OLGA),),
        faults={"housekeeping.tasks_of_room": says_no},
    ),
    Journey(
        "an undo is refused, and a person abandons it",
        "guest_checkout",
        ELENA,
        "undo_incomplete",
        {name: _LEFT[name] for name in ("property.bookings", "property.rooms")}
        | {"payments.authorisations": ({**_STAY, "status": "authorised"},)},
        people=((Verdict.ABANDON, OLGA),),
        faults={"housekeeping.create_task": refuses, "property.take_back_from_cleaning": refuses},
    ),
)

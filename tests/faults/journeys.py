"""Ways through the automations: what is asked for, what people say, and what must then stand in the servers' own books.

A worker is killed in every state of each of them. Whoever writes an automation adds its ways here, an entry each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from contracts.decisions import Verdict
from tests.doubles import answer_of, asks_for, says
from tests.workflows.demo_world import Row, Rows
from tests.workflows.hotel_world import ELENA, Fault, refuses, says_no

Effects = Mapping[str, tuple[Mapping[str, Any], ...]]
"""`server.table` -> every row that is new or changed at the end, by the columns that matter. No other table changes."""
BOOKKEEPING = ("payments.answers",)
"""Tables that tell of calls and not of what came of them."""
LEAVES = {"crm.add_note": "crm.notes"}
"""Opaque tools -> the table in which a person who is asked whether a call happened would look."""


@dataclass(frozen=True)
class Journey:
    """One way through an automation."""

    name: str
    automation: str
    request: Mapping[str, Any]
    ending: str
    """The final state in which it must end, wherever its worker was killed."""
    effects: Effects = field(default_factory=dict)
    claude: tuple[Any, ...] = ()
    """What Claude answers, turn by turn."""
    people: tuple[tuple[Verdict, str], ...] = ()
    """What is said to what the run asks, and by whom, in this order."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """`server.tool` -> what becomes of every call of it."""


OLGA = "olga"
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

CHECKOUTS = (
    Journey("a guest leaves", "guest_checkout", ELENA, "checked_out", _LEFT),
    Journey("another amount is due", "guest_checkout", {**ELENA, "amount": 1}, "refused"),
    Journey("the card is expired", "guest_checkout", {**ELENA, "payment_method_id": "PM-elena-old"}, "declined"),
    Journey(
        "the log refuses the entry, and all is undone",
        "guest_checkout",
        ELENA,
        "reversed",
        {**_PAID_AND_GIVEN_BACK, **_TASK_CANCELLED},
        faults={"compliance.record_checkout": refuses},
    ),
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

_BROKEN = '{"cents": 64000, "reason": "everything arrived broken"}'
_BOWL = '{"cents": 4000, "reason": "the bowl arrived broken"}'
_NOTHING = '{"cents": 0, "reason": "it is what was ordered"}'
_CREDIT = {"order_id": "A-18", "cents": 64_000}
REFUNDS = (
    Journey(
        "a large credit is signed",
        "refund",
        {"order_id": "A-18"},
        "refunded",
        {
            "payments.credits": ({**_CREDIT, "status": "issued"},),
            "orders.orders": ({"order_id": "A-18", "status": "refunded", "refunded_cents": 64_000},),
            "mail.mails": ({"recipient": "marek.novotny@example.com"},),
        },
        claude=(asks_for(("crm.read_complaint", {"order_id": "A-18"})), says(_BROKEN)),
        people=((Verdict.APPROVE, OLGA),),
    ),
    Journey(
        "a large credit is rejected",
        "refund",
        {"order_id": "A-18"},
        "rejected",
        claude=(says(_BROKEN),),
        people=((Verdict.REJECT, OLGA),),
    ),
    Journey(
        "the order cannot be marked, and the credit is taken back",
        "refund",
        {"order_id": "A-17"},
        "reversed",
        {"payments.credits": ({"order_id": "A-17", "cents": 4000, "status": "reversed"},)},
        claude=(says(_BOWL),),
        faults={"orders.mark_refunded": refuses},
    ),
    Journey(
        "nothing is owed", "refund", {"order_id": "A-17"}, "declined", claude=(says('{"cents": 0, "reason": "-"}'),)
    ),
)

_LETTER: dict[str, JsonValue] = {"to": "dana.reeves@example.com", "subject": "Your order", "body": "It is on its way."}
ERRANDS = (
    Journey(
        "a letter is signed",
        "errand",
        {"goal": "Answer Dana about order A-21.", "servers": ("orders", "crm", "mail")},
        "answered",
        {"mail.mails": ({"recipient": "dana.reeves@example.com"},), "crm.notes": ({"text": "written to"},)},
        claude=(
            asks_for(("orders.find_order", {"order_id": "A-21"})),
            asks_for(("mail.send_mail", _LETTER), ("crm.add_note", {"customer_id": "C-7", "text": "written to"})),
            says("I have written to her."),
        ),
        people=((Verdict.APPROVE, OLGA),),
    ),
    Journey(
        "the turns are used up",
        "errand",
        {"goal": "Find order A-21.", "servers": ("orders",), "turns": 1},
        "exhausted",
        claude=(asks_for(("orders.find_order", {"order_id": "A-21"})),),
    ),
    Journey(
        "Claude declines",
        "errand",
        {"goal": "Do what must not be done.", "servers": ("orders",)},
        "declined",
        claude=(answer_of(says("I will not do that."), "refusal"),),
    ),
)

JOURNEYS = (*CHECKOUTS, *REFUNDS, *ERRANDS)


def differences(before: Rows, after: Rows, expected: Effects) -> Iterator[str]:
    """Where the books do not say what they should: an effect that is lost, doubled, or nobody's wish."""
    for table, rows in after.items():
        if table in BOOKKEEPING or table.endswith(".sqlite_sequence"):
            continue
        if len(rows) < len(before[table]):
            yield f"rows of {table} are gone"
        yield from _unlike(table, new_rows(before[table], rows), expected.get(table, ()))


def new_rows(before: list[Row], after: list[Row]) -> list[Row]:
    """Those that were not there, or not so."""
    return list((Counter(after) - Counter(before)).elements())


def _unlike(table: str, found: list[Row], expected: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    left = list(found)
    for wanted in expected:
        fits = next((row for row in left if wanted.items() <= dict(row).items()), None)
        if fits is None:
            yield f"lost: {table} has no {dict(wanted)}"
        else:
            left.remove(fits)
    yield from (f"more than there should be: {table} has {dict(row)}" for row in left)

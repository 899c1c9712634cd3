"""Ways through the refunds and errands of the shop."""

from pydantic import JsonValue

from contracts.decisions import Verdict
from tests.demo_servers import refuses
from tests.doubles import answer_of, asks_for, says
from tests.faults.ways.journey import OLGA, Journey

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

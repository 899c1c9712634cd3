"""Ways through a support escalation; what it credits is a refund inside it."""

from contracts.decisions import Verdict
from tests.demo_servers import says_no
from tests.faults.ways.journey import Effects, Journey
from tests.workflows.support_world import CREDITED, EMIL, EXPLAINED, NOOR, REPLACED, proposes, reads, refunding

_TO_EMIL, _TO_NOOR = {"recipient": "emil.lindholm@example.com"}, {"recipient": "noor.devries@example.com"}


def _told(order_id: str, outcome: str) -> Effects:
    """It is logged and confirmed, once."""
    row = {"order_id": order_id, "outcome": outcome}
    return {"crm.interactions": (row,), "mail.confirmations": (row,)}


TICKETS = (
    Journey(
        "a question is explained",
        "support_escalation",
        EMIL,
        "explained",
        {**_told("A-28", "explained"), "mail.mails": (_TO_EMIL,)},
        claude=(reads(EMIL), proposes(EXPLAINED)),
    ),
    Journey(
        "what was promised is sent again",
        "support_escalation",
        EMIL,
        "replaced",
        {
            **_told("A-28", "replaced"),
            "mail.mails": (_TO_EMIL,),
            "orders.replacements": ({"order_id": "A-28", "sku": "LIV-0760", "status": "ordered"},),
        },
        claude=(reads(EMIL), proposes(REPLACED)),
    ),
    Journey(
        "what was promised is credited, by a refund inside",
        "support_escalation",
        NOOR,
        "credited",
        {
            **_told("A-26", "credited"),
            "mail.mails": (_TO_NOOR, _TO_NOOR),
            "payments.credits": ({"order_id": "A-26", "cents": 2000, "status": "issued"},),
            "orders.orders": ({"order_id": "A-26", "refunded_cents": 2000},),
        },
        claude=(reads(NOOR), proposes(CREDITED)),
        inside=tuple(refunding("A-26", 2000)),
    ),
    Journey(
        "a support lead declines",
        "support_escalation",
        EMIL,
        "declined",
        {**_told("A-28", "declined"), "mail.mails": (_TO_EMIL,)},
        claude=(reads(EMIL), proposes(EXPLAINED, escalate=True)),
        people=((Verdict.REJECT, "sam"),),
    ),
    Journey("the order is another customer's", "support_escalation", NOOR | {"order_id": "A-28"}, "refused"),
    Journey(
        "the log cannot be read back, and a person sees to it",
        "support_escalation",
        EMIL,
        "settled_by_hand",
        {**_told("A-28", "explained"), "mail.mails": (_TO_EMIL,)},
        claude=(reads(EMIL), proposes(EXPLAINED)),
        people=((Verdict.TAKE_OVER, "sam"),),
        faults={"crm.interactions_of_customer": says_no},
    ),
)

"""What the rules about tickets should say, in plain Python, and the questions at their edges."""

import random
from itertools import product

from pydantic import JsonValue

from contracts.policy import Obligation
from contracts.tools import Purpose
from policies.question import PolicyQuestion
from tests.policies.questions import ask, credit

TICKETS = "support_escalation"
LOG, TELL, SEND_AGAIN, TAKE_BACK = (
    "crm.log_interaction",
    "mail.confirm_resolution",
    "orders.place_replacement",
    "orders.cancel_replacement",
)
DOES = (LOG, TELL, SEND_AGAIN)
MOST_INSIDE = 50_000
GIVEN = 5_500
"""Cents."""
ASKED: dict[str, JsonValue] = {"order_id": "A-28", "customer_id": "C-14", "limit_cents": GIVEN}
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "customer_id": {"type": "string"}, "cents": {"type": "integer"}},
    "required": ["order_id", "customer_id", "cents"],
}


def allowed(question: PolicyQuestion) -> set[str]:
    """A ticket may enter, tell and send; a replacement may be taken back by whoever has sent it."""
    found = {"support-does"} if question.automation == TICKETS and question.action in DOES else set()
    undoes = question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect
    return found | ({"support-undoes"} if undoes and question.action == TAKE_BACK else set())


def never(question: PolicyQuestion) -> set[str]:
    """A ticket keeps to its order, its customer and its limit; and no credit inside one is above 500.00."""
    asked, told, action = question.request, question.arguments, question.action
    found = set()
    if action == "payments.issue_credit" and TICKETS in question.inside and _whole(told["cents"]) > MOST_INSIDE:
        found.add("support-credit-over-500")
    if question.automation != TICKETS:
        return found
    if action in (*DOES, TAKE_BACK) and asked.get("order_id") != told["order_id"]:
        found.add("support-order-as-asked")
    if action == LOG and asked.get("customer_id") != told["customer_id"]:
        found.add("support-customer-as-asked")
    if action in DOES and ("limit_cents" not in asked or _whole(told["cents"]) > _whole(asked["limit_cents"])):
        found.add("support-no-more-than-asked")
    return found


def signatures(question: PolicyQuestion) -> set[Obligation]:
    """A ticket's own steps need none: what needs some is a run of its own."""
    return set()


def some(chance: random.Random) -> PolicyQuestion:
    """Any question of a ticket, mostly about what was asked for."""
    otherwise: dict[str, tuple[JsonValue, ...]] = {
        "order_id": ("A-17",),
        "customer_id": ("C-7",),
        "limit_cents": (GIVEN - 1, GIVEN + 1),
    }
    request = {name: chance.choice([*[value] * 12, *otherwise[name]]) for name, value in ASKED.items()}
    return ticket_question(
        chance.choice([*DOES, TAKE_BACK, "crm.add_note"]),
        automation=chance.choice([TICKETS, TICKETS, TICKETS, "payroll"]),
        request={name: value for name, value in request.items() if chance.random() < 0.95},
        purpose=chance.choice(list(Purpose)),
        undoes=chance.random() < 0.7,
    )


def ticket_question(
    action: str,
    *,
    automation: str = TICKETS,
    request: dict[str, JsonValue] | None = None,
    purpose: Purpose | None = None,
    undoes: bool = True,
) -> PolicyQuestion:
    """May this be done about order A-28 of customer C-14, for 55.00? By default it undoes what can only be an undo."""
    usual = Purpose.COMPENSATION if action == TAKE_BACK else Purpose.FORWARD
    return ask(
        action,
        automation=automation,
        request=ASKED if request is None else request,
        arguments={"order_id": "A-28", "customer_id": "C-14", "cents": GIVEN},
        schema=SCHEMA,
        purpose=purpose or usual,
        undoes=undoes,
    )


def some_inside(chance: random.Random) -> tuple[str, ...]:
    """Inside which automations a run stands; mostly none."""
    return chance.choice([(), (), (), (TICKETS,), ("claim", TICKETS), ("claim",)])


def edges() -> list[PolicyQuestion]:
    """What was asked for as it is, otherwise and missing; undoing something or nothing; and credits inside a ticket."""
    orders: list[dict[str, JsonValue]] = [{}, {"order_id": "A-28"}, {"order_id": "A-2"}]
    customers: list[dict[str, JsonValue]] = [{}, {"customer_id": "C-14"}, {"customer_id": "C-1"}]
    limits: list[dict[str, JsonValue]] = [{}]
    limits += [{"limit_cents": GIVEN + more} for more in (-1, 0, 1)]
    asked = [
        ticket_question(action, automation=automation, request=order | customer | limit)
        for action, automation, order, customer, limit in product(
            (*DOES, TAKE_BACK), (TICKETS, "payroll"), orders, customers, limits
        )
    ]
    undone = [
        ticket_question(action, automation=automation, purpose=purpose, undoes=undoes)
        for action, automation, purpose, undoes in product(
            (*DOES, TAKE_BACK, "crm.add_note"), (TICKETS, "payroll"), Purpose, (False, True)
        )
    ]
    inside = [
        credit(cents, signed).model_copy(update={"inside": around})
        for cents, signed, around in product(
            (MOST_INSIDE - 1, MOST_INSIDE, MOST_INSIDE + 1), (0, 1), ((), (TICKETS,), ("claim",), ("claim", TICKETS))
        )
    ]
    return [*asked, *undone, *inside]


def _whole(value: JsonValue) -> int:
    assert isinstance(value, int)
    return value

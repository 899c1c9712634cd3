"""What the shipped rules should say, in plain Python: written from what their owners want, not from the Cedar text."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product

from pydantic import JsonValue

from contracts.policy import Obligation, Ruling, RulingEffect
from contracts.tools import EffectClass, Purpose, Risk, Taint
from policies.question import PolicyQuestion
from tests.policies import changes, hotel_oracle, onboarding_oracle, tickets
from tests.policies.questions import CHECKOUT_SCHEMA, CREDIT_SCHEMA, ask

OTHERS = (tickets, onboarding_oracle, changes, hotel_oracle)
"""Of each other automation what its owner wants: what is allowed, what never, who signs; and questions about it."""
REQUESTER_DAY, CUSTOMER_DAY = "credits_of_requester_today", "credits_of_customer_today"
EUR = 100  # cents
REFUND_DOES = {
    "payments.issue_credit": "refund-credit",
    "orders.mark_refunded": "refund-mark-order",
    "mail.confirm_refund": "refund-tell-customer",
}
REFUND_UNDOES = {"payments.reverse_credit": "refund-undo-credit", "orders.unmark_refunded": "refund-undo-mark"}
ERRAND_DOES = {"crm.add_note": "errand-note", "mail.send_mail": "errand-mail"}
OF_A_BOOKING = {
    "payments.authorise": "payments.void",
    "payments.capture": "payments.refund",
    "property.check_out": "property.reinstate",
    "compliance.record_checkout": "compliance.record_reversal",
}
"""What a checkout does about the booking -> how that is undone."""
OF_A_ROOM = {
    "property.send_to_cleaning": "property.take_back_from_cleaning",
    "housekeeping.create_task": "housekeeping.cancel_task",
}
CHECKOUT_DOES = {**OF_A_BOOKING, **OF_A_ROOM, "crm.close_opportunity": "crm.reopen_opportunity"}
CHECKOUT_PAYS = {
    "guest_email": "guest_email",
    "amount": "cents",
    "payment_method_id": "payment_method_id",
    "idempotency_token": "client_token",
}
"""What was asked for -> the argument in which it must come."""


@dataclass(frozen=True)
class Expected:
    """What should come out."""

    effect: RulingEffect
    rule_ids: frozenset[str] = frozenset()
    asked: frozenset[Obligation] = field(default=frozenset())

    def agrees_with(self, ruling: Ruling) -> bool:
        """Effect, rules and everything that people must do."""
        found = Expected(ruling.effect, frozenset(ruling.rule_ids), frozenset(ruling.obligations))
        return found == self


def expected(question: PolicyQuestion) -> Expected:
    """First what is never allowed, then what people must sign, then what somebody may do at all."""
    allowed, never, unsigned = _allowed(question), _never(question), _unsigned(question)
    if never or not allowed:
        return Expected(RulingEffect.FORBID, never)
    if unsigned:
        return Expected(RulingEffect.NEEDS_APPROVAL, frozenset(each.rule_id for each in unsigned), unsigned)
    return Expected(RulingEffect.PERMIT, allowed)


def _allowed(question: PolicyQuestion) -> frozenset[str]:
    found = {"reading"} if question.effect_class is EffectClass.READ else set()
    if question.automation == "refund":
        found |= {REFUND_DOES.get(question.action, "")}
    if question.automation == "errand":
        found |= {ERRAND_DOES.get(question.action, "")}
    if question.automation == "guest_checkout" and question.action in CHECKOUT_DOES:
        found |= {"checkout-does"}
    if question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect:
        found |= {REFUND_UNDOES.get(question.action, "")}
        found |= {"checkout-undoes"} if question.action in CHECKOUT_DOES.values() else set()
    return frozenset(found.union(*(other.allowed(question) for other in OTHERS))) - {""}


def _never(question: PolicyQuestion) -> frozenset[str]:
    """More than 5000.00 is never given: not at once, and not within a day. Nor is what nobody has asked for."""
    unasked = _never_in_a_checkout(question).union(*(other.never(question) for other in OTHERS))
    unasked |= _unasked(question) if question.automation == "refund" else set()
    if question.action != "payments.issue_credit":
        return frozenset(unasked)
    at_once = {"refund-over-5000"} if _cents(question) > 5000 * EUR else set()
    within_a_day = {"refund-day-over-5000"} if any(day > 5000 * EUR for day in _days(question)) else set()
    return frozenset(unasked | at_once | within_a_day)


def _unasked(question: PolicyQuestion) -> set[str]:
    """A refund keeps to the order, and to the amount if there was one, that it was asked for."""
    asked, found = question.request, set()
    touches = question.action in {**REFUND_DOES, **REFUND_UNDOES}
    if touches and ("order_id" not in asked or asked["order_id"] != question.arguments["order_id"]):
        found |= {"refund-as-asked"}
    limit = asked.get("limit_cents", 10**18)
    assert isinstance(limit, int)
    if question.action == "payments.issue_credit" and _cents(question) > limit:
        found |= {"refund-no-more-than-asked"}
    return found


def _never_in_a_checkout(question: PolicyQuestion) -> set[str]:
    """A checkout pays what was asked for, for the booking and the room that were named; nobody pays 10000.01 by it."""
    asked, told, action = question.request, question.arguments, question.action
    found = {"checkout-over-10000"} if action == "payments.authorise" and _cents(question) > 10_000 * EUR else set()
    if question.automation != "guest_checkout":
        return found
    if action == "payments.authorise" and any(asked.get(name) != told[held] for name, held in CHECKOUT_PAYS.items()):
        found |= {"checkout-pays-as-asked"}
    for named, touched in (("booking", OF_A_BOOKING), ("room", OF_A_ROOM)):
        number = f"{named}_number"
        if action in {*touched, *touched.values()} and asked.get(number, told.get(number)) != told.get(number):
            found |= {f"checkout-{named}-as-asked"}
    return found


def _unsigned(question: PolicyQuestion) -> frozenset[Obligation]:
    wanted = {*_credit_signatures(question), *_letter_signatures(question)}
    wanted = wanted.union(*(other.signatures(question) for other in OTHERS))
    return frozenset(each for each in wanted if question.approvals.get(each.role, 0) < each.quorum)


def _credit_signatures(question: PolicyQuestion) -> set[Obligation]:
    """A credit needs as many as its size asks for; the days ask only for more than the size does."""
    if question.action != "payments.issue_credit":
        return set()
    by_size, by_day = _people_for(_cents(question)), {_people_for(day) for day in _days(question)}
    found = {_finance(by_size, "refund-over")} if by_size in (1, 2) else set()
    return found | {_finance(people, "refund-day-over") for people in by_day if by_size < people < 3}


def _people_for(cents: int) -> int:
    """How many finance managers; 3 stands for never."""
    return sum(cents > limit * EUR for limit in (50, 1000, 5000))


def _finance(people: int, rule: str) -> Obligation:
    hours = 48 if people == 1 else 24
    return Obligation(
        role="finance_manager",
        quorum=people,
        within=timedelta(hours=hours),
        rule_id=f"{rule}-{50 if people == 1 else 1000}",
        remind=timedelta(hours=hours / 2),
        hand_on=timedelta(hours=hours * 3 / 4),
        hand_on_to="finance_director",
    )


def _letter_signatures(question: PolicyQuestion) -> set[Obligation]:
    """A support lead signs an errand's letters, and what leaves after a run has read what could leak or mislead."""
    rules = {"errand-mail-signed"} if (question.automation, question.action) == ("errand", "mail.send_mail") else set()
    if question.sends_out and {*question.taint} == {*Taint}:
        rules |= {"taint-sends-out"}
    return {Obligation(role="support_lead", within=timedelta(hours=24), rule_id=rule) for rule in rules}


def _cents(question: PolicyQuestion) -> int:
    cents = question.arguments["cents"]
    assert isinstance(cents, int)
    return cents


def _days(question: PolicyQuestion) -> list[int]:
    return [question.totals[day] for day in (REQUESTER_DAY, CUSTOMER_DAY) if day in question.totals]


# Questions.

EDGES = [cents for limit in (5_000, 100_000, 500_000) for cents in (limit - 1, limit, limit + 1)]
ACTIONS = sorted({*REFUND_DOES, *REFUND_UNDOES, *ERRAND_DOES, "payments.close_account", "orders.find_order"})


def some_question(chance: random.Random) -> PolicyQuestion:
    """Any question, amounts and totals mostly at an edge."""
    if (other := chance.random()) < 0.5:
        return some_checkout(chance) if other < 0.1 else chance.choice(OTHERS).some(chance)

    def amount() -> int:
        return chance.choice([*EDGES, 0, 1, 10**9, -5001, chance.randrange(600_000)])

    days = {day: amount() for day in (REQUESTER_DAY, CUSTOMER_DAY, "another") if chance.random() < 0.5}
    quiet, cents = chance.random() < 0.5, amount()
    question = ask(
        chance.choice([*ACTIONS, *["payments.issue_credit"] * 4, *["mail.send_mail"] * 2]),
        automation=chance.choice(["refund", "refund", "refund", "errand", "payroll"]),
        request=_some_request(chance, cents),
        arguments={"order_id": "A-17", "cents": cents},
        schema=CREDIT_SCHEMA,
        approvals={
            role: chance.randrange(4)
            for role in ("finance_manager", "support_lead", "finance_director")
            if chance.random() < 0.6
        },
        purpose=chance.choice(list(Purpose)),
        effect_class=chance.choice(list(EffectClass)),
        undoes=chance.random() < 0.5,
    )
    return question.model_copy(
        update={
            "totals": {day: min(total, 5_000) for day, total in days.items()} if quiet else days,
            "taint": tuple(taint for taint in Taint if chance.random() < 0.7),
            "sends_out": chance.random() < 0.6,
            "risk": chance.choice(list(Risk)),
            "roles": tuple(role for role in ("finance_manager", "clerk") if chance.random() < 0.3),
            "requester": chance.choice(["rita", "sven"]),
            "inside": tickets.some_inside(chance),
        }
    )


def _some_request(chance: random.Random, cents: int) -> dict[str, JsonValue]:
    """Mostly what is about to be done, or more."""
    order: dict[str, JsonValue] = {"order_id": chance.choice([*["A-17"] * 9, "Z-99", ""])}
    limit: dict[str, JsonValue] = {"limit_cents": cents + chance.choice([0, 1, 5000, 10**6, -1])}
    named: dict[str, JsonValue] = {"name": "spring"} if chance.random() < 0.3 else {}
    return (order if chance.random() < 0.95 else {}) | (limit if chance.random() < 0.4 else {}) | named


CHECKOUT_ACTIONS = sorted({*CHECKOUT_DOES, *CHECKOUT_DOES.values()})
PAID: dict[str, JsonValue] = {
    "guest_email": "elena@example.com",
    "amount": 45_050,
    "payment_method_id": "PM-1",
    "idempotency_token": "T-1",
}
OTHERWISE: dict[str, tuple[JsonValue, ...]] = {
    "guest_email": ("jonas@example.com",),
    "amount": (45_049, 45_051),
    "payment_method_id": ("PM-2",),
    "idempotency_token": ("T-2",),
}


def some_checkout(chance: random.Random) -> PolicyQuestion:
    """Any question of a hotel, mostly about what was asked for."""
    request: dict[str, JsonValue] = {
        name: chance.choice([*[value] * 20, *OTHERWISE[name]]) for name, value in PAID.items()
    }
    numbers = {"booking_number": ("B-1", "B-1", "B-2"), "room_number": ("204", "204", "205")}
    request |= {name: chance.choice(values) for name, values in numbers.items() if chance.random() < 0.5}
    asked: dict[str, JsonValue] = {name: value for name, value in request.items() if chance.random() < 0.97}
    return checkout_question(
        chance.choice([*CHECKOUT_ACTIONS, *["payments.authorise"] * 6, "crm.add_note"]),
        automation=chance.choice(["guest_checkout", "guest_checkout", "guest_checkout", "payroll"]),
        request=asked,
        purpose=chance.choice(list(Purpose)),
        undoes=chance.random() < 0.7,
        cents=chance.choice([45_050, 45_050, 45_050, 1_000_001]),
    )


def checkout_question(
    action: str,
    *,
    automation: str = "guest_checkout",
    request: dict[str, JsonValue] | None = None,
    purpose: Purpose | None = None,
    undoes: bool = True,
    cents: int = 45_050,
) -> PolicyQuestion:
    """May this be done about booking B-1 in room 204? By default it undoes what can only be an undo."""
    told: dict[str, JsonValue] = {held: PAID[name] for name, held in CHECKOUT_PAYS.items()}
    usual = Purpose.COMPENSATION if action in CHECKOUT_DOES.values() else Purpose.FORWARD
    return ask(
        action,
        automation=automation,
        request=PAID if request is None else request,
        arguments=told | {"cents": cents, "booking_number": "B-1", "room_number": "204"},
        schema=CHECKOUT_SCHEMA,
        purpose=purpose or usual,
        undoes=undoes,
    )


def edge_questions() -> list[PolicyQuestion]:
    """Every edge of every amount with every number of signatures; and of what was asked for."""
    of_others = [question for other in OTHERS for question in other.edges()]
    of_checkouts = [*_edges_of_checkouts(), *_edges_of_payments()]
    return [*of_others, *of_checkouts, *_edges_of_amounts(), *_edges_of_what_was_asked_for()]


def _edges_of_checkouts() -> list[PolicyQuestion]:
    """Every tool, for what was named, for something else and where nothing was named; undoing something, or nothing."""
    bookings: list[dict[str, JsonValue]] = [{}, {"booking_number": "B-1"}, {"booking_number": "B-2"}]
    rooms: list[dict[str, JsonValue]] = [{}, {"room_number": "204"}, {"room_number": "205"}]
    automations = ("guest_checkout", "payroll")
    named = [
        checkout_question(action, automation=automation, request=PAID | booking | room)
        for action, automation, booking, room in product(CHECKOUT_ACTIONS, automations, bookings, rooms)
    ]
    purposes = [
        checkout_question(action, automation=automation, purpose=purpose, undoes=undoes)
        for action, automation, purpose, undoes in product(
            [*CHECKOUT_ACTIONS, "crm.add_note"], automations, Purpose, (False, True)
        )
    ]
    return [*named, *purposes]


def _edges_of_payments() -> list[PolicyQuestion]:
    """Each part of what was asked for as it is, otherwise, and missing; and the largest amount."""
    found = []
    for values in product(*((PAID[name], *OTHERWISE[name], None) for name in PAID)):
        asked: dict[str, JsonValue] = {
            name: value for name, value in zip(PAID, values, strict=True) if value is not None
        }
        found.append(checkout_question("payments.authorise", request=asked))
    most = [
        checkout_question("payments.authorise", automation=automation, request=PAID | {"amount": cents}, cents=cents)
        for automation, cents in product(("guest_checkout", "payroll"), (999_999, 1_000_000, 1_000_001))
    ]
    return [*found, *most]


def _edges_of_what_was_asked_for() -> list[PolicyQuestion]:
    orders: list[dict[str, JsonValue]] = [{}, {"order_id": "A-17"}, {"order_id": "A-18"}]
    limits: list[dict[str, JsonValue]] = [{}, {"limit_cents": 3_999}, {"limit_cents": 4_000}, {"limit_cents": 4_001}]
    return [
        ask(
            action,
            automation=automation,
            request=order | limit,
            arguments={"order_id": "A-17", "cents": 4_000},
            schema=CREDIT_SCHEMA,
            purpose=Purpose.COMPENSATION if action in REFUND_UNDOES else Purpose.FORWARD,
            undoes=True,
        )
        for action, automation, order, limit in product(ACTIONS, ("refund", "payroll"), orders, limits)
    ]


def _edges_of_amounts() -> list[PolicyQuestion]:
    return [
        ask(
            "payments.issue_credit",
            arguments={"order_id": "A-17", "cents": cents},
            schema=CREDIT_SCHEMA,
            approvals={"finance_manager": signed},
        ).model_copy(update={"totals": totals})
        for cents, signed in product([1, *EDGES], range(4))
        for totals in ({}, *({day: total} for day in (REQUESTER_DAY, CUSTOMER_DAY) for total in EDGES))
    ]

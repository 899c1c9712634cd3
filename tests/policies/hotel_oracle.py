"""What the rules of the hotel's small automations should say, in plain Python: as their owners want it."""

import random
from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import NamedTuple

from pydantic import JsonValue

from contracts.policy import Obligation
from contracts.tools import EffectClass, Purpose
from policies.question import PolicyQuestion
from tests.policies.questions import ask


class Skill(NamedTuple):
    """What one of them does, and by what it is held to what was asked for."""

    rules: str
    """How the ids of its rules begin."""
    does: Mapping[str, str]
    """Effect -> how it is undone."""
    named: str
    """The field of its input, and the argument, that must agree."""
    may_be_left_out: bool = False


SKILLS = {
    "upsert_contact": Skill("contact", {"crm.upsert_contact": "crm.restore_contact"}, "email"),
    "check_in_guest": Skill("check-in", {"property.check_in": "property.undo_check_in"}, "booking_number", True),
    "submit_guest_service_request": Skill(
        "service-request",
        {"housekeeping.submit_service_request": "housekeeping.withdraw_service_request"},
        "room_number",
    ),
    "submit_maintenance_request": Skill(
        "maintenance-request",
        {
            "housekeeping.submit_maintenance_request": "housekeeping.withdraw_maintenance_request",
            "property.take_out_of_order": "property.put_back_in_order",
        },
        "room_number",
    ),
}
COMPENSATES = "compensate_checkout_failure"
RELEASES = ("payments.void_payment", "payments.refund_payment")
TAKES_BACK = (
    "property.take_back_check_out",
    "property.take_back_cleaning",
    "housekeeping.take_back_task",
    "crm.take_back_closing",
    "compliance.correct_checkout",
)
MANAGERS = ("duty_manager", "finance_manager", "support_lead")

TOLD: dict[str, JsonValue] = {
    "email": "elena@example.com",
    "booking_number": "B-1",
    "room_number": "204",
    "authorisation_id": "AU-1",
}
OTHERS: dict[str, JsonValue] = {"email": "jonas@example.com", "booking_number": "B-2", "room_number": "205"}
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in TOLD},
    "required": list(TOLD),
}
BESIDE = ("crm.add_note", "orders.find_order")
"""What none of them does, and what each may read."""


def allowed(question: PolicyQuestion) -> set[str]:
    """The rules that let it pass."""
    undoing = question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect
    found = set()
    for automation, skill in SKILLS.items():
        if question.automation == automation and question.action in skill.does:
            found |= {f"{skill.rules}-does"}
        if undoing and question.action in skill.does.values():
            found |= {f"{skill.rules}-undoes"}
    managed = question.automation == COMPENSATES and {*question.roles} & {*MANAGERS}
    return found | ({"compensation-does"} if managed and question.action in (*RELEASES, *TAKES_BACK) else set())


def never(question: PolicyQuestion) -> set[str]:
    """Nothing is done about anything else than what was asked for; a room is closed for what is urgent alone."""
    asked, told, found = question.request, question.arguments, set()
    skill = SKILLS.get(question.automation)
    if skill is not None and question.action in {*skill.does, *skill.does.values()}:
        unnamed = told[skill.named] if skill.may_be_left_out else None
        found |= {f"{skill.rules}-as-asked"} if asked.get(skill.named, unnamed) != told[skill.named] else set()
    if question.action == "property.take_out_of_order" and asked.get("priority") != "urgent":
        found |= {"maintenance-closes-for-urgent"}
    if question.automation == COMPENSATES and question.action in RELEASES:
        another = asked.get("payment_intent_id") != told["authorisation_id"]
        found |= {"compensation-as-asked"} if another else set()
    return found


def signatures(question: PolicyQuestion) -> set[Obligation]:
    """Somebody of finance signs what is given back."""
    if question.action != "payments.refund_payment":
        return set()
    return {Obligation(role="finance_manager", within=timedelta(hours=24), rule_id="compensation-refund-signed")}


# Questions.


def some(chance: random.Random) -> PolicyQuestion:
    """Any question about one of them, mostly about what was asked for."""
    automation = chance.choice([*SKILLS, COMPENSATES, COMPENSATES])
    if automation == COMPENSATES:
        asked: dict[str, JsonValue] = {"payment_intent_id": chance.choice(["AU-1", "AU-1", "AU-1", "AU-2"])}
        return question(
            chance.choice([*RELEASES, *RELEASES, *TAKES_BACK, *BESIDE]),
            automation=chance.choice([COMPENSATES, COMPENSATES, COMPENSATES, "payroll"]),
            request=asked if chance.random() < 0.9 else {},
            roles=tuple(role for role in (*MANAGERS, "clerk") if chance.random() < 0.4),
            signed=chance.choice([None, 0, 1, 2]),
        )
    skill = SKILLS[automation]
    named = {skill.named: chance.choice([*[TOLD[skill.named]] * 5, OTHERS[skill.named]])}
    return question(
        chance.choice([*skill.does, *skill.does.values(), *BESIDE]),
        automation=chance.choice([automation, automation, automation, "payroll"]),
        request=(named if chance.random() < 0.9 else {}) | {"priority": chance.choice(["urgent", "urgent", "high"])},
        purpose=chance.choice(list(Purpose)),
        undoes=chance.random() < 0.7,
    )


def question(
    action: str,
    *,
    automation: str,
    request: dict[str, JsonValue],
    purpose: Purpose | None = None,
    undoes: bool = True,
    roles: tuple[str, ...] = (),
    signed: int | None = None,
) -> PolicyQuestion:
    """May this be done about what is told? By default it undoes what can only be an undo."""
    undos = {undo for skill in SKILLS.values() for undo in skill.does.values()}
    asked = ask(
        action,
        automation=automation,
        request=request,
        arguments=TOLD,
        schema=SCHEMA,
        approvals={} if signed is None else {"finance_manager": signed},
        purpose=purpose or (Purpose.COMPENSATION if action in undos else Purpose.FORWARD),
        effect_class=EffectClass.READ if action == "orders.find_order" else EffectClass.IDEMPOTENT,
        undoes=undoes,
    )
    return asked.model_copy(update={"roles": roles})


def edges() -> list[PolicyQuestion]:
    """Every tool, for what was named, for something else and where nothing was named; undoing something, or nothing."""
    return [edge for automation, skill in SKILLS.items() for edge in _edges_of(automation, skill)] + _edges_of_money()


def _edges_of(automation: str, skill: Skill) -> list[PolicyQuestion]:
    actions, automations = (*skill.does, *skill.does.values(), *BESIDE), (automation, "payroll")
    same: dict[str, JsonValue] = {skill.named: TOLD[skill.named]}
    urgent: tuple[dict[str, JsonValue], ...] = ({}, {"priority": "high"}, {"priority": "urgent"})
    names: tuple[dict[str, JsonValue], ...] = ({}, same, {skill.named: OTHERS[skill.named]})
    asked = [
        question(action, automation=known, request=named | priority)
        for action, known, named, priority in product(actions, automations, names, urgent)
    ]
    purposes = [
        question(action, automation=known, request=same | {"priority": "urgent"}, purpose=purpose, undoes=undoes)
        for action, known, purpose, undoes in product(actions, automations, Purpose, (False, True))
    ]
    return [*asked, *purposes]


def _edges_of_money() -> list[PolicyQuestion]:
    asked: dict[str, JsonValue] = {"payment_intent_id": "AU-1"}
    another: dict[str, JsonValue] = {"payment_intent_id": "AU-2"}
    names: tuple[dict[str, JsonValue], ...] = ({}, asked, another)
    roles = ((), ("clerk",), *((role,) for role in MANAGERS))
    who = [
        question(action, automation=known, request=asked, roles=held, signed=signed)
        for action, known, held, signed in product(
            (*RELEASES, *TAKES_BACK, *BESIDE), (COMPENSATES, "payroll"), roles, (None, 0, 1, 2)
        )
    ]
    what = [
        question(action, automation=known, request=named, roles=("duty_manager",), signed=1)
        for action, known, named in product((*RELEASES, *TAKES_BACK, *BESIDE), (COMPENSATES, "payroll"), names)
    ]
    return [*who, *what]

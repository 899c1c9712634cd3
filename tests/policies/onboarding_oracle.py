"""What the rules about onboardings should say, in plain Python, and questions about them."""

import random
from datetime import timedelta
from itertools import product

from pydantic import JsonValue

from contracts.policy import Obligation
from contracts.tools import Purpose
from policies.question import PolicyQuestion
from tests.policies.questions import ask

ONBOARDING = "employee_onboarding"
CREATE = "identity.create_account"
UNDONE_BY = {"tickets.create_ticket": "tickets.close_tickets", CREATE: "identity.disable_accounts"}
DOES = ("people_records.ask_for_papers", *UNDONE_BY)
UNDOES = tuple(UNDONE_BY.values())
ACTIONS = (*DOES, *UNDOES)
HOUR = timedelta(hours=1)
MANAGER = Obligation(
    role="line_manager",
    within=24 * HOUR,
    rule_id="account-signed",
    remind=8 * HOUR,
    hand_on=16 * HOUR,
    hand_on_to="hr_manager",
    calendar="office",
)
SECURITY = Obligation(
    role="security_officer",
    within=24 * HOUR,
    rule_id="privileged-account-signed",
    remind=8 * HOUR,
    calendar="office",
)
TEXTS = ("employee_id", "system", "bank_details")
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in TEXTS},
    "required": list(TEXTS),
}
ASKED: dict[str, JsonValue] = {"employee_id": "E-1", "accounts": ["mail", "payroll", "production"]}


def allowed(question: PolicyQuestion) -> set[str]:
    """The rules by which somebody may do it at all."""
    does = question.automation == ONBOARDING and question.action in DOES
    undoes = question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect
    found = {"onboarding-does"} if does else set()
    return found | ({"onboarding-undoes"} if undoes and question.action in UNDOES else set())


def never(question: PolicyQuestion) -> set[str]:
    """What nobody may, whoever signs: another person, another account, pay without a place to pay to."""
    asked, told, creates = question.request, question.arguments, question.action == CREATE
    found = (
        {"payroll-with-bank-details"} if creates and (told["system"], told["bank_details"]) == PAID_NOWHERE else set()
    )
    if question.automation != ONBOARDING:
        return found
    if question.action in ACTIONS and asked.get("employee_id") != told["employee_id"]:
        found |= {"onboarding-person-as-asked"}
    accounts = asked.get("accounts", [])
    assert isinstance(accounts, list)
    if creates and told["system"] not in accounts:
        found |= {"onboarding-accounts-as-asked"}
    return found


PAID_NOWHERE = ("payroll", "")


def signatures(question: PolicyQuestion) -> set[Obligation]:
    """A line manager for every account, a security officer besides for one in production; in every automation."""
    if question.action != CREATE:
        return set()
    return {MANAGER, SECURITY} if question.arguments["system"] == "production" else {MANAGER}


def onboarding_question(
    action: str,
    *,
    automation: str = ONBOARDING,
    request: dict[str, JsonValue] | None = None,
    system: str = "mail",
    bank_details: str = "",
    approvals: dict[str, int] | None = None,
    purpose: Purpose | None = None,
    undoes: bool = True,
) -> PolicyQuestion:
    """May this be done for E-1? By default it undoes what can only be an undo, and everybody has signed."""
    usual = Purpose.COMPENSATION if action in UNDOES else Purpose.FORWARD
    return ask(
        action,
        automation=automation,
        request=ASKED if request is None else request,
        arguments={"employee_id": "E-1", "system": system, "bank_details": bank_details},
        schema=SCHEMA,
        approvals={"line_manager": 1, "security_officer": 1} if approvals is None else approvals,
        purpose=purpose or usual,
        undoes=undoes,
    )


def some(chance: random.Random) -> PolicyQuestion:
    """Any question about somebody who joins, mostly about what was asked for."""
    request: dict[str, JsonValue] = {}
    if chance.random() < 0.95:
        request["employee_id"] = chance.choice([*["E-1"] * 12, "E-2", "E-11"])
    if chance.random() < 0.95:
        wanted: list[JsonValue] = [ASKED["accounts"], ["mail"], ["payroll", "mail"], []]
        request["accounts"] = chance.choice(wanted)
    roles = ("line_manager", "security_officer", "hr_manager")
    return onboarding_question(
        chance.choice([*ACTIONS, *[CREATE] * 5, "mail.send_mail"]),
        automation=chance.choice([ONBOARDING, ONBOARDING, ONBOARDING, "payroll"]),
        request=request,
        system=chance.choice(["mail", "payroll", "payroll", "production", "production", "source_code"]),
        bank_details=chance.choice(["", "DOC-1004", "DOC-1004"]),
        approvals={role: chance.randrange(3) for role in roles if chance.random() < 0.7},
        purpose=chance.choice(list(Purpose)),
        undoes=chance.random() < 0.7,
    )


def edges() -> list[PolicyQuestion]:
    """Every tool for this person, another and nobody; every account, asked for or not, with every signature."""
    automations = (ONBOARDING, "payroll")
    people: list[dict[str, JsonValue]] = [ASKED, ASKED | {"employee_id": "E-2"}, {"accounts": ["mail"]}, {}]
    about = [
        onboarding_question(action, automation=automation, request=request)
        for action, automation, request in product(ACTIONS, automations, people)
    ]
    purposes = [
        onboarding_question(action, automation=automation, purpose=purpose, undoes=undoes)
        for action, automation, purpose, undoes in product(
            [*ACTIONS, "mail.send_mail"], automations, Purpose, (False, True)
        )
    ]
    wanted: list[JsonValue] = [["mail"], ["payroll"], ["production", "mail"], []]
    accounts = [
        onboarding_question(
            CREATE,
            automation=automation,
            request={"employee_id": "E-1", "accounts": each},
            system=system,
            bank_details=at,
        )
        for automation, each, system, at in product(
            automations, wanted, ("mail", "payroll", "production"), ("", "DOC-1004")
        )
    ]
    signed = [
        onboarding_question(CREATE, system=system, bank_details="DOC-1004", approvals=manager | officer)
        for system, manager, officer in product(
            ("mail", "production"),
            ({}, *({"line_manager": count} for count in range(3))),
            ({}, *({"security_officer": count} for count in range(3))),
        )
    ]
    return [*about, *purposes, *accounts, *signed]

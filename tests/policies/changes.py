"""What the rules about changes to production should say, in plain Python, and questions about them."""

import random
from datetime import timedelta
from itertools import product

from pydantic import JsonValue

from contracts.policy import Obligation
from contracts.tools import Purpose
from policies.question import PolicyQuestion
from tests.policies.questions import ask

REGISTER = "changes.open_change"
OF_A_KIND = {
    "deployment": {"releases.deploy": "service"},
    "credential_rotation": dict.fromkeys(
        ("vault.issue_version", "vault.switch_consumer", "vault.revoke_version"), "credential"
    ),
    "data_deletion": dict.fromkeys(("archive.mark_for_deletion", "archive.purge"), "dataset"),
}
"""Kind of change -> its tools, and the argument by which each knows the subject."""
DOES = {REGISTER, "changes.close_change", *(tool for tools in OF_A_KIND.values() for tool in tools)}
UNDOES = {
    "changes.withdraw_change",
    "releases.roll_back",
    "vault.withdraw_version",
    "vault.switch_back",
    "archive.restore",
}
UNASKED = {
    "deployment": "change-deploys-as-asked",
    "credential_rotation": "change-rotates-as-asked",
    "data_deletion": "change-deletes-as-asked",
}
LEAST_HOURS = 72


def allowed(question: PolicyQuestion) -> set[str]:
    """What a change does, and what takes it back."""
    does = question.automation == "operations_change" and question.action in DOES
    undoes = question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect
    return ({"change-does"} if does else set()) | ({"change-undoes"} if undoes and question.action in UNDOES else set())


def never(question: PolicyQuestion) -> set[str]:
    """What was not asked for, and what would be deleted too soon."""
    asked, told = question.request, question.arguments
    found = set()
    if question.action == REGISTER and any(asked.get(name) != told[name] for name in ("change_id", "kind", "subject")):
        found |= {"change-opened-as-asked"}
    for kind, tools in OF_A_KIND.items():
        if question.action in tools and not _as_asked(question, kind, tools[question.action]):
            found |= {UNASKED[kind]}
    hours = asked.get("cooling_off_hours")
    if question.action == "archive.mark_for_deletion":
        long_enough = isinstance(hours, int) and hours >= LEAST_HOURS and hours == told["keep_hours"]
        found |= set() if long_enough else {"change-cools-off"}
    return found


def _as_asked(question: PolicyQuestion, kind: str, named_by: str) -> bool:
    asked, told = question.request, question.arguments
    same = asked.get("kind") == kind and asked.get("subject") == told[named_by]
    return same and (kind != "deployment" or asked.get("version") == told["version"])


def signatures(question: PolicyQuestion) -> set[Obligation]:
    """A change manager for whatever is changed; with them the service's owner or the data's steward; the last look."""
    action, kind = question.action, question.request.get("kind")
    plans = {REGISTER, *OF_A_KIND["deployment"], *OF_A_KIND["credential_rotation"]}
    of_data = {REGISTER, "archive.mark_for_deletion"}
    found = {_one("change_manager", "change-manager-signs", 24)} if action in plans | of_data else set()
    if action in plans and kind is not None and kind != "data_deletion":
        found |= {_one("service_owner", "change-service-owner-signs", 24)}
    if action in of_data and kind == "data_deletion":
        found |= {_one("data_steward", "change-data-steward-signs", 24)}
    return found | ({_one("data_steward", "change-last-look", 48)} if action == "archive.purge" else set())


def _one(role: str, rule: str, hours: int) -> Obligation:
    return Obligation(role=role, within=timedelta(hours=hours), rule_id=rule, remind=timedelta(hours=hours / 2))


# Questions.

ARGUMENTS: dict[str, JsonValue] = {
    "change_id": "CHG-1",
    "kind": "deployment",
    "subject": "checkout-api",
    "service": "checkout-api",
    "credential": "checkout-api",
    "dataset": "checkout-api",
    "version": "2.15.0",
    "keep_hours": 72,
}
"""One name for whatever is changed, so that one request may be about each kind of it."""
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        name: {"type": "integer" if isinstance(value, int) else "string"} for name, value in ARGUMENTS.items()
    },
    "required": list(ARGUMENTS),
}
ROLES = ("change_manager", "service_owner", "data_steward")
ACTIONS = sorted(DOES | UNDOES)


def change_question(
    action: str,
    request: dict[str, JsonValue],
    *,
    automation: str = "operations_change",
    signed: tuple[str, ...] = ROLES,
    purpose: Purpose | None = None,
    undoes: bool = True,
    keep_hours: int = 72,
    told_kind: str = "",
    others: int | None = None,
) -> PolicyQuestion:
    """May this be done about checkout-api? By default everybody has signed, and an undo undoes something.

    `others`: how many have signed in the other roles; None: nothing is said of them.
    """
    kind = told_kind or request.get("kind", "deployment")
    counts = {} if others is None else dict.fromkeys(ROLES, others)
    return ask(
        action,
        automation=automation,
        request=request,
        arguments={**ARGUMENTS, "kind": kind, "keep_hours": keep_hours},
        schema=SCHEMA,
        approvals=counts | dict.fromkeys(signed, 1),
        purpose=purpose or (Purpose.COMPENSATION if action in UNDOES else Purpose.FORWARD),
        undoes=undoes,
    )


def asked_for(kind: str, /, **otherwise: JsonValue) -> dict[str, JsonValue]:
    """A request for a change of this kind; what is None is left out."""
    whole = {"change_id": "CHG-1", "kind": kind, "subject": "checkout-api", "version": "2.15.0"}
    given = {**whole, "cooling_off_hours": 72, **otherwise}
    return {name: value for name, value in given.items() if value is not None}


def some(chance: random.Random) -> PolicyQuestion:
    """Any question about a change, mostly about what was asked for."""
    kind = chance.choice([*OF_A_KIND])
    own = [REGISTER, *OF_A_KIND[kind], *OF_A_KIND[kind]]
    hours = chance.choice([72, 72, 72, 71, 73])
    otherwise: dict[str, JsonValue] = {"cooling_off_hours": hours} if kind == "data_deletion" else {}
    if chance.random() < 0.15:
        otherwise |= {chance.choice(["change_id", "kind", "subject", "version"]): chance.choice([None, "another"])}
    return change_question(
        chance.choice([*own, *own, *ACTIONS]),
        asked_for(kind, **otherwise),
        automation=chance.choice([*["operations_change"] * 5, "payroll"]),
        signed=tuple(role for role in ROLES if chance.random() < 0.7),
        purpose=chance.choice([None, None, *Purpose]),
        undoes=chance.random() < 0.7,
        keep_hours=hours if chance.random() < 0.9 else 72,
    )


def edges() -> list[PolicyQuestion]:
    """Every tool for every kind with every set of signatures; each part of a request otherwise, and missing."""
    signed = [
        tuple(role for role, there in zip(ROLES, each, strict=True) if there) for each in product((0, 1), repeat=3)
    ]
    found = [
        change_question(action, asked_for(kind), signed=roles, others=0)
        for action, kind, roles in product(ACTIONS, OF_A_KIND, signed)
    ]
    found += [change_question(action, asked_for("deployment"), automation="payroll") for action in ACTIONS]
    parts = ("change_id", "kind", "subject", "version", "cooling_off_hours")
    found += [
        change_question(action, asked_for(kind, **{part: value}))
        for action, kind, part in product(ACTIONS, OF_A_KIND, parts)
        for value in (None, 7 if part == "cooling_off_hours" else "another")
    ]
    found += [
        change_question(action, asked_for("deployment"), purpose=purpose, undoes=undoes)
        for action, purpose, undoes in product([*ACTIONS, "crm.add_note"], Purpose, (False, True))
    ]
    found += [change_question(REGISTER, asked_for(kind), told_kind=told) for kind, told in product(OF_A_KIND, repeat=2)]
    return found + [
        change_question(
            "archive.mark_for_deletion", asked_for("data_deletion", cooling_off_hours=hours), keep_hours=kept
        )
        for hours, kept in product((71, 72, 73), repeat=2)
    ]

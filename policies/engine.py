"""The only reader of the Cedar rules: an action and the evidence for it in, a ruling out.

"Needs approval" is written as `forbid ... unless <evidence>` with the annotations @approve, @quorum and @within, so
that a forgotten annotation closes the door. Any error, unknown annotation or missing id refuses. Default deny.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cedarpy
from pydantic import JsonValue, TypeAdapter

from contracts.canonical import digest
from contracts.model import Model
from contracts.policy import Obligation, Ruling, RulingEffect
from contracts.tools import EffectClass, Purpose
from policies.schema import action_schema, cedar_string, known_arguments

ANNOTATIONS = frozenset({"id", "approve", "quorum", "within"})
SATURATED = 1_000_000
_DURATION = TypeAdapter(timedelta)
_PERMIT_ALL_ID = "every-action"
_PERMIT_ALL = f'@id("{_PERMIT_ALL_ID}") permit(principal, action, resource);'


class PolicyBroken(ValueError):
    """The rules cannot be used as written."""


class PolicyQuestion(Model):
    """What policy is asked about: one action, who asks for it, and the verified evidence."""

    requester: str
    roles: tuple[str, ...] = ()
    automation: str
    state: str
    step: str
    server: str
    tool: str
    kind: str = "tool"
    purpose: Purpose
    effect_class: EffectClass
    undoes_recorded_effect: bool = False
    """For a compensation: the ledger shows that this run has sent an effect to this server."""
    arguments: dict[str, JsonValue]
    input_schema: dict[str, JsonValue]
    approvals: dict[str, int] = {}
    """Role -> number of distinct people who verifiably approved exactly this action."""


class PolicyEngine(Protocol):
    """The port: whoever rules, rules like this."""

    @property
    def digest(self) -> str:
        """Names the rules in force."""

    def rule(self, question: PolicyQuestion) -> Ruling:
        """Permit, needs approval (with obligations), or forbid; also what cannot be answered. Never raises."""

    def could_permit(self, question: PolicyQuestion) -> bool:
        """Whether some arguments and some approvals could be permitted: what is never possible is not offered."""


class CedarRules:
    """The rules of all `*.cedar` files, parsed once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts`: file name -> Cedar text. Raises PolicyBroken naming file and rule."""
        self._text = "\n".join(texts[name] for name in sorted(texts))
        self._rules = _annotated_rules(texts)
        self._policies = cedarpy.PolicySet.from_str(self._text)
        self._permits = _only(self._text, "permit")
        self._forbids = _only(self._text + _PERMIT_ALL, "forbid", keep=_PERMIT_ALL_ID)
        self._roles = frozenset(rule["approve"] for rule in self._rules.values() if "approve" in rule)
        self.digest = digest(self._text.encode())

    @classmethod
    def load(cls, folders: Iterable[Path]) -> "CedarRules":
        """Read every `*.cedar` in `folders`. Raises PolicyBroken."""
        texts = {str(path): path.read_text() for folder in folders for path in sorted(folder.glob("*.cedar"))}
        if not texts:
            raise PolicyBroken(
                f"no *.cedar file in {', '.join(map(str, folders))}; without rules everything is forbidden"
            )
        return cls(texts)

    def rule(self, question: PolicyQuestion) -> Ruling:
        """See PolicyEngine.rule."""
        answer = self._ask(question, question.approvals)
        if answer.errors:
            return self._forbid(answer.rules, f"the rules could not be evaluated: {answer.errors[0]}")
        if answer.allowed:
            return Ruling(effect=RulingEffect.PERMIT, rule_ids=answer.rules, policy_digest=self.digest)
        return self._obliged(question, answer) or self._forbidden(question, answer)

    def could_permit(self, question: PolicyQuestion) -> bool:
        """See PolicyEngine.could_permit: rules that read arguments (and so fail without them) leave it open."""
        open_question = question.model_copy(
            update={"arguments": {}, "input_schema": _all_optional(question.input_schema)}
        )
        saturated = dict.fromkeys(self._roles, SATURATED)
        permitted = self._ask(open_question, saturated, self._permits)
        unforbidden = self._ask(open_question, saturated, self._forbids)
        return (permitted.allowed or bool(permitted.errors)) and unforbidden.allowed

    def _obliged(self, question: PolicyQuestion, denial: "_Answer") -> Ruling | None:
        """Needs approval, when approvals alone would turn the denial into a permit."""
        rules = [self._rules[rule_id] for rule_id in denial.rules]
        if not rules or any("approve" not in rule for rule in rules):
            return None
        saturated = self._ask(question, dict.fromkeys(self._roles, SATURATED))
        if not saturated.allowed or saturated.errors:
            return None
        obligations = tuple(_obligation(rule_id, self._rules[rule_id]) for rule_id in denial.rules)
        people = ", ".join(f"{obligation.quorum} as {obligation.role}" for obligation in obligations)
        return Ruling(
            effect=RulingEffect.NEEDS_APPROVAL,
            obligations=obligations,
            rule_ids=denial.rules,
            policy_digest=self.digest,
            reason=f"people must approve: {people}",
        )

    def _forbidden(self, question: PolicyQuestion, denial: "_Answer") -> Ruling:
        if denial.rules:
            return self._forbid(denial.rules, f"forbidden by {', '.join(denial.rules)}")
        ruling = self._forbid((), f"no rule permits {question.server}.{question.tool} in {question.automation}")
        return ruling.model_copy(update={"allowing_rule": allowing_rule(question)})

    def _forbid(self, rules: tuple[str, ...], reason: str) -> Ruling:
        return Ruling(effect=RulingEffect.FORBID, rule_ids=rules, policy_digest=self.digest, reason=reason[:400])

    def _ask(
        self,
        question: PolicyQuestion,
        approvals: Mapping[str, int],
        policies: cedarpy.PolicySet | None = None,
    ) -> "_Answer":
        schema_text = action_schema(question.server, question.tool, question.input_schema, self._roles)
        principal = {"type": "User", "id": question.requester}
        request = {
            "principal": principal,
            "action": {"type": "Action", "id": f"{question.server}.{question.tool}"},
            "resource": {"type": "Server", "id": question.server},
            "context": _context(question, {role: n for role, n in approvals.items() if role in self._roles}),
        }
        parents = [{"type": "Role", "id": role} for role in question.roles]
        entities = [{"uid": principal, "attrs": {}, "parents": parents}]
        try:
            result = cedarpy.is_authorized(request, policies or self._policies, entities, _parsed_schema(schema_text))
        except ValueError as error:
            return _Answer(allowed=False, errors=(str(error),))
        named = result.diagnostics.id_annotations_by_reason
        unanswered = (
            () if result.decision is not cedarpy.Decision.NoDecision else ("the request does not fit the schema",)
        )
        return _Answer(
            allowed=result.decision is cedarpy.Decision.Allow,
            rules=tuple(sorted(named[reason] for reason in result.diagnostics.reasons)),
            errors=(*map(str, result.diagnostics.errors), *unanswered),
        )


class _Answer(Model):
    allowed: bool
    rules: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def allowing_rule(question: PolicyQuestion) -> str:
    """The narrowest Cedar rule that would permit this action in this automation."""
    name = f"{question.server}.{question.tool}"
    rule_id = re.sub(r"[^a-z0-9]+", "-", f"{question.automation} {name}".lower()).strip("-")
    conditions = [f"context.automation == {cedar_string(question.automation)}"]
    if question.purpose is Purpose.COMPENSATION:
        conditions.append('context.purpose == "compensation"')
    return (
        f"@id({cedar_string(rule_id)}) permit(principal, action == Action::{cedar_string(name)}, resource)"
        f" when {{ {' && '.join(conditions)} }};"
    )


def _context(question: PolicyQuestion, approvals: dict[str, int]) -> dict[str, JsonValue]:
    return {
        "automation": question.automation,
        "state": question.state,
        "step": question.step,
        "purpose": question.purpose.value,
        "effect_class": question.effect_class.value,
        "undoes_recorded_effect": question.undoes_recorded_effect,
        "kind": question.kind,
        "approvals": dict(approvals),
        "arguments": known_arguments(question.input_schema, question.arguments),
    }


@lru_cache(maxsize=512)
def _parsed_schema(text: str) -> cedarpy.Schema:
    return cedarpy.Schema.from_str(text)


def _only(text: str, effect: str, keep: str = "") -> cedarpy.PolicySet:
    """The rules of one effect, and the one called `keep`."""
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    parsed["staticPolicies"] = {
        name: policy
        for name, policy in parsed["staticPolicies"].items()
        if policy["effect"] == effect or policy.get("annotations", {}).get("id") == keep
    }
    return cedarpy.PolicySet.from_str(cedarpy.policies_from_json_str(json.dumps(parsed)))


def _all_optional(input_schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in input_schema.items() if name != "required"}


def _annotated_rules(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    rules: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        for annotations in _parse(name, text):
            rule_id = _checked(name, annotations)
            if rule_id in rules:
                raise PolicyBroken(f"{name}: the rule id {rule_id!r} is used twice; give each rule its own @id")
            rules[rule_id] = annotations
    return rules


def _parse(name: str, text: str) -> list[dict[str, str]]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyBroken(f"{name}: {error}") from error
    return [
        {**policy.get("annotations", {}), "effect": policy["effect"]} for policy in parsed["staticPolicies"].values()
    ]


def _checked(name: str, annotations: dict[str, str]) -> str:
    rule_id = annotations.get("id", "")
    if not rule_id:
        raise PolicyBroken(f'{name}: a rule has no @id; write @id("...") before every permit and forbid')
    unknown = sorted(annotations.keys() - ANNOTATIONS - {"effect"})
    if unknown:
        raise PolicyBroken(
            f"{name}: {rule_id}: unknown annotation @{unknown[0]}; known: {', '.join(sorted(ANNOTATIONS))}"
        )
    demands = annotations.keys() & {"approve", "quorum", "within"}
    if demands and (len(demands) != 3 or annotations["effect"] != "forbid"):
        raise PolicyBroken(f"{name}: {rule_id}: @approve, @quorum and @within stand together, on a forbid ... unless")
    if demands:
        try:
            _obligation(rule_id, annotations)
        except ValueError as error:
            raise PolicyBroken(
                f"{name}: {rule_id}: @approve is a role, @quorum a number from 1, @within a duration such as PT24H"
            ) from error
    return rule_id


def _obligation(rule_id: str, annotations: Mapping[str, str]) -> Obligation:
    """Raises ValueError (of which pydantic's ValidationError is one)."""
    within = _DURATION.validate_python(annotations["within"])
    quorum = int(annotations["quorum"])
    if quorum < 1 or within <= timedelta() or not annotations["approve"]:
        raise ValueError(f"nobody could fulfil {annotations!r}")
    return Obligation(role=annotations["approve"], quorum=quorum, within=within, rule_id=rule_id)

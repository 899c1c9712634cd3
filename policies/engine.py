"""The only reader of the Cedar rules: an action and the evidence for it in, a ruling out.

"Needs approval" is written as `forbid ... unless <evidence>` with the annotations @approve, @quorum and @within, so
that a forgotten annotation closes the door. Any error, unknown annotation or missing id refuses. Default deny.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cedarpy
from pydantic import JsonValue

from contracts.canonical import digest
from contracts.model import Model
from contracts.policy import Ruling, RulingEffect, people_demanded
from contracts.tools import Purpose, Share
from policies.annotations import by_id, obligation_of, problems_with, roles_asked
from policies.document import (
    TOTALS,
    PolicyBroken,
    cedar_files,
    declared_calendars,
    declared_totals,
    document_of,
    files_of,
    undeclared,
)
from policies.question import PolicyQuestion
from policies.rules import read_rules
from policies.schema import action_schema, cedar_string
from policies.totals import TotalsUnusable, load_totals, shares_of

__all__ = ["CedarRules", "PolicyBroken", "PolicyEngine", "PolicyQuestion", "allowing_rule"]
SATURATED = 1_000_000
_PERMIT_ALL_ID = "every-action"
_PERMIT_ALL = f'@id("{_PERMIT_ALL_ID}") permit(principal, action, resource);'


class PolicyEngine(Protocol):
    """The port: whoever rules, rules like this."""

    @property
    def digest(self) -> str:
        """Names the rules in force."""

    def rule(self, question: PolicyQuestion) -> Ruling:
        """Permit, needs approval (with obligations), or forbid; also what cannot be answered. Never raises."""

    @property
    def files(self) -> Mapping[str, str]:
        """The files of the document: the rules, and what they name (totals.toml, calendars.toml)."""

    def shares(self, question: PolicyQuestion, at: datetime) -> tuple[Share, ...]:
        """What the action adds to each running total of its tool. Raises CannotTotal when that cannot be told."""

    def could_permit(self, question: PolicyQuestion) -> bool:
        """Whether some arguments and some approvals could be permitted: what is never possible is not offered."""


class CedarRules:
    """The rules of one policy document, parsed once."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts`: file name -> Cedar text, or that of totals.toml and calendars.toml. Raises PolicyBroken."""
        self.files = dict(texts)
        cedar = cedar_files(texts)
        rules, unreadable = read_rules(cedar)
        for problem in (*unreadable, *problems_with(rules)):
            raise PolicyBroken(str(problem))
        self.rules = rules
        self._by_id = by_id(rules)
        try:
            self._total_rules = load_totals(self.files.get(TOTALS, ""))
        except TotalsUnusable as unusable:
            raise PolicyBroken(str(unusable)) from unusable
        self._roles = roles_asked(rules)
        named = {name for rule in rules for name in rule.attributes("totals")}
        self._totals = named | {total.name for total in self._total_rules}
        text = "\n".join(rule.text for rule in rules)
        self._policies = cedarpy.PolicySet.from_str(text)
        self._permits = _only(text, "permit")
        self._forbids = _only(text + _PERMIT_ALL, "forbid", keep=_PERMIT_ALL_ID)
        self.digest = digest({"files": dict(texts)})

    @classmethod
    def from_document(cls, content: JsonValue) -> "CedarRules":
        """The rules of a policy document, as the store has it. Raises PolicyBroken, also for undeclared names."""
        rules = cls(files_of(content))
        for problem in undeclared(rules.rules, declared_totals(rules.files), declared_calendars(rules.files)):
            raise PolicyBroken(str(problem))
        return rules

    @classmethod
    def load(cls, folders: Iterable[Path]) -> "CedarRules":
        """The rules of the policy folders, as they would be made active. Raises PolicyBroken."""
        return cls.from_document(document_of(folders))

    def rule(self, question: PolicyQuestion) -> Ruling:
        """See PolicyEngine.rule."""
        answer = self._ask(question, question.approvals)
        if answer.errors:
            return self._forbid(answer.rules, f"the rules could not be evaluated: {answer.errors[0]}")
        if answer.allowed:
            return Ruling(effect=RulingEffect.PERMIT, rule_ids=answer.rules, policy_digest=self.digest)
        never = self._ask(question, dict.fromkeys(self._roles, SATURATED))
        if not never.allowed:  # whoever signs: what only asks for signatures is no part of the reason
            return self._forbidden(question, never)
        return self._obliged(answer)

    def shares(self, question: PolicyQuestion, at: datetime) -> tuple[Share, ...]:
        """See PolicyEngine.shares."""
        return shares_of(
            self._total_rules,
            question.server,
            question.tool,
            question.arguments,
            requester=question.requester,
            automation=question.automation,
            at=at,
        )

    def could_permit(self, question: PolicyQuestion) -> bool:
        """See PolicyEngine.could_permit: rules that read arguments (and so fail without them) leave it open.

        So do rules that read the run's input, where the question has none.
        """
        open_question = question.model_copy(
            update={"arguments": {}, "input_schema": _all_optional(question.input_schema)}
        )
        saturated, known = dict.fromkeys(self._roles, SATURATED), bool(question.request)
        permitted = self._ask(open_question, saturated, self._permits, with_request=known)
        unforbidden = self._ask(open_question, saturated, self._forbids, with_request=known)
        return (permitted.allowed or bool(permitted.errors)) and unforbidden.allowed

    def _obliged(self, denial: "_Answer") -> Ruling:
        """Needs approval: signatures alone make a permit of the denial. A rule that does not say whose asks nobody."""
        rules = [self._by_id[rule_id] for rule_id in denial.rules]
        if unsaid := tuple(rule.id for rule in rules if "approve" not in rule.annotations):
            return self._forbid(unsaid, f"forbidden by {', '.join(unsaid)}")
        obligations = tuple(obligation_of(rule) for rule in rules)
        people = ", ".join(f"{quorum} as {role}" for role, quorum in people_demanded(obligations).items())
        return Ruling(
            effect=RulingEffect.NEEDS_APPROVAL,
            obligations=obligations,
            rule_ids=denial.rules,
            policy_digest=self.digest,
            reason=f"people must approve: {people}",
        )

    def _forbidden(self, question: PolicyQuestion, never: "_Answer") -> Ruling:
        if never.errors:
            return self._forbid(never.rules, f"the rules could not be evaluated: {never.errors[0]}")
        if never.rules:
            return self._forbid(never.rules, f"forbidden by {', '.join(never.rules)}")
        ruling = self._forbid((), f"no rule permits {question.action} in {question.automation}")
        return ruling.model_copy(update={"allowing_rule": allowing_rule(question)})

    def _forbid(self, rules: tuple[str, ...], reason: str) -> Ruling:
        return Ruling(effect=RulingEffect.FORBID, rule_ids=rules, policy_digest=self.digest, reason=reason[:400])

    def _ask(
        self,
        question: PolicyQuestion,
        approvals: Mapping[str, int],
        policies: cedarpy.PolicySet | None = None,
        *,
        with_request: bool = True,
    ) -> "_Answer":
        seen = question.request if with_request else None
        schema = action_schema(question.server, question.tool, question.input_schema, self._roles, self._totals, seen)
        counted = {role: count for role, count in approvals.items() if role in self._roles}
        totals = {name: total for name, total in question.totals.items() if name in self._totals}
        principal = {"type": "User", "id": question.requester}
        context = question.context(counted, totals)
        if not with_request:
            del context["request"]
        request = {
            "principal": principal,
            "action": {"type": "Action", "id": question.action},
            "resource": {"type": "Server", "id": question.server},
            "context": context,
        }
        parents = [{"type": "Role", "id": role} for role in question.roles]
        entities = [{"uid": principal, "attrs": {}, "parents": parents}]
        try:
            result = cedarpy.is_authorized(request, policies or self._policies, entities, _parsed_schema(schema))
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
    name = question.action
    rule_id = re.sub(r"[^a-z0-9]+", "-", f"{question.automation} {name}".lower()).strip("-")
    conditions = [f"context.automation == {cedar_string(question.automation)}"]
    if question.purpose is Purpose.COMPENSATION:
        conditions.append('context.purpose == "compensation"')
    return (
        f"@id({cedar_string(rule_id)}) permit(principal, action == Action::{cedar_string(name)}, resource)"
        f" when {{ {' && '.join(conditions)} }};"
    )


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

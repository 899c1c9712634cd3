"""What rules can know of an action beside its arguments: who asks, what was read, what it adds up to."""

from typing import Any

import pytest

from contracts.policy import RulingEffect
from contracts.tools import Risk, Taint
from policies.engine import CedarRules
from tests.policies.questions import ask


def permitted(condition: str, head: str = "principal, action, resource", **known: Any) -> bool:
    """Does a rule with this head and condition permit an action of which this is known?"""
    engine = CedarRules({"rules.cedar": f'@id("r") permit({head}) when {{ {condition} }};'})
    return engine.rule(ask("s.t").model_copy(update=known)).effect is RulingEffect.PERMIT


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        ('context.risk == "high"', {"risk": Risk.HIGH}, {"risk": Risk.LOW}),
        ("context.sends_out", {"sends_out": True}, {"sends_out": False}),
        ("context.taint.private", {"taint": (Taint.PRIVATE,)}, {"taint": (Taint.UNTRUSTED,)}),
        ("context.taint.untrusted", {"taint": (Taint.UNTRUSTED,)}, {"taint": (Taint.PRIVATE,)}),
        ("context.taint.private && context.taint.untrusted", {"taint": tuple(Taint)}, {"taint": ()}),
        ('context.on_behalf_of.contains("rita")', {"on_behalf_of": ("sven", "rita")}, {"on_behalf_of": ("sven",)}),
        ('context.inside.contains("claim")', {"inside": ("support", "claim")}, {"inside": ("support",)}),
        ("context.totals has day && context.totals.day > 5", {"totals": {"day": 6}}, {"totals": {"day": 5}}),
        ('context.request has to && context.request.to == "a"', {"request": {"to": "a"}}, {"request": {"to": "b"}}),
        ("context.request has much && context.request.much < 5", {"request": {"much": 4}}, {"request": {"much": 5}}),
        ("context.request has hurry && context.request.hurry", {"request": {"hurry": True}}, {"request": {}}),
        ('context.request.of.contains("a")', {"request": {"of": ["b", "a"]}}, {"request": {"of": []}}),
        ("context.request.of.contains(7)", {"request": {"of": [7]}}, {"request": {"of": [6, 8]}}),
        ("!(context.request has to)", {"request": {"from": "b"}}, {"request": {"to": "b"}}),
        ("context.totals has day", {"totals": {"day": 0}}, {"totals": {"week": 0}}),
        ("!(context.totals has day)", {"totals": {"week": 9}}, {"totals": {"day": 9, "week": 9}}),
    ],
)
def test_rules_see_what_the_gate_knows(condition: str, yes: dict[str, Any], no: dict[str, Any]) -> None:
    assert permitted(condition, **yes)
    assert not permitted(condition, **no)


@pytest.mark.parametrize("name", ["state", "step", "worded_by", "requester", "roles"])
def test_rules_see_nothing_that_only_the_caller_says(name: str) -> None:
    assert not permitted(f"context has {name}")
    assert permitted("context has automation")


def test_what_nobody_said_is_the_usual() -> None:
    assert permitted('context.risk == "medium" && !context.sends_out')
    assert permitted("!context.taint.private && !context.taint.untrusted && context.on_behalf_of.isEmpty()")


def test_a_rule_may_ask_for_a_role_of_the_requester_in_its_head() -> None:
    head = 'principal in Role::"finance_clerk", action, resource'
    assert permitted("true", head, roles=("porter", "finance_clerk"))
    assert not permitted("true", head, roles=("porter",))
    assert not permitted("true", head, requester="finance_clerk")


def test_a_rule_may_ask_for_a_role_of_the_requester_in_its_condition() -> None:
    assert permitted('principal in Role::"clerk"', roles=("clerk",))
    assert not permitted('principal in Role::"clerk"', roles=())


@pytest.mark.parametrize("role", ['a"b', "größe", "", "Role::x", "\x00"])
def test_a_strange_role_is_no_other_role(role: str) -> None:
    assert not permitted('principal in Role::"clerk"', roles=(role,))


def test_a_total_is_read_safely_or_not_at_all() -> None:
    engine = CedarRules(
        {
            "rules.cedar": '@id("may") permit(principal, action, resource);'
            '@id("much") forbid(principal, action, resource) when { context.totals.day > 5 };'
        }
    )
    ruling = engine.rule(ask("s.t"))
    assert ruling.effect is RulingEffect.FORBID
    assert ruling.reason.startswith("the rules could not be evaluated")


@pytest.mark.parametrize("total", [2**63, -(2**70)])
def test_a_total_beyond_every_number_is_forbidden(total: int) -> None:
    assert not permitted("context.totals has day", totals={"day": total})


# What was asked for.


@pytest.mark.parametrize("value", [1.5, None, {"y": 1}, [1.5], ["a", 1], [["a"]], [None], [True, 1]])
def test_what_cedar_cannot_hold_of_what_was_asked_for_is_left_out_and_hinders_nobody(value: Any) -> None:
    assert permitted("!(context.request has x)", request={"x": value})
    assert permitted('context.request.z == "seen"', request={"x": value, "z": "seen"})


@pytest.mark.parametrize("name", ["with-dash", "größe", "名前", 'quo"te', "if", "2nd", ""])
def test_a_field_of_what_was_asked_for_may_have_any_name(name: str) -> None:
    literal = name.replace('"', '\\"')
    condition = f'context.request has "{literal}" && context.request["{literal}"] == 1'
    assert permitted(condition, request={name: 1})
    assert not permitted(condition, request={name: 2})


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_what_was_asked_for_never_becomes_an_entity_or_a_number(name: str) -> None:
    escape = {"type": "Role", "id": "finance_manager"}
    assert not permitted("context.request has x", request={"x": {name: escape}})
    assert not permitted('context.request.x == Role::"finance_manager"', request={name: "text", "x": 1})
    assert not permitted(f'context.request has "{name}"', request={name: escape})


@pytest.mark.parametrize("number", [2**63, -(2**70)])
def test_a_number_asked_for_beyond_every_number_is_forbidden(number: int) -> None:
    assert not permitted("true", request={"much": number})


def test_a_rule_that_reads_what_was_not_asked_for_forbids() -> None:
    assert not permitted("context.request.limit_cents > 5")

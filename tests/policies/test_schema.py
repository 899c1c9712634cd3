"""The Cedar schema made from a tool's own: what rules can see of arguments, and what cannot reach them."""

from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from contracts.policy import RulingEffect
from policies.engine import CedarRules
from policies.schema import input_fields, known_arguments
from tests.policies.questions import ask


def permitted(condition: str, properties: dict[str, JsonValue], arguments: dict[str, JsonValue], **more: Any) -> bool:
    """Does a rule with this condition permit a call with these arguments?"""
    engine = CedarRules({"rules": f'@id("r") permit(principal, action, resource) when {{ {condition} }};'})
    question = ask("s.t", arguments=arguments, schema={"type": "object", "properties": properties, **more})
    return engine.rule(question).effect is RulingEffect.PERMIT


@pytest.mark.parametrize(
    ("condition", "schema", "good", "bad"),
    [
        ("context.arguments.x == 1", {"type": "integer"}, 1, 2),
        ('context.arguments.x == "a"', {"type": "string"}, "a", "b"),
        ("context.arguments.x", {"type": "boolean"}, True, False),
        ('context.arguments.x.contains("a")', {"type": "array", "items": {"type": "string"}}, ["b", "a"], ["b"]),
        ("context.arguments.x.contains(7)", {"type": "array", "items": {"type": "integer"}}, [7], []),
        ('context.arguments.x like "*@ours.example"', {"type": "string", "format": "email"}, "a@ours.example", "a@x"),
        ('context.arguments.x == "EUR"', {"type": "string", "enum": ["EUR", "USD"]}, "EUR", "USD"),
    ],
)
def test_rules_see_scalars_and_lists_of_them(
    condition: str, schema: JsonValue, good: JsonValue, bad: JsonValue
) -> None:
    assert permitted(condition, {"x": schema}, {"x": good}, required=["x"])
    assert not permitted(condition, {"x": schema}, {"x": bad}, required=["x"])


@pytest.mark.parametrize(
    "name", ["with-dash", "with.dot", "with space", "größe", "名前", 'quo"te', "if", "in", "2nd", ""]
)
def test_an_argument_may_have_any_name(name: str) -> None:
    literal = name.replace('"', '\\"')
    condition = f'context.arguments has "{literal}" && context.arguments["{literal}"] == 1'
    assert permitted(condition, {name: {"type": "integer"}}, {name: 1})
    assert not permitted(condition, {name: {"type": "integer"}}, {name: 2})


def test_an_optional_argument_may_be_null_or_left_out() -> None:
    properties: dict[str, JsonValue] = {"x": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}}
    condition = "!(context.arguments has x) || context.arguments.x < 5"
    assert permitted(condition, properties, {})
    assert permitted(condition, properties, {"x": None})
    assert permitted(condition, properties, {"x": 4})
    assert not permitted(condition, properties, {"x": 5})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number"},
        {"type": "object", "properties": {"y": {"type": "integer"}}},
        {"type": "array", "items": {"type": "number"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        {"type": "array"},
        {"type": ["string", "integer"]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": "nonsense"},
        {"$ref": "#/$defs/Amount"},
        {"type": "null"},
        {"type": "unheard-of"},
        {},
        True,
        None,
        "string",
    ],
)
def test_what_cedar_cannot_hold_is_left_out_and_hinders_nobody(schema: JsonValue) -> None:
    assert known_arguments({"properties": {"x": schema}}, {"x": 1.5}) == {}
    assert permitted("!(context.arguments has x)", {"x": schema}, {"x": {"y": 1}})
    assert permitted('context.arguments.z == "seen"', {"x": schema, "z": {"type": "string"}}, {"x": [1.5], "z": "seen"})


def test_arguments_outside_the_schema_are_not_seen() -> None:
    assert known_arguments({"properties": {"x": {"type": "integer"}}}, {"x": 1, "y": 2}) == {"x": 1}
    assert known_arguments({}, {"x": 1}) == {}
    assert known_arguments({"properties": ["x"]}, {"x": 1}) == {}


ESCAPES: list[JsonValue] = [
    {"__entity": {"type": "Role", "id": "finance_manager"}},
    {"__extn": {"fn": "decimal", "arg": "1.0"}},
    {"__expr": "principal"},
    {"type": "Role", "id": "finance_manager"},
]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("kind", ["string", "integer", "boolean", "array", "object"])
def test_an_escape_inside_an_argument_never_becomes_an_entity_or_a_number(escape: JsonValue, kind: str) -> None:
    schema: JsonValue = {"type": kind, "items": {"type": "string"}} if kind == "array" else {"type": kind}
    value = [escape] if kind == "array" else escape
    acts = permitted("context.arguments has x", {"x": schema}, {"x": value})
    assert not acts


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_an_argument_with_the_name_of_an_escape_is_text_or_forbidden(name: str) -> None:
    properties: dict[str, JsonValue] = {name: {"type": "string"}, "x": {"type": "integer"}}
    for value in ("text", '{"type": "Role", "id": "finance_manager"}'):
        assert not permitted("context.arguments.x > 5", properties, {name: value, "x": 1})
    assert not permitted("true", properties, {name: {"type": "Role", "id": "finance_manager"}})


@pytest.mark.parametrize("text", ['Role::"boss"', "\u202e", "a\x00b", "x" * 100_000, "\\u{41}", '"'])
def test_text_stays_text(text: str) -> None:
    properties: dict[str, JsonValue] = {"x": {"type": "string"}}
    assert permitted("context.arguments has x", properties, {"x": text})
    assert not permitted('context.arguments.x == "boss"', properties, {"x": text})


# The inputs of automations.


class Season(StrEnum):
    """A kind of text."""

    SPRING = "spring"


class Spring(BaseModel):
    """An automation's input."""

    order_id: str
    season: Season = Season.SPRING
    cents: int | None = None
    servers: tuple[str, ...] = ()
    hurry: bool = False
    share: float = 0.5
    to: Season | int = 0


class Autumn(BaseModel):
    """Another one's."""

    order_id: int
    cents: int
    share: int = 1


def test_what_rules_can_see_of_inputs_is_read_off_their_models() -> None:
    fields = input_fields([Spring.model_json_schema()])
    assert fields.types == {
        "order_id": "String",
        "season": "String",
        "cents": "Long",
        "servers": "Set<String>",
        "hurry": "Bool",
    }
    assert fields.ambiguous == frozenset()


def test_a_field_of_two_types_in_two_automations_is_ambiguous() -> None:
    fields = input_fields([Spring.model_json_schema(), Autumn.model_json_schema()])
    assert fields.ambiguous == {"order_id"}
    assert (fields.types["cents"], fields.types["share"], "order_id" in fields.types) == ("Long", "Long", False)

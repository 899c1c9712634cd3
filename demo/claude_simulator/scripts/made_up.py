"""Every automation without a script: an answer of the wanted shape, made up, and no tool is called."""

import json

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.json_values import Json, JsonObject

MADE_UP = "made up by the simulator"


def make_up(request: Request) -> Answer:
    if request.answer_schema is None:
        return Answer(f"There is no script for this, so what I say is {MADE_UP}.")
    return Answer(json.dumps(_value(request.answer_schema, request.answer_schema, "answer")))


def _value(schema: JsonObject, whole: JsonObject, name: str) -> Json:
    """Something that fits; of several things nothing, where that is one of them, else the first."""
    if isinstance(reference := schema.get("$ref"), str):
        return _value(_defined(whole, reference), whole, name)
    if isinstance(choices := schema.get("anyOf"), list):
        objects = [choice for choice in choices if isinstance(choice, dict)]
        return None if {"type": "null"} in objects else _value(objects[0], whole, name)
    if isinstance(values := schema.get("enum"), list):
        return values[0]
    if "const" in schema:
        return schema["const"]
    return _of_type(schema, whole, name)


def _of_type(schema: JsonObject, whole: JsonObject, name: str) -> Json:
    match schema.get("type"):
        case "object":
            inner = _object(schema, "properties")
            return {key: _value(value, whole, key) for key, value in inner.items() if isinstance(value, dict)}
        case "array":
            return []
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return f"{name}, {MADE_UP}"


def _defined(whole: JsonObject, reference: str) -> JsonObject:
    return _object(_object(whole, "$defs"), reference.removeprefix("#/$defs/"))


def _object(values: JsonObject, name: str) -> JsonObject:
    value = values.get(name)
    return value if isinstance(value, dict) else {}

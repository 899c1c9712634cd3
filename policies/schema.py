"""The Cedar schema of actions, made from the tools' own input schemas. Amounts are integers; there are no floats."""

import json
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from contracts.model import Model

_CONTEXT = """automation: String, purpose: String, effect_class: String, risk: String,
    sends_out: Bool, undoes_recorded_effect: Bool, kind: String, on_behalf_of: Set<String>,
    inside: Set<String>,
    taint: { private: Bool, untrusted: Bool }"""
_ENTITIES = """
entity Role;
entity User in [Role];
entity Server;
"""
_SCALARS = {"integer": "Long", "string": "String", "boolean": "Bool"}
_HELD_AS = {int: "Long", str: "String", bool: "Bool"}


class InputFields(Model):
    """The fields that inputs of automations have, as far as rules can see them."""

    types: dict[str, str] = {}
    """Name -> Cedar type."""
    ambiguous: frozenset[str] = frozenset()
    """Those that two automations have with different types: rules about them cannot be checked."""


def action_schema(
    server: str,
    tool: str,
    input_schema: Mapping[str, JsonValue],
    approver_roles: Iterable[str],
    totals: Iterable[str] = (),
    request: Mapping[str, JsonValue] | None = None,
) -> str:
    """Cedar schema text with the one action `server.tool`, its arguments, the approvals and totals there can be.

    `request`: the input of the run, of which every value has a type; None: it is not known, and rules cannot read it.
    """
    known = _counts(approver_roles, totals)
    if request is not None:
        known += _input({name: _held_as(value) for name, value in known_input(request).items()})
    return _ENTITIES + _action(f"{server}.{tool}", input_schema, known)


def whole_schema(
    tools: Mapping[str, Mapping[str, JsonValue]],
    approver_roles: Iterable[str],
    totals: Iterable[str],
    inputs: Mapping[str, str],
) -> str:
    """Cedar schema text with every tool; `tools`: `server.tool` -> its input schema; `inputs`: InputFields.types."""
    known = _counts(approver_roles, totals) + _input(inputs)
    return _ENTITIES + "".join(_action(name, tools[name], known) for name in sorted(tools))


def _action(name: str, input_schema: Mapping[str, JsonValue], known: str) -> str:
    return f"""action {cedar_string(name)} appliesTo {{
  principal: User, resource: Server,
  context: {{ {_CONTEXT},{known}
    arguments: {{ {_arguments(input_schema)} }} }}
}};
"""


def _counts(approver_roles: Iterable[str], totals: Iterable[str]) -> str:
    approvals, sums = _optional(dict.fromkeys(approver_roles, "Long")), _optional(dict.fromkeys(totals, "Long"))
    return f"""
    approvals: {{ {approvals} }},
    totals: {{ {sums} }},"""


def _input(types: Mapping[str, str]) -> str:
    return f"""
    request: {{ {_optional(types)} }},"""


def _optional(types: Mapping[str, str]) -> str:
    return ", ".join(f"{cedar_string(name)}?: {types[name]}" for name in sorted(types))


def cedar_string(text: str) -> str:
    """`text` as a Cedar string literal. Like JSON's, but other letters stand as they are."""
    return json.dumps(text, ensure_ascii=False)


def known_arguments(input_schema: Mapping[str, JsonValue], arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments that rules can see: top-level integers, strings, booleans, and lists of them."""
    types = _argument_types(input_schema)
    return {name: value for name, value in arguments.items() if name in types and value is not None}


def known_input(request: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The fields of an input that rules can see, by their values: as of arguments, whatever its model says of them."""
    return {name: value for name, value in request.items() if _held_as(value)}


def input_fields(inputs: Iterable[Mapping[str, JsonValue]]) -> InputFields:
    """What the inputs of all automations have, by their JSON schemas."""
    found: dict[str, set[str]] = {}
    for schema in inputs:
        for name, cedar in _argument_types(_with_references(schema)).items():
            found.setdefault(name, set()).add(cedar)
    return InputFields(
        types={name: types.pop() for name, types in found.items() if len(types) == 1},
        ambiguous=frozenset(name for name, types in found.items() if len(types) > 1),
    )


def _arguments(input_schema: Mapping[str, JsonValue]) -> str:
    required = input_schema.get("required", [])
    names = required if isinstance(required, list) else []
    return ", ".join(
        f"{cedar_string(name)}{'' if name in names else '?'}: {cedar}"
        for name, cedar in _argument_types(input_schema).items()
    )


def _argument_types(input_schema: Mapping[str, JsonValue]) -> dict[str, str]:
    properties = input_schema.get("properties", {})
    if not isinstance(properties, dict):
        return {}
    typed = {name: _cedar_type(schema) for name, schema in properties.items()}
    return {name: cedar for name, cedar in typed.items() if cedar}


def _cedar_type(schema: JsonValue) -> str:
    if not isinstance(schema, dict):
        return ""
    if "anyOf" in schema:
        return _optional_type(schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        inner = _cedar_type(schema.get("items"))
        return f"Set<{inner}>" if inner and not inner.startswith("Set") else ""
    return _SCALARS.get(kind, "") if isinstance(kind, str) else ""


def _optional_type(options: JsonValue) -> str:
    """`anyOf` of one type and null, as pydantic writes an optional argument."""
    if not isinstance(options, list):
        return ""
    typed = [option for option in options if not (isinstance(option, dict) and option.get("type") == "null")]
    return _cedar_type(typed[0]) if len(typed) == 1 else ""


def _held_as(value: JsonValue) -> str:
    """The Cedar type of a value; empty when rules cannot see it. An empty list passes for one of texts."""
    if isinstance(value, list):
        inner = {_HELD_AS.get(type(each), "") for each in value} or {"String"}
        return f"Set<{inner.pop()}>" if len(inner) == 1 and "" not in inner else ""
    return _HELD_AS.get(type(value), "")


def _with_references(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A model's JSON schema with what its properties refer to, such as an enum, in their places."""
    properties, definitions = schema.get("properties"), schema.get("$defs")
    if not isinstance(properties, dict) or not isinstance(definitions, dict):
        return dict(schema)
    known = {f"#/$defs/{name}": definition for name, definition in definitions.items()}
    return {"properties": {name: known.get(_reference(each), each) for name, each in properties.items()}}


def _reference(schema: JsonValue) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, dict) else ""

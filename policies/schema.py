"""The Cedar schema of actions, made from the tools' own input schemas. Amounts are integers; there are no floats."""

import json
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

_CONTEXT = """automation: String, purpose: String, effect_class: String, risk: String,
    sends_out: Bool, undoes_recorded_effect: Bool, kind: String, on_behalf_of: Set<String>,
    taint: { private: Bool, untrusted: Bool }"""
_ENTITIES = """
entity Role;
entity User in [Role];
entity Server;
"""
_SCALARS = {"integer": "Long", "string": "String", "boolean": "Bool"}


def action_schema(
    server: str,
    tool: str,
    input_schema: Mapping[str, JsonValue],
    approver_roles: Iterable[str],
    totals: Iterable[str] = (),
) -> str:
    """Cedar schema text with the one action `server.tool`, its arguments, the approvals and totals there can be."""
    return _ENTITIES + _action(f"{server}.{tool}", input_schema, _counts(approver_roles), _counts(totals))


def whole_schema(
    tools: Mapping[str, Mapping[str, JsonValue]], approver_roles: Iterable[str], totals: Iterable[str]
) -> str:
    """Cedar schema text with every tool; `tools`: `server.tool` -> its input schema."""
    approvals, sums = _counts(approver_roles), _counts(totals)
    return _ENTITIES + "".join(_action(name, tools[name], approvals, sums) for name in sorted(tools))


def _action(name: str, input_schema: Mapping[str, JsonValue], approvals: str, totals: str) -> str:
    return f"""action {cedar_string(name)} appliesTo {{
  principal: User, resource: Server,
  context: {{ {_CONTEXT},
    approvals: {{ {approvals} }},
    totals: {{ {totals} }},
    arguments: {{ {_arguments(input_schema)} }} }}
}};
"""


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{cedar_string(name)}?: Long" for name in sorted(names))


def cedar_string(text: str) -> str:
    """`text` as a Cedar string literal. Like JSON's, but other letters stand as they are."""
    return json.dumps(text, ensure_ascii=False)


def known_arguments(input_schema: Mapping[str, JsonValue], arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments that rules can see: top-level integers, strings, booleans, and lists of them."""
    types = _argument_types(input_schema)
    return {name: value for name, value in arguments.items() if name in types and value is not None}


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

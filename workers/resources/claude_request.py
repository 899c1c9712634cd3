"""A question as the Messages API takes it: cache breakpoints, tools, closed answer schema, effort."""

from pydantic import JsonValue

from activities.claude_port import ClaudeQuestion

Json = dict[str, JsonValue]

_CACHED: Json = {"type": "ephemeral"}
_SETTLED = 2
"""Breakpoints beside the one after the system prompt and the one after the last message."""
CONTEXT_EDITING = "context-management-2025-06-27"
"""The beta of the Messages API that clears older results."""
BETA_FIELDS = ("context_management",)
"""Fields of a body that the SDK's own parameters do not know."""
_UNCACHEABLE = ("thinking", "redacted_thinking")
_ONE_SCHEMA = ("items", "contains", "not", "if", "then", "else", "propertyNames")
_MANY_SCHEMAS = ("anyOf", "allOf", "oneOf", "prefixItems")
_TOLD_IN_WORDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "uniqueItems",
)
_NAMED_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


def body_of(question: ClaudeQuestion) -> Json:
    """The body of the request. Four cache breakpoints at most (that many the API takes).

    After tools and system, after what is settled, and after the last message; what closes it stands behind that.
    """
    body: Json = {
        "model": question.model,
        "max_tokens": question.max_tokens,
        "messages": _messages(question),
        "stream": True,
    }
    tools: list[JsonValue] = [tool.model_dump(mode="json") for tool in question.tools]
    if question.system:
        body["system"] = [{"type": "text", "text": question.system, "cache_control": _CACHED}]
    elif tools and isinstance(last := tools[-1], dict):
        tools[-1] = {**last, "cache_control": _CACHED}
    if tools:
        body["tools"] = tools
    if output := _output(question):
        body["output_config"] = output
    if question.clear_at_input_tokens:
        body["context_management"] = _editing(question)
    return body


def headers_of(question: ClaudeQuestion) -> dict[str, str]:
    """What the Messages API must be told beside the body."""
    return {"anthropic-beta": CONTEXT_EDITING} if question.clear_at_input_tokens else {}


def _editing(question: ClaudeQuestion) -> Json:
    clearing: Json = {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "input_tokens", "value": question.clear_at_input_tokens},
        "keep": {"type": "tool_uses", "value": question.keep_tool_uses},
    }
    return {"edits": [clearing]}


def _output(question: ClaudeQuestion) -> Json:
    output: Json = {}
    if question.answer_schema is not None:
        output["format"] = {"type": "json_schema", "schema": closed(question.answer_schema)}
    if question.effort:
        output["effort"] = question.effort
    return output


def _messages(question: ClaudeQuestion) -> list[JsonValue]:
    marked = {*question.settled[-_SETTLED:], len(question.messages) - 1}
    messages: list[Json] = [
        _with_breakpoint(message) if index in marked else message for index, message in enumerate(question.messages)
    ]
    if question.closing and messages:
        messages[-1] = _closed_by(messages[-1], question.closing)
    return list(messages)


def _closed_by(message: Json, closing: str) -> Json:
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return {**message, "content": [*blocks, {"type": "text", "text": closing}]}


def _with_breakpoint(message: Json) -> Json:
    content = message.get("content")
    if isinstance(content, str) and content:
        return {**message, "content": [{"type": "text", "text": content, "cache_control": _CACHED}]}
    if not isinstance(content, list) or not content or not isinstance(last := content[-1], dict):
        return message
    if last.get("type") in _UNCACHEABLE:
        return message
    return {**message, "content": [*content[:-1], {**last, "cache_control": _CACHED}]}


def closed(schema: Json) -> Json:
    """The schema as structured answers require it: every object closed, constraints told in words.

    The API enforces shape, not numbers or lengths; whoever receives the answer checks those.
    """
    shut = {name: _inside(name, value) for name, value in schema.items() if name not in _TOLD_IN_WORDS}
    if told := {name: schema[name] for name in _TOLD_IN_WORDS if name in schema}:
        words = ", ".join(f"{name}: {value}" for name, value in told.items())
        shut["description"] = f"{schema.get('description', '')} ({words})".strip()
    kind = shut.get("type")
    if "properties" in shut or kind == "object" or (isinstance(kind, list) and "object" in kind):
        shut["additionalProperties"] = False
    return shut


def _inside(name: str, value: JsonValue) -> JsonValue:
    if name in _ONE_SCHEMA and isinstance(value, dict):
        return closed(value)
    if name in _MANY_SCHEMAS and isinstance(value, list):
        return [closed(item) if isinstance(item, dict) else item for item in value]
    if name in _NAMED_SCHEMAS and isinstance(value, dict):
        return {key: closed(item) if isinstance(item, dict) else item for key, item in value.items()}
    return value

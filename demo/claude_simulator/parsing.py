"""From the bytes of a request to a `Request`: shapes only; what shapes cannot say is in rules.py."""

import json
import re

from demo.claude_simulator.conversation import (
    Block,
    Message,
    Other,
    Request,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
)
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.fields import Fields, objects_of
from demo.claude_simulator.json_values import JsonObject
from demo.claude_simulator.rules import check_conversation, check_schema
from demo.claude_simulator.usage import check_breakpoints

COUNTED = {
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
}
ACCEPTED = COUNTED | {
    "max_tokens",
    "stream",
    "stop_sequences",
    "metadata",
    "service_tier",
    "inference_geo",
    "diagnostics",
    "context_management",
}
SAMPLING = ("temperature", "top_p", "top_k")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ALWAYS_THINK = re.compile(r"claude-(opus|fable|mythos)-")
BLOCK_FIELDS = {
    "text": {"text", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "image": {"source"},
    "document": {"source", "title", "context", "citations"},
}


def parse_request(fields: Fields, counting: bool = False) -> Request:
    _check_parameters(fields, COUNTED if counting else ACCEPTED)
    thinks, shows = _read_thinking(fields)
    request = Request(
        model=_read_model(fields),
        max_tokens=0 if counting else _read_max_tokens(fields),
        system=_read_system(fields),
        messages=tuple(_read_message(message) for message in fields.objects("messages")),
        tools=_read_tools(fields),
        answer_schema=_read_answer_schema(fields),
        stream=fields.flag("stream"),
        thinks=thinks,
        shows_thinking=shows,
        one_call_at_a_time=fields.has("tool_choice") and fields.object("tool_choice").flag("disable_parallel_tool_use"),
        wire=fields.values,
    )
    check_conversation(request)
    check_breakpoints(request)
    return request


def _check_parameters(fields: Fields, accepted: set[str]) -> None:
    for name in SAMPLING:
        if name in fields.values:
            raise ApiError(f"`{name}` is not supported; remove it (sampling parameters were retired)")
    fields.only(accepted)


def _read_model(fields: Fields) -> str:
    model = fields.text("model")
    if not model.startswith("claude-"):
        raise ApiError(f"model: {model}", "not_found_error")
    return model


def _read_max_tokens(fields: Fields) -> int:
    max_tokens = fields.whole("max_tokens")
    if max_tokens < 1:
        raise ApiError("max_tokens: Input should be greater than or equal to 1")
    return max_tokens


def _read_thinking(fields: Fields) -> tuple[bool, bool]:
    if not fields.has("thinking"):
        return True, False
    thinking = fields.object("thinking")
    kind = thinking.text("type")
    if kind not in ("adaptive", "enabled", "disabled", "between_tools"):
        raise ApiError(f"{thinking.at('type')}: Input tag {kind!r} does not match any of the expected tags")
    if kind in ("enabled", "disabled") and ALWAYS_THINK.match(fields.text("model")):
        raise ApiError(f"thinking.type: {kind!r} is not supported for this model; use 'adaptive'")
    return kind != "disabled", thinking.text("display", "omitted") == "summarized"


def _read_system(fields: Fields) -> str:
    if isinstance(fields.values.get("system"), list):
        return "\n".join(block.text("text") for block in fields.objects("system"))
    return fields.text("system", "")


def _read_message(message: Fields) -> Message:
    message.only({"role", "content"})
    role = message.text("role")
    if role not in ("user", "assistant", "system"):
        raise ApiError(f"{message.at('role')}: Input should be 'user', 'assistant' or 'system'")
    blocks = tuple(_read_block(block, role) for block in _content_of(message))
    if not blocks:
        raise ApiError(f"{message.path}: all messages must have non-empty content")
    return Message(role, blocks)


def _content_of(holder: Fields) -> list[Fields]:
    content = holder.values.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise ApiError(f"{holder.at('content')}: Input should be a valid string or list")
    return objects_of(content, holder.at("content"))


def _read_block(block: Fields, role: str) -> Block:
    kind = block.text("type")
    if kind not in BLOCK_FIELDS:
        raise ApiError(f"{block.path}: Input tag {kind!r} does not match any of the expected tags")
    block.only(BLOCK_FIELDS[kind] | {"type", "cache_control"})
    if kind in ("thinking", "redacted_thinking", "tool_use") and role != "assistant":
        raise ApiError(f"{block.path}: `{kind}` blocks can only be in `assistant` messages")
    if kind == "tool_result" and role != "user":
        raise ApiError(f"{block.path}: `tool_result` blocks can only be in `user` messages")
    match kind:
        case "text":
            return _read_text(block)
        case "thinking":
            return Thinking(block.text("thinking"), block.text("signature"))
        case "tool_use":
            arguments = json.dumps(block.object("input").values)
            return ToolUse(block.text("id"), block.text("name"), arguments)
        case "tool_result":
            return ToolResult(block.text("tool_use_id"), _result_text(block), block.flag("is_error"))
        case _:
            return Other(kind)


def _read_text(block: Fields) -> Text:
    text = block.text("text")
    if not text.strip():
        raise ApiError("messages: text content blocks must contain non-whitespace text")
    return Text(text)


def _result_text(block: Fields) -> str:
    if not block.has("content"):
        return ""
    content = block.values["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part.text("text") for part in _content_of(block) if part.text("type") == "text")


def _read_tools(fields: Fields) -> tuple[Tool, ...]:
    tools = tuple(_read_tool(tool) for tool in fields.objects("tools")) if fields.has("tools") else ()
    if len({tool.name for tool in tools}) != len(tools):
        raise ApiError("tools: Tool names must be unique.")
    return () if _choice(fields, bool(tools)) == "none" else tools


def _choice(fields: Fields, offers_tools: bool) -> str:
    if not fields.has("tool_choice"):
        return "auto"
    choice = fields.object("tool_choice").text("type")
    if choice in ("any", "tool"):
        raise ApiError(f"tool_choice.type: {choice!r} forces tool use, which this model does not support")
    if choice not in ("auto", "none"):
        raise ApiError(f"tool_choice: Input tag {choice!r} does not match any of the expected tags")
    if not offers_tools:
        raise ApiError("tool_choice: may only be specified while providing `tools`")
    return choice


def _read_tool(tool: Fields) -> Tool:
    name = tool.text("name")
    if not TOOL_NAME.fullmatch(name):
        raise ApiError(f"{tool.at('name')}: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$', is {name!r}")
    schema = tool.object("input_schema")
    if schema.text("type") != "object":
        raise ApiError(f"{schema.at('type')}: Input should be 'object'")
    if tool.flag("strict"):
        check_schema(schema)
    properties = schema.object("properties").values if schema.has("properties") else {}
    required = schema.values.get("required") or []
    if not isinstance(required, list):
        raise ApiError(f"{schema.at('required')}: Input should be a valid list")
    return Tool(name, frozenset(properties), frozenset(str(item) for item in required))


def _read_answer_schema(fields: Fields) -> JsonObject | None:
    if not fields.has("output_config"):
        return None
    config = fields.object("output_config")
    config.only({"format", "effort"})
    if config.has("effort") and config.text("effort") not in EFFORTS:
        raise ApiError(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    if not config.has("format"):
        return None
    wanted = config.object("format")
    if wanted.text("type") != "json_schema":
        raise ApiError("output_config.format.type: Input should be 'json_schema'")
    schema = wanted.object("schema")
    check_schema(schema)
    return schema.values

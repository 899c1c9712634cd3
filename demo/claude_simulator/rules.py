"""What the API refuses although every field is well shaped; each of these is a bug of the caller."""

from itertools import pairwise

from demo.claude_simulator.conversation import Message, Request, Thinking, ToolResult
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.fields import Fields
from demo.claude_simulator.seals import came_with_thinking, is_own_signature

UNENFORCED = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
)


def check_conversation(request: Request) -> None:
    # System messages may stand anywhere after the first message; they do not take turns.
    numbered = [(n, message) for n, message in enumerate(request.messages) if message.role != "system"]
    _check_order(numbered)
    _check_tool_results(numbered)
    _check_thinking(numbered, request.model)


def _check_order(numbered: list[tuple[int, Message]]) -> None:
    if not numbered:
        raise ApiError("messages: at least one message is required")
    if numbered[0][1].role != "user":
        raise ApiError("messages: first message must use the `user` role")
    for (_, before), (number, message) in pairwise(numbered):
        if before.role == message.role:
            raise ApiError(
                f"messages.{number}: roles must alternate between `user` and `assistant`, "
                f"but found multiple `{message.role}` roles in a row"
            )
    if numbered[-1][1].role != "user":
        raise ApiError(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_tool_results(numbered: list[tuple[int, Message]]) -> None:
    """Each tool call is answered once, in the very next message, before any text."""
    before = Message("user", ())
    for number, message in numbered:
        asked = [use.id for use in before.tool_uses]
        answered = [result.tool_use_id for result in message.tool_results]
        for tool_use_id in answered:
            if tool_use_id not in asked:
                raise ApiError(
                    f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block "
                    "in the previous message."
                )
            if answered.count(tool_use_id) > 1:
                raise ApiError(f"messages.{number}: each tool_use must have a single result, {tool_use_id} has more")
        missing = [tool_use_id for tool_use_id in asked if tool_use_id not in answered]
        first = message.blocks[: len(asked)]
        if missing or not all(isinstance(block, ToolResult) for block in first):
            raise ApiError(
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately "
                f"after: {', '.join(missing or asked)}. Each `tool_use` block must have a corresponding "
                "`tool_result` block at the beginning of the next message."
            )
        _check_ids_differ(number, message)
        before = message


def _check_ids_differ(number: int, message: Message) -> None:
    ids = [use.id for use in message.tool_uses]
    if len(set(ids)) != len(ids):
        raise ApiError(f"messages.{number}: `tool_use` ids must be unique")


def _check_thinking(numbered: list[tuple[int, Message]], model: str) -> None:
    answers = [(number, message) for number, message in numbered if message.role == "assistant"]
    for number, message in answers:
        for block in message.blocks:
            if isinstance(block, Thinking) and not is_own_signature(model, block.thinking, block.signature):
                raise ApiError(f"messages.{number}: Invalid `signature` in `thinking` block")
    for number, message in answers[-1:]:
        dropped = not any(isinstance(block, Thinking) for block in message.blocks)
        if dropped and any(came_with_thinking(model, use.id) for use in message.tool_uses):
            raise ApiError(
                f"messages.{number}: `thinking` blocks in the latest assistant message cannot be modified "
                "or left out while its tool calls are being answered"
            )


def check_schema(schema: Fields) -> None:
    """Constrained output supports less than JSON Schema does."""
    for name in UNENFORCED:
        if name in schema.values:
            raise ApiError(f"{schema.path}: property '{name}' is not supported in this schema")
    if schema.values.get("type") == "object" and schema.values.get("additionalProperties") is not False:
        raise ApiError(f"{schema.path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name in ("properties", "$defs"):
        inner = schema.object(name) if schema.has(name) else Fields({})
        for key in inner.values:
            check_schema(inner.object(key))
    if isinstance(schema.values.get("items"), dict):
        check_schema(schema.object("items"))
    for option in schema.objects("anyOf") if schema.has("anyOf") else []:
        check_schema(option)

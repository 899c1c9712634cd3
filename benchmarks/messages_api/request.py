"""A request as the script sees it; what the real API would refuse is refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.exchange import Asked, Json

MOST_BREAKPOINTS = 4


class Refused(ValueError):
    """The API would refuse this request, or the script lacks a value that it needs."""


@dataclass(frozen=True)
class ToolUse:
    """A tool call of an earlier turn, and what came back."""

    name: str
    input: Json
    text: str
    """What is shown of its result in this request."""
    failed: bool


@dataclass(frozen=True)
class Request:
    """One request for a message."""

    model: str
    system: list[Json]
    messages: list[Json]
    tools: list[Json]
    stream: bool
    cached_as_a_whole: bool
    """The breakpoint that the API sets by itself, after the last block."""

    @cached_property
    def offered(self) -> frozenset[str]:
        """Names of the tools."""
        return frozenset(str(tool["name"]) for tool in self.tools)

    @cached_property
    def uses(self) -> tuple[ToolUse, ...]:
        """The answered tool calls that are shown, in their order."""
        results = {block["tool_use_id"]: block for block in self._blocks("user") if block["type"] == "tool_result"}
        return tuple(
            ToolUse(block["name"], block["input"], text_of(result), bool(result.get("is_error")))
            for block in self._blocks("assistant")
            if block["type"] == "tool_use" and (result := results.get(block["id"])) is not None
        )

    def said(self) -> Iterator[str]:
        """What stands in system and user texts, tool results left out."""
        for block in self.system:
            yield str(block.get("text", ""))
        for block in self._blocks("user"):
            if block["type"] == "text":
                yield str(block["text"])

    def _blocks(self, role: str) -> Iterator[Json]:
        for message in self.messages:
            if message["role"] == role:
                yield from message["content"]


def text_of(result: Json) -> str:
    """The text of a tool result."""
    content = result.get("content", "")
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def read_request(asked: Asked) -> Request:
    """The request. Raises Refused as the API would."""
    if not (asked.headers.get("authorization") or asked.headers.get("x-api-key")):
        raise Refused("authorization: header is required")
    if not asked.headers.get("anthropic-version"):
        raise Refused("anthropic-version: header is required")
    body = asked.json()
    for name in ("model", "max_tokens", "messages"):
        if not body.get(name):
            raise Refused(f"{name}: Field required")
    request = Request(
        model=body["model"],
        system=_blocks_of(body.get("system") or []),
        messages=[{"role": message["role"], "content": _blocks_of(message["content"])} for message in body["messages"]],
        tools=body.get("tools") or [],
        stream=bool(body.get("stream")),
        cached_as_a_whole="cache_control" in body,
    )
    _check_turns(request.messages)
    return request


def _blocks_of(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_turns(messages: list[Json]) -> None:
    """Roles alternate, beginning and ending with the user; each call is answered in the very next message, first."""
    for number, message in enumerate(messages):
        if message["role"] != ("user", "assistant")[number % 2]:
            raise Refused(f"messages.{number}: roles must alternate, beginning with `user`")
        if not message["content"]:
            raise Refused(f"messages.{number}: all messages must have non-empty content")
        before = messages[number - 1]["content"] if number % 2 == 0 and number else []
        asked = [block["id"] for block in before if block["type"] == "tool_use"]
        first = [block.get("tool_use_id") for block in message["content"][: len(asked)]]
        answered = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        if sorted(asked) != sorted(answered) or sorted(map(str, first)) != sorted(asked):
            raise Refused(f"messages.{number}: each `tool_use` must have its `tool_result` first in the next message")
    if len(messages) % 2 == 0:
        raise Refused("the conversation must end with a user message")

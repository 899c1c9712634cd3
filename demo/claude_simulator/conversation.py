"""A request as scripts and rules see it: messages of typed blocks, tools offered, the answer wanted."""

import json
from dataclasses import dataclass

from demo.claude_simulator.json_values import Json, JsonObject


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Thinking:
    thinking: str
    signature: str


@dataclass(frozen=True)
class ToolUse:
    """A tool call; `arguments` is JSON text, because an answer that is cut leaves half of it."""

    id: str
    name: str
    arguments: str

    @property
    def input(self) -> JsonObject:
        """The arguments, empty when they were cut: nobody may act on half of them."""
        try:
            value: Json = json.loads(self.arguments)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class ToolResult:
    tool_use_id: str
    text: str
    is_error: bool


@dataclass(frozen=True)
class Other:
    """A block without words for the scripts: an image, a document, redacted thinking."""

    type: str


Block = Text | Thinking | ToolUse | ToolResult | Other


@dataclass(frozen=True)
class Message:
    role: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.blocks if isinstance(block, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolUse))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolResult))


@dataclass(frozen=True)
class Tool:
    name: str
    properties: frozenset[str]
    required: frozenset[str]


@dataclass(frozen=True)
class Request:
    """A request that has passed the rules."""

    model: str
    max_tokens: int
    system: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    answer_schema: JsonObject | None
    stream: bool
    thinks: bool
    shows_thinking: bool
    one_call_at_a_time: bool
    wire: JsonObject

    @property
    def turn(self) -> int:
        """Which answer of Claude in this conversation the request asks for, counted from 1."""
        return 1 + sum(message.role == "assistant" for message in self.messages)

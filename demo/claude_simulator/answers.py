"""From what a script says to a message of the API, and to the events in which it is streamed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from demo.claude_simulator.conversation import Request, Text, Thinking, ToolUse
from demo.claude_simulator.json_values import JsonObject
from demo.claude_simulator.seals import name_tool_use, sign_thinking
from demo.claude_simulator.usage import CHARACTERS_PER_TOKEN, Usage, tokens_of

WORDS_PER_EVENT = 3
ARGUMENTS_PER_EVENT = 7  # short, so that cuts fall inside numbers and names

Part = Text | Thinking | ToolUse
Event = tuple[str, JsonObject]


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: JsonObject


@dataclass(frozen=True)
class Answer:
    """What a script says: a thought, words, and the tools it wants called side by side."""

    text: str
    thought: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Reply:
    """An assistant message as it goes out."""

    id: str
    model: str
    parts: tuple[Part, ...]
    stop_reason: str
    usage: Usage
    stop_details: JsonObject | None = None

    @property
    def output_tokens(self) -> int:
        return max(1, tokens_of(sum(_length(part) for part in self.parts)))

    def to_json(self) -> JsonObject:
        return {
            **self._head(),
            "content": [_part_json(part) for part in self.parts],
            "stop_reason": self.stop_reason,
            "stop_details": self.stop_details,
            "usage": self.usage.to_json(self.output_tokens),
        }

    def events(self) -> Iterator[Event]:
        head = {**self._head(), "content": [], "stop_reason": None, "usage": self.usage.to_json(1)}
        yield "message_start", {"message": head}
        for index, part in enumerate(self.parts):
            yield "content_block_start", {"index": index, "content_block": _empty(part)}
            if index == 0:
                yield "ping", {}
            for delta in _deltas(part):
                yield "content_block_delta", {"index": index, "delta": delta}
            yield "content_block_stop", {"index": index}
        delta = {"stop_reason": self.stop_reason, "stop_sequence": None, "stop_details": self.stop_details}
        yield "message_delta", {"delta": delta, "usage": self.usage.to_json(self.output_tokens)}
        yield "message_stop", {}

    def _head(self) -> JsonObject:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "stop_sequence": None,
        }


def compose(request: Request, answer: Answer, usage: Usage, message_id: str) -> Reply:
    """Give an answer its ids and signatures, and end it where max_tokens does."""
    signature, parts = "", list[Part]()
    if request.thinks and answer.thought:
        shown = answer.thought if request.shows_thinking else ""
        signature = sign_thinking(request.model, answer.thought, shown)
        parts.append(Thinking(shown, signature))
    if answer.text:
        parts.append(Text(answer.text))
    calls = answer.calls[:1] if request.one_call_at_a_time else answer.calls
    digest = hashlib.sha256(json.dumps(request.wire).encode()).hexdigest()
    for position, call in enumerate(calls):
        tool_use_id = name_tool_use(request.model, digest, position, signature)
        parts.append(ToolUse(tool_use_id, call.tool, json.dumps(call.arguments)))
    reply = Reply(message_id, request.model, tuple(parts), "tool_use" if calls else "end_turn", usage)
    if reply.output_tokens > request.max_tokens:
        return cut(reply, request.max_tokens * CHARACTERS_PER_TOKEN)
    return reply


def cut(reply: Reply, characters: int) -> Reply:
    """The beginning of an answer, as max_tokens leaves it."""
    kept: list[Part] = []
    for part in reply.parts:
        if characters <= 0:
            break
        kept.append(_beginning(part, characters))
        characters -= _length(part)
    return replace(reply, parts=tuple(kept), stop_reason="max_tokens")


def cut_into_the_last_part(reply: Reply) -> Reply:
    """Half of the last tool call's arguments, or of the words when no tool is called."""
    last = _length(reply.parts[-1])
    return cut(reply, sum(_length(part) for part in reply.parts) - last + max(1, last // 2))


def refuse(request: Request, usage: Usage, message_id: str) -> Reply:
    details: JsonObject = {"type": "refusal", "category": "general_harms", "explanation": None}
    return Reply(message_id, request.model, (), "refusal", usage, details)


def _length(part: Part) -> int:
    match part:
        case Text():
            return len(part.text)
        case Thinking():
            return len(part.thinking) + len(part.signature)
        case ToolUse():
            return len(part.arguments)


def _beginning(part: Part, characters: int) -> Part:
    match part:
        case Text():
            return Text(part.text[:characters])
        case Thinking():
            return part  # a signature holds for the whole block or not at all
        case ToolUse():
            return replace(part, arguments=part.arguments[:characters])


def _part_json(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Thinking():
            return {"type": "thinking", "thinking": part.thinking, "signature": part.signature}
        case ToolUse():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.input}


def _empty(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": ""}
        case Thinking():
            return {"type": "thinking", "thinking": "", "signature": ""}
        case ToolUse():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}


def _deltas(part: Part) -> Iterator[JsonObject]:
    match part:
        case Text():
            for text in _pieces(part.text):
                yield {"type": "text_delta", "text": text}
        case Thinking():
            for text in _pieces(part.thinking):
                yield {"type": "thinking_delta", "thinking": text}
            yield {"type": "signature_delta", "signature": part.signature}
        case ToolUse():
            for start in range(0, len(part.arguments), ARGUMENTS_PER_EVENT):
                piece = part.arguments[start : start + ARGUMENTS_PER_EVENT]
                yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str) -> Iterator[str]:
    words = text.split(" ")
    for start in range(0, len(words), WORDS_PER_EVENT):
        piece = " ".join(words[start : start + WORDS_PER_EVENT])
        yield piece if start == 0 else f" {piece}"

"""Puts the raw events of one streamed answer together, block by block, exactly as they came."""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from activities.claude_port import ClaudeUnavailable
from contracts.claude import Usage

Json = dict[str, JsonValue]


class StreamedAnswer:
    """An answer in the making. Unknown kinds of blocks and deltas are kept as received."""

    def __init__(self) -> None:
        self.model = ""
        self.stop_reason = ""
        self._usage: Json = {}
        self._blocks: dict[int, Json] = {}
        self._arguments: dict[int, str] = {}
        self._open: set[int] = set()
        self._stopped = False

    def take(self, event: Mapping[str, JsonValue]) -> None:
        """The next event. Raises KeyError or ValueError when it is malformed."""
        match event["type"]:
            case "message_start":
                message = _object(event["message"])
                self.model = str(message.get("model") or "")
                self._usage |= _object(message.get("usage") or {})
            case "content_block_start":
                self._start(_index(event), _object(event["content_block"]))
            case "content_block_delta":
                self._grow(_index(event), _object(event["delta"]))
            case "content_block_stop":
                self._open.remove(_index(event))
            case "message_delta":
                self.stop_reason = str(_object(event["delta"]).get("stop_reason") or self.stop_reason)
                self._usage |= _object(event.get("usage") or {})
            case "message_stop":
                self._stopped = True
            case _:
                pass  # a kind of event newer than this code

    def content(self) -> list[JsonValue]:
        """All blocks, in order. Raises ClaudeUnavailable when the stream was cut.

        A tool call cut short by the token limit is left out: half its arguments are other arguments.
        """
        if not self._stopped or self._open or not self.stop_reason:
            raise ClaudeUnavailable("Claude's answer broke off before its end; ask again")
        return [block for index in sorted(self._blocks) if (block := self._whole(index)) is not None]

    def usage(self) -> Usage:
        """Tokens as counted by the API."""
        return Usage(
            input_tokens=self._count("input_tokens"),
            output_tokens=self._count("output_tokens"),
            cache_read_tokens=self._count("cache_read_input_tokens"),
            cache_write_tokens=self._count("cache_creation_input_tokens"),
        )

    def _count(self, name: str) -> int:
        value = self._usage.get(name)
        return value if isinstance(value, int) else 0

    def _start(self, index: int, block: Json) -> None:
        self._blocks[index] = dict(block)
        self._open.add(index)

    def _grow(self, index: int, delta: Json) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "input_json_delta":
                self._arguments[index] = self._arguments.get(index, "") + str(delta["partial_json"])
            case "citations_delta":
                block["citations"] = [*_list(block.get("citations") or []), delta["citation"]]
            case _:
                for name, value in delta.items():
                    if name != "type":
                        block[name] = _joined(block.get(name), value)

    def _whole(self, index: int) -> Json | None:
        block = self._blocks[index]
        text = self._arguments.get(index, "")
        if not text.strip():
            return block
        try:
            return {**block, "input": _object(json.loads(text))}
        except ValueError:
            if self.stop_reason == "max_tokens":
                return None
            raise ClaudeUnavailable("Claude's tool arguments are not whole JSON; ask again") from None


def _joined(before: JsonValue, more: JsonValue) -> JsonValue:
    if isinstance(before, str) and isinstance(more, str):
        return before + more
    if isinstance(before, list) and isinstance(more, list):
        return [*before, *more]
    return more


def _index(event: Mapping[str, JsonValue]) -> int:
    index = event["index"]
    if not isinstance(index, int):
        raise ValueError("an index that is no number")
    return index


def _object(value: JsonValue) -> Json:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value

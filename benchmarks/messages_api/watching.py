"""What is sent to the model: bytes, how much of them begins as the request before did, and what a cache would read."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.exchange import Json
from benchmarks.messages_api.request import MOST_BREAKPOINTS, Refused, Request

CHARACTERS_PER_TOKEN = 4


class Seen(NamedTuple):
    """One request of a conversation."""

    sent: int
    """Bytes of the body."""
    composed: int
    """Bytes of tools, system and messages in the order in which the API caches them, breakpoints left out."""
    same: int
    """How many of those begin exactly as in the request before."""
    cached: int
    """How many of them a prompt cache would read."""


class Block(NamedTuple):
    """A block of a request without its breakpoint, and whether it has one."""

    text: bytes
    marked: bool


@dataclass
class Watch:
    """Remembers the last request of each conversation, and the prefixes that were written to the cache."""

    seen: defaultdict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    _last: dict[str, list[Block]] = field(default_factory=dict)
    _written: set[bytes] = field(default_factory=set)

    def look(self, conversation: str, request: Request, sent: int) -> Seen:
        """Note one request. Raises Refused when it has too many breakpoints."""
        blocks = list(blocks_of(request))
        if sum(block.marked for block in blocks) > MOST_BREAKPOINTS:
            raise Refused(f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided")
        composed = sum(len(block.text) for block in blocks)
        same = common_prefix(self._last.get(conversation, []), blocks)
        noted = Seen(sent, composed, same, self._cached(request.model, blocks))
        self.seen[conversation].append(noted)
        self._last[conversation] = blocks
        return noted

    def _cached(self, model: str, blocks: list[Block]) -> int:
        """The longest prefix before the last breakpoint that was written; those that end at one are written now."""
        digest, read, length = hashlib.sha256(model.encode()), 0, 0
        last = max((number for number, block in enumerate(blocks) if block.marked), default=-1)
        written = []
        for block in blocks[: last + 1]:
            digest.update(block.text)
            length += len(block.text)
            if digest.digest() in self._written:
                read = length
            if block.marked:
                written.append(digest.digest())
        self._written.update(written)
        return read


def blocks_of(request: Request) -> Iterator[Block]:
    """Tools, system, messages."""
    for tool in request.tools:
        yield _block("tool", tool)
    for block in request.system:
        yield _block("system", block)
    last = len(request.messages) - 1
    for number, message in enumerate(request.messages):
        for place, block in enumerate(message["content"]):
            ends = request.cached_as_a_whole and number == last and place == len(message["content"]) - 1
            yield _block(message["role"], block, marked=ends)


def _block(role: str, block: Json, marked: bool = False) -> Block:
    marked = marked or "cache_control" in block
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    return Block(json.dumps([role, plain], ensure_ascii=False, separators=(",", ":")).encode(), marked)


def common_prefix(before: list[Block], now: list[Block]) -> int:
    """Bytes at the beginning of `now` that are the same as at the beginning of `before`."""
    same = 0
    for old, new in zip(before, now, strict=False):
        if old.text != new.text:
            return same + _common_bytes(old.text, new.text)
        same += len(new.text)
    return same


def _common_bytes(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low

"""What a request costs: tokens are characters divided by four, cached ones are those of prefixes seen before.

The real cache ignores prefixes below a thousand tokens or so; this one takes any, so that small examples
show it at work.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.claude_simulator.conversation import Request
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.fields import Fields
from demo.claude_simulator.json_values import Json, JsonObject

CHARACTERS_PER_TOKEN = 4
MOST_BREAKPOINTS = 4
LIFETIMES = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True)
class Usage:
    """Input that was neither written nor read is `fresh`."""

    fresh: int
    written_5m: int
    written_1h: int
    read: int

    @property
    def total(self) -> int:
        return self.fresh + self.written_5m + self.written_1h + self.read

    def to_json(self, output_tokens: int) -> JsonObject:
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written_5m,
                "ephemeral_1h_input_tokens": self.written_1h,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }


@dataclass(frozen=True)
class Prefix:
    """The request up to and including one block; a breakpoint there has a lifetime."""

    digest: str
    tokens: int
    lifetime: str | None


def tokens_of(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)


def check_breakpoints(request: Request) -> None:
    found = sum(prefix.lifetime is not None for prefix in _prefixes(request))
    if found > MOST_BREAKPOINTS:
        raise ApiError(f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {found}.")


def count_tokens(request: Request) -> int:
    return _prefixes(request)[-1].tokens


@dataclass
class PromptCache:
    """Prefixes written at breakpoints, each until its lifetime is over; reading one renews it."""

    now: Callable[[], float] = time.monotonic
    _expires_at: dict[str, float] = field(default_factory=dict)

    def account(self, request: Request) -> Usage:
        prefixes = _prefixes(request)
        marked = [n for n, prefix in enumerate(prefixes) if prefix.lifetime]
        return self._write(prefixes, marked, self._longest_known(prefixes, marked))

    def _longest_known(self, prefixes: list[Prefix], marked: list[int]) -> int:
        """Tokens of the longest live prefix at or before the last breakpoint."""
        known = [
            prefix.tokens
            for prefix in prefixes[: marked[-1] + 1 if marked else 0]
            if self._expires_at.get(prefix.digest, 0.0) > self.now()
        ]
        return known[-1] if known else 0

    def _write(self, prefixes: list[Prefix], marked: list[int], read: int) -> Usage:
        written = dict.fromkeys(LIFETIMES, 0)
        covered = read
        for prefix in (prefixes[n] for n in marked):
            assert prefix.lifetime is not None
            written[prefix.lifetime] += max(0, prefix.tokens - covered)
            covered = max(covered, prefix.tokens)
            self._expires_at[prefix.digest] = self.now() + LIFETIMES[prefix.lifetime]
        return Usage(prefixes[-1].tokens - covered, written["5m"], written["1h"], read)


def _prefixes(request: Request) -> list[Prefix]:
    """Tools, then system, then messages: the order in which the API caches them."""
    digest, characters, prefixes = hashlib.sha256(request.model.encode()), 0, []
    blocks = _blocks(request)
    for position, (block, lifetime) in enumerate(blocks):
        # The last block carries the automatic breakpoint of a top-level cache_control.
        last = position == len(blocks) - 1
        text = json.dumps(block, ensure_ascii=False)
        digest.update(text.encode())
        characters += len(text)
        automatic = _lifetime(request.wire) if last else None
        prefixes.append(Prefix(digest.hexdigest(), tokens_of(characters), lifetime or automatic))
    return prefixes


def _blocks(request: Request) -> list[tuple[Json, str | None]]:
    wire = Fields(request.wire)
    blocks: list[tuple[Json, str | None]] = []
    if request.answer_schema is not None:
        blocks.append((request.answer_schema, None))
    if wire.has("tools"):
        blocks += [_apart(tool.values) for tool in wire.objects("tools")]
    blocks += _content("system", wire.values.get("system"))
    for message in wire.objects("messages"):
        blocks += _content(message.text("role"), message.values.get("content"))
    return blocks


def _content(role: str, content: Json) -> list[tuple[Json, str | None]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    found: list[tuple[Json, str | None]] = []
    for block in content if isinstance(content, list) else []:
        assert isinstance(block, dict)  # parsing.py has seen it
        inner, lifetime = _apart(block)
        found.append(([role, inner], lifetime))
    return found


def _apart(block: JsonObject) -> tuple[Json, str | None]:
    """A block without its breakpoint, because moving a breakpoint does not change what is cached."""
    return {name: value for name, value in block.items() if name != "cache_control"}, _lifetime(block)


def _lifetime(block: JsonObject) -> str | None:
    control = Fields(block)
    if not control.has("cache_control"):
        return None
    lifetime = control.object("cache_control").text("ttl", "5m")
    if control.object("cache_control").text("type") != "ephemeral" or lifetime not in LIFETIMES:
        raise ApiError("cache_control: only type 'ephemeral' with ttl '5m' or '1h' is supported")
    return lifetime

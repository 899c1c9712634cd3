"""Tools as servers publish them, made up with every field of the protocol, and changed in one place at a time."""

import copy
import random
from collections.abc import Iterator
from typing import Any

from mcp_types import Tool

from contracts.tools import ToolDefinition
from tests.workers.resources.doubles import PLAIN, declared
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import published
from workers.resources.servers_file import ServerDeclaration

SEED = 20261120
INSTRUCTIONS = "Payments and credits. Amounts are in cents."
KEYED = {"key": {"argument": "idempotency_key"}}

Raw = dict[str, Any]  # a tool as it stands on the wire, with `instructions` beside it


def defined(raw: Raw, server: ServerDeclaration | None = None) -> ToolDefinition | None:
    """The definition made of a tool on the wire; None when it is left out."""
    fields = dict(raw)
    instructions = fields.pop("instructions", None)
    tool = Tool.model_validate(fields)
    whole = published("pay", tool, instructions)
    kept = {} if whole is None else {tool.name: whole}
    listing = Listing(dict.fromkeys(kept, tool), kept, has_resources=False, fresh_seconds=60)
    return next(iter(definitions_of(server or a_server(tools={tool.name: KEYED}), listing)), None)


def a_server(name: str = "pay", **fields: Any) -> ServerDeclaration:
    return declared(name, transport="stdio", command=PLAIN, **fields)


def a_tool(draw: random.Random) -> Raw:
    """A tool with every field that the protocol knows."""
    argument = {"type": "string", "description": word(draw), "maxLength": draw.randint(1, 99), "pattern": "^A-"}
    amount = {"type": "integer", "minimum": 1, "default": None, "enum": [1, draw.randint(2, 9)]}
    return {
        "name": f"tool_{draw.randint(0, 999)}",
        "title": word(draw),
        "description": f"{word(draw)} {word(draw)}. {word(draw)}",
        "inputSchema": {
            "type": "object",
            "properties": {word(draw): argument, "cents": amount, "idempotency_key": {"type": "string"}},
            "required": ["cents", "idempotency_key"],
            "additionalProperties": False,
        },
        "outputSchema": {"type": "object", "properties": {word(draw): {"type": ["string", "null"]}}},
        "annotations": {"title": word(draw), "readOnlyHint": draw.random() < 0.5, "openWorldHint": False},
        "icons": [{"src": f"https://{word(draw)}.example/i.png", "mimeType": "image/png", "sizes": ["48x48"]}],
        "execution": {"taskSupport": "optional"},
        "_meta": {"com.example/owner": word(draw), "weights": [0.5, 1, None, True]},
        "instructions": INSTRUCTIONS,
    }


def word(draw: random.Random) -> str:
    return "".join(draw.choices("abcdefghij", k=8))


def mutated(draw: random.Random, raw: Raw) -> tuple[str, Raw]:
    """A copy in which exactly one place is another, and where that is."""
    changed = copy.deepcopy(raw)
    holder, step, place = draw.choice(list(places(changed)))
    if draw.random() < 0.15 and is_open(place):
        removed(holder, step)
    elif isinstance(holder[step], dict) and is_open(f"{place}.x"):
        holder[step][f"new_{word(draw)}"] = draw.choice([None, {}, [], 0, "", {"type": "string"}])
    elif isinstance(holder[step], list) and is_open(place):
        holder[step].append(draw.choice(holder[step]))
    else:
        holder[step] = another(draw, holder[step])
    return place, changed


def places(value: Any, path: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every place below `value`: what holds it, under which name or number, and the way to it."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        place = f"{path}.{step}" if path else str(step)
        if not isinstance(below, dict | list) or is_open(f"{place}.x"):
            yield value, step, place
        yield from places(below, place)


def is_open(place: str) -> bool:
    """Whether anything at all may stand there: the protocol says what else a tool, a hint, an icon has."""
    return place.startswith(("inputSchema.", "outputSchema.", "_meta."))


def removed(holder: Any, step: Any) -> None:
    del holder[step]


def another(draw: random.Random, value: Any) -> Any:
    """Something else of the same kind: a single character is enough."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case None:
            return False
        case "optional":
            return "required"
        case str():
            at = draw.randint(0, len(value))
            return value[:at] + draw.choice(["x", " ", "\u200b", "\u0430", "\x1b[2J"]) + value[at:]
        case _:
            raise AssertionError(value)


def shuffled(draw: random.Random, value: Any) -> Any:
    """The same with the keys of every object in another order."""
    if isinstance(value, dict):
        names = draw.sample(list(value), len(value))
        return {name: shuffled(draw, value[name]) for name in names}
    return [shuffled(draw, item) for item in value] if isinstance(value, list) else value

"""What Claude is offered in a state: the tools it may see, under names the Messages API takes."""

import re
from collections.abc import Container, Iterable

from pydantic import JsonValue, TypeAdapter

from activities.arguments import misfit
from activities.claude_port import ClaudeTool
from activities.toolbox import Toolbox
from contracts.claude import ProposedCall
from contracts.model import Model
from contracts.runs import StartStatement
from contracts.tools import Purpose, ToolDefinition
from policies.engine import PolicyEngine, PolicyQuestion


class OfferedTool(Model):
    """A tool of a server, and the name Claude knows it by."""

    name: str
    definition: ToolDefinition


_OFFER = TypeAdapter(tuple[OfferedTool, ...])


def offer_bytes(offer: tuple[OfferedTool, ...]) -> bytes:
    """An offer as it is kept in the store."""
    return _OFFER.dump_json(offer)


def offer_from(content: bytes) -> tuple[OfferedTool, ...]:
    """An offer read back from the store."""
    return _OFFER.validate_json(content)


async def make_offer(
    patterns: Iterable[str], toolbox: Toolbox, policy: PolicyEngine, start: StartStatement, state: str
) -> tuple[OfferedTool, ...]:
    """The tools that match `server.tool`, `server.*` or `server.resources`, less those policy can never permit."""
    wanted = list(patterns)
    servers = dict.fromkeys(pattern.split(".", 1)[0] for pattern in wanted)
    offer: dict[str, OfferedTool] = {}
    for server in servers:
        for definition in await toolbox.definitions(server):
            if _matches(wanted, definition) and _possible(policy, start, state, definition):
                name = _unused(api_name(definition), offer)
                offer[name] = OfferedTool(name=name, definition=definition)
    return tuple(offer.values())


def api_name(definition: ToolDefinition) -> str:
    """`server__tool`, with what the Messages API does not take replaced."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{definition.server}__{definition.name}")[:128]


def _unused(name: str, used: Container[str]) -> str:
    """`name`, numbered when another tool has it: the Messages API refuses a list with two of a name."""
    names = (name, *(f"{name[:124]}_{number}" for number in range(2, 1000)))
    return next(free for free in names if free not in used)


def as_claude_tools(offer: tuple[OfferedTool, ...]) -> tuple[ClaudeTool, ...]:
    """The offer as the Messages API takes it."""
    return tuple(
        ClaudeTool(name=tool.name, description=tool.definition.description, input_schema=tool.definition.input_schema)
        for tool in offer
    )


def proposed(block: int, name: str, arguments: JsonValue, offer: tuple[OfferedTool, ...]) -> ProposedCall:
    """What Claude asks for, checked: offered, and with arguments that fit the tool's schema."""
    known = next((tool.definition for tool in offer if tool.name == name), None)
    if known is None:
        server, _, tool = name.partition("__")
        return ProposedCall(
            block=block, server=server[:100], tool=tool[:100], problem=f"{name[:100]!r} was not offered"
        )
    reason = misfit(arguments, known.input_schema)
    problem = f"the arguments do not fit: {reason}"[:300] if reason else ""
    return ProposedCall(block=block, server=known.server, tool=known.name, problem=problem)


def _matches(patterns: list[str], definition: ToolDefinition) -> bool:
    if definition.kind == "resource":
        return f"{definition.server}.resources" in patterns or f"{definition.server}.*" in patterns
    return f"{definition.server}.{definition.name}" in patterns or f"{definition.server}.*" in patterns


def _possible(policy: PolicyEngine, start: StartStatement, state: str, definition: ToolDefinition) -> bool:
    return policy.could_permit(
        PolicyQuestion(
            requester=start.requester,
            automation=start.automation,
            state=state,
            step=state,
            server=definition.server,
            tool=definition.name,
            kind=definition.kind,
            purpose=Purpose.FORWARD,
            effect_class=definition.effect_class,
            arguments={},
            input_schema=definition.input_schema,
        )
    )

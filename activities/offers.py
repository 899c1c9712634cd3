"""What Claude is offered in a state: the tools it may see, under names the Messages API takes."""

import logging
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue, TypeAdapter

from activities.arguments import misfit
from activities.authority import Authority
from activities.claude_port import ClaudeTool
from activities.results.requests import READ_RESULT
from contracts.claude import ProposedCall
from contracts.model import Model, Moment
from contracts.runs import StartStatement
from contracts.tools import EffectClass, Purpose, ToolDefinition
from policies.engine import PolicyEngine, PolicyQuestion


class OfferedTool(Model):
    """A tool of a server, and the name Claude knows it by."""

    name: str
    definition: ToolDefinition


logger = logging.getLogger(__name__)

_OFFER = TypeAdapter(tuple[OfferedTool, ...])


def offer_bytes(offer: tuple[OfferedTool, ...]) -> bytes:
    """An offer as it is kept in the store."""
    return _OFFER.dump_json(offer)


def offer_from(content: bytes) -> tuple[OfferedTool, ...]:
    """An offer read back from the store."""
    return _OFFER.validate_json(content)


@dataclass(frozen=True)
class Asker:
    """For whom an offer is made, and where."""

    start: StartStatement
    request: dict[str, JsonValue]
    """The input that was registered with the start."""
    roles: tuple[str, ...]
    state: str
    at: Moment


class Listing(Protocol):
    """Where the tools of a server are listed."""

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """All its tools."""


async def make_offer(
    patterns: Iterable[str], listing: Listing, authority: Authority, asker: Asker
) -> tuple[OfferedTool, ...]:
    """The tools that match `server.tool`, `server.*` or `server.resources`, less those that could not be called.

    Left out is what policy can never permit, and what is not as an operator accepted it: its description alone may
    steer Claude. Raises NothingInForce, and whatever the listing raises.
    """
    policy = await authority.policy()
    wanted = list(patterns)
    servers = dict.fromkeys(pattern.split(".", 1)[0] for pattern in wanted)
    offer: dict[str, OfferedTool] = {}
    for server in servers:
        for definition in await listing.definitions(server):
            wished = _matches(wanted, definition) and _possible(policy, asker, definition)
            if wished and await _accepted(authority, definition, asker.at):
                name = _unused(api_name(definition), offer)
                # Offers are stored, and nobody reads there what only pins are made of.
                offer[name] = OfferedTool(name=name, definition=definition.model_copy(update={"published": {}}))
    return tuple(offer.values())


def api_name(definition: ToolDefinition) -> str:
    """`server__tool`, with what the Messages API does not take replaced."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{definition.server}__{definition.name}")[:128]


def _unused(name: str, used: Container[str]) -> str:
    """`name`, numbered when another tool has it: the Messages API refuses a list with two of a name."""
    names = (name, *(f"{name[:124]}_{number}" for number in range(2, 1000)))
    return next(free for free in names if free not in used)


def as_claude_tools(offer: tuple[OfferedTool, ...]) -> tuple[ClaudeTool, ...]:
    """The offer as the Messages API takes it; with it, what reads in the results of these tools."""
    offered = (
        ClaudeTool(name=tool.name, description=tool.definition.description, input_schema=tool.definition.input_schema)
        for tool in offer
    )
    return (*offered, READ_RESULT) if offer else ()


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
    reads = known.effect_class is EffectClass.READ
    return ProposedCall(block=block, server=known.server, tool=known.name, problem=problem, reads=reads)


def _matches(patterns: list[str], definition: ToolDefinition) -> bool:
    if definition.kind == "resource":
        return f"{definition.server}.resources" in patterns or f"{definition.server}.*" in patterns
    return f"{definition.server}.{definition.name}" in patterns or f"{definition.server}.*" in patterns


async def _accepted(authority: Authority, definition: ToolDefinition, at: Moment) -> bool:
    pinned = await authority.pinned(definition, at)
    if pinned is not None and pinned.pin == definition.pin():
        return True
    problem = "never accepted" if pinned is None else "changed since it was accepted"
    logger.warning(
        "tool_not_offered", extra={"server": definition.server, "tool": definition.name[:100], "problem": problem}
    )
    return False


def _possible(policy: PolicyEngine, asker: Asker, definition: ToolDefinition) -> bool:
    return policy.could_permit(
        PolicyQuestion(
            requester=asker.start.requester,
            roles=asker.roles,
            on_behalf_of=asker.start.on_behalf_of,
            automation=asker.start.automation,
            inside=tuple(each.automation for each in asker.start.inside),
            request=asker.request,
            server=definition.server,
            tool=definition.name,
            kind=definition.kind,
            purpose=Purpose.FORWARD,
            effect_class=definition.effect_class,
            risk=definition.risk,
            sends_out=definition.sends_out,
            arguments={},
            input_schema=definition.input_schema,
        )
    )

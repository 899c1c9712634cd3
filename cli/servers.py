"""`interlock servers`: how the declared MCP servers are doing, and what operators and servers say of their tools."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from cli import exits
from cli.manifests import Pins, Seen, accepted, look, name_of, state_of
from cli.operating import declared_servers, operators_settings
from cli.printing import say, say_json, say_table
from cli.server_health import show_health
from contracts.tools import ToolDefinition
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.resources.servers_file import ServerDeclaration

app = typer.Typer(add_completion=False)
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_COLUMNS = ("tool", "class", "risk", "its own hints", "reads", "sends out", "pinned")


@app.callback(invoke_without_command=True)
def servers(context: typer.Context, as_json: _AsJson = False) -> int:
    """Look at the declared MCP servers: how each is doing, or with `list` what it publishes."""
    return exits.DONE if context.invoked_subcommand else show_health(as_json)


@app.command("status")
def status_command(as_json: _AsJson = False) -> int:
    """Show how each declared server is doing: its breaker, its limits, and what went to it. None is talked to."""
    return show_health(as_json)


@app.command("list")
def list_command(as_json: _AsJson = False) -> int:
    """List the declared servers and their tools: what the operator says, beside what each server says of itself."""
    settings = operators_settings()
    declared = declared_servers(settings)
    found, pins = asyncio.run(_look(settings, declared))
    if as_json:
        say_json([_document(server, seen, pins) for server, seen in found])
        return exits.DONE
    for server, seen in found:
        say(_line(server, seen))
        for name in _never_published(server, seen):
            say(f"{server.name}: the servers file speaks of {name!r}, which is not published; correct its spelling")
    say_table(_COLUMNS, _rows([tool for _, seen in found for tool in seen.tools], pins))
    say("next: interlock tools diff")
    return exits.DONE


async def _look(
    settings: Settings, declared: Sequence["ServerDeclaration"]
) -> tuple[list[tuple["ServerDeclaration", Seen]], Pins]:
    seen = await look(settings, declared)
    return list(zip(declared, seen, strict=True)), await accepted(settings)


def _line(server: "ServerDeclaration", seen: Seen) -> str:
    found = f"not reachable: {seen.problem}" if seen.problem else f"{len(seen.tools)} tools"
    hints = "trusted" if server.trusted else "not trusted: its hints are not believed"
    return f"{server.name}: {server.purpose}; owner {server.owner}; {server.transport}; {hints}; {found}"


def _never_published(server: "ServerDeclaration", seen: Seen) -> list[str]:
    """Tools the operator speaks of in vain."""
    names = {tool.name for tool in seen.tools}
    return [] if seen.problem else [name for name in server.tools if name not in names]


def _rows(tools: Iterable[ToolDefinition], pins: Pins) -> Iterator[tuple[str, ...]]:
    for tool in tools:
        yield (
            name_of(tool),
            tool.effect_class.value,
            tool.risk.value,
            ", ".join(_hints(tool)) or "none",
            ", ".join(taint.value for taint in tool.taints) or "neither",
            "yes" if tool.sends_out else "no",
            state_of(tool, pins).value,
        )


def _hints(tool: ToolDefinition) -> Iterator[str]:
    """What the server says of the tool, as far as it says anything."""
    for name in ("readOnly", "destructive", "idempotent", "openWorld"):
        said = tool.annotations.get(f"{name}Hint")
        if isinstance(said, bool):
            yield name if said else f"not {name}"


def _document(server: "ServerDeclaration", seen: Seen, pins: Pins) -> JsonValue:
    return {
        "name": server.name,
        "owner": server.owner,
        "purpose": server.purpose,
        "transport": server.transport,
        "trusted": server.trusted,
        "reachable": not seen.problem,
        "problem": seen.problem,
        "never_published": list(_never_published(server, seen)),
        "tools": [_tool(tool, pins) for tool in seen.tools],
    }


def _tool(tool: ToolDefinition, pins: Pins) -> JsonValue:
    return {
        "name": tool.name,
        "effect_class": tool.effect_class.value,
        "risk": tool.risk.value,
        "hints": {name: said for name, said in tool.annotations.items() if name.endswith("Hint")},
        "reads": [taint.value for taint in tool.taints],
        "sends_out": tool.sends_out,
        "pinned": state_of(tool, pins).value,
    }

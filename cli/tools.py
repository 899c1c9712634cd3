"""`interlock tools`: what the servers publish, what was accepted of it, and accepting it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from cli import exits
from cli.exits import NotReachable, WrongInput
from cli.manifests import Pinned, Pins, Seen, Wanted, accepted, look, name_of, state_of, wanted
from cli.operating import declared_servers, operators_settings
from cli.pinning import accepted_forms, amended, changes, keep
from cli.printing import say, say_json, say_table, tell
from contracts.authority import DocumentKind
from contracts.tools import ToolDefinition
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.resources.servers_file import ServerDeclaration

app = typer.Typer(no_args_is_help=True, add_completion=False)

_PIN = "interlock tools pin SERVER[.TOOL] --as NAME --reason WHY"


@app.command("list")
def list_command(
    server: Annotated[str, typer.Argument(help="One server; without it all of them.", metavar="SERVER")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the tools as they are published now, and whether they may be called."""
    settings = operators_settings()
    declared = declared_servers(settings)
    chosen = wanted([server] if server else [], declared)
    seen, pins = asyncio.run(_look(settings, declared, chosen))
    tools = [tool for each in seen for tool in each.tools]
    if as_json:
        say_json([_document(tool, pins) for tool in tools])
    else:
        rows = [(name_of(tool), state_of(tool, pins).value, tool.pin(), _first_line(tool)) for tool in tools]
        say_table(("tool", "pinned", "pin", "what it does"), rows)
        pinned = all(state_of(tool, pins) is Pinned.YES for tool in tools)
        say("next: interlock servers list" if pinned else "next: interlock tools diff")
    return _tell_unreachable(seen)


@app.command("diff")
def diff_command(
    which: Annotated[
        str, typer.Argument(help="A server, or one tool; without it everything.", metavar="SERVER[.TOOL]")
    ] = "",
) -> int:
    """Compare what was accepted with what is published now; 1 when anything differs."""
    settings = operators_settings()
    declared = declared_servers(settings)
    return asyncio.run(_diff(settings, declared, wanted([which] if which else [], declared)))


@app.command("pin")
def pin_command(
    signer: Annotated[str, typer.Option("--as", help="Who accepts them.", envvar="INTERLOCK_APPROVER")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the record will have it.")],
    which: Annotated[list[str] | None, typer.Argument(help="Servers, or tools.", metavar="SERVER[.TOOL]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every tool of every declared server.")] = False,
) -> int:
    """Accept tools as they are published now; what is published no longer is accepted no longer.

    Outside development only accepted tools are called, and only as they were accepted.
    """
    if bool(which) == everything:
        raise WrongInput("say what to pin: SERVER or SERVER.TOOL, or --all")
    settings = operators_settings()
    declared = declared_servers(settings)
    return asyncio.run(_pin(settings, declared, wanted(which or [], declared), signer, reason))


async def _look(
    settings: Settings, declared: Sequence["ServerDeclaration"], chosen: Sequence[Wanted]
) -> tuple[list[Seen], Pins]:
    names = {one.server for one in chosen}
    servers = [server for server in declared if server.name in names or not chosen]
    return await look(settings, servers), await accepted(settings)


async def _diff(settings: Settings, declared: Sequence["ServerDeclaration"], chosen: Sequence[Wanted]) -> int:
    seen, pins = await _look(settings, declared, chosen)
    changed, same = changes(pins, seen, chosen)
    forms = await accepted_forms(changed)
    for change in changed:
        for line in change.unified(forms):
            say(line)
    if changed:
        tell(f"tools that differ: {len(changed)}; next, if that is well: {_PIN}")
    else:
        say(f"nothing differs; tools as they were accepted: {same}")
    return _tell_unreachable(seen) or (exits.REFUSED if changed else exits.DONE)


async def _pin(
    settings: Settings, declared: Sequence["ServerDeclaration"], chosen: Sequence[Wanted], signer: str, reason: str
) -> int:
    seen, pins = await _look(settings, declared, chosen)
    if silent := [each.problem for each in seen if each.problem]:
        raise NotReachable(f"{silent[0]}; nothing was pinned")
    changed, same = changes(pins, seen, chosen)
    if not changed:
        say(f"nothing to pin; tools as they were accepted: {same}")
        if not pins:
            return exits.DONE
    forms = await accepted_forms(changed)
    for change in changed:
        say(change.line(forms))
    await keep(changed)
    from cli.activating import activate_document

    return await activate_document(DocumentKind.PINS, amended(pins, changed), signer=signer, reason=reason)


def _tell_unreachable(seen: Sequence[Seen]) -> int:
    silent = [each.problem for each in seen if each.problem]
    for problem in silent:
        tell(problem)
    return exits.NOT_REACHABLE if silent else exits.DONE


def _first_line(tool: ToolDefinition) -> str:
    return tool.description.strip().partition("\n")[0][:100]


def _document(tool: ToolDefinition, pins: Pins) -> JsonValue:
    return {
        "name": name_of(tool),
        "kind": tool.kind,
        "pinned": state_of(tool, pins).value,
        "pin": tool.pin(),
        "description": tool.description,
        "input_schema": tool.input_schema,
    }

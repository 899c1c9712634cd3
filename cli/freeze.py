"""`interlock freeze`: stop what would be sent, at once and everywhere; and show what is stopped."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from cli import exits
from cli.exits import WrongInput
from cli.printing import local_time, say, say_json, tell
from cli.server import someone
from contracts.freezing import FreezeScope

if TYPE_CHECKING:
    from workers.resources.freezes import Pressed


def freeze(
    everything: Annotated[bool, typer.Option("--all", help="Every call of every run.")] = False,
    automation: Annotated[str, typer.Option("--automation", help="The calls of one automation's runs.")] = "",
    server: Annotated[str, typer.Option("--server", help="The calls of one server's tools.")] = "",
    tool: Annotated[str, typer.Option("--tool", help="The calls of one tool.", metavar="SERVER.TOOL")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; everybody who waits reads it.")] = "",
    name: Annotated[str, typer.Option("--as", help="Who you are.", envvar="INTERLOCK_APPROVER")] = "",
    show: Annotated[bool, typer.Option("--list", help="Stop nothing; show what is stopped.")] = False,
    all_time: Annotated[bool, typer.Option("--all-time", help="With --list: also what was thawed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Stop what would be sent: calls under way are not interrupted, runs keep their place and wait for the thaw."""
    named = {FreezeScope.AUTOMATION: automation, FreezeScope.SERVER: server, FreezeScope.TOOL: tool}
    wanted = [(scope, target) for scope, target in named.items() if target]
    wanted += [(FreezeScope.ALL, "")] * everything
    if show or all_time:
        if wanted or reason:
            raise WrongInput("--list shows what is stopped and stops nothing; give it alone")
        return _show(all_time, as_json)
    if len(wanted) != 1:
        raise WrongInput("say what to stop, once: --all, --automation NAME, --server NAME or --tool SERVER.TOOL")
    from cli.freezing import press

    [(scope, target)] = wanted
    if scope is FreezeScope.TOOL and not all(target.partition(".")):
        raise WrongInput(f"--tool {target!r} names no tool; write SERVER.TOOL")
    standing = asyncio.run(press(scope, target, reason, someone("--as", name)))
    if as_json:
        say_json(standing.model_dump(mode="json"))
        return exits.DONE
    tell(f"FROZEN: {standing.what}")
    if standing.doubt:
        tell(f"workers cannot verify who has frozen it, and heed it all the same: {standing.doubt}")
    say(f"frozen: {standing.what}, as {standing.id}; nothing of it is sent from now on, undoing included")
    say("calls under way are not interrupted; runs keep their place, and Claude goes on thinking")
    say(f"next: {standing.thaw_command}")
    return exits.DONE


def _show(all_time: bool, as_json: bool) -> int:
    from cli.freezing import document, read_freezes

    pressed = [each for each in asyncio.run(read_freezes()) if all_time or each.thaw is None]
    if as_json:
        say_json([document(each) for each in pressed])
        return exits.DONE
    for each in pressed:
        say(_line(each))
        if each.thaw is None:
            say(f"  next: {each.standing.thaw_command}")
    if not pressed:
        say("nothing was ever frozen" if all_time else "nothing is frozen")
    return exits.DONE


def _line(pressed: "Pressed") -> str:
    standing, thaw = pressed.standing, pressed.thaw
    if thaw is None:
        return f"{standing.id}: {standing.sentence()}"
    until = f"from {local_time(standing.since)} to {local_time(pressed.thawed_at)}"
    why = f"frozen by {standing.by!r}: {standing.reason}; thawed by {thaw.subject!r}: {thaw.reason}"
    return f"{standing.id}: {standing.what}, {until}; {why}"

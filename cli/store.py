"""`interlock store`: what is kept, in the hands of operators: erase what is kept about somebody."""

import asyncio
import sys
from typing import Annotated

import typer

from activities.erasing import Traces
from cli import exits
from cli.erasing import STAYS, counted, erase, find_traces, left_to_do, lines_of
from cli.exits import WrongInput
from cli.printing import say, say_json
from cli.server import someone

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def store() -> None:
    """Erase what is kept about somebody."""


@app.command("erase")
def erase_command(
    subject: Annotated[
        str,
        typer.Argument(help="A requester, or a value as it stands in the input of runs; - reads standard input."),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Option("--run", help="This run too, whatever its input is; repeatable.", metavar="RUN"),
    ] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Erase it, for good; without it, only look.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    who: Annotated[str, typer.Option("--as", help="Who orders it.", envvar="INTERLOCK_APPROVER")] = "",
) -> int:
    """Show what is kept about somebody; with --confirm empty it for good, signed by an operator."""
    subject = sys.stdin.readline().rstrip("\n") if subject == "-" else subject
    if not subject.strip():
        raise WrongInput("SUBJECT is empty; name a requester, or a value that stands in the input of runs")
    names = tuple(runs or ())
    found = asyncio.run(find_traces(subject, names))
    if confirm and (found.erasable or found.standing):
        return _report(asyncio.run(erase(subject, names, someone("--as", who))), found, as_json)
    if as_json:
        say_json(found.model_dump(mode="json"))
        return exits.DONE
    for line in lines_of(found):
        say(line)
    if found.erasable and not found.standing:
        say("next: the same with --confirm; it cannot be taken back")
    return exits.DONE


def _report(erased: Traces, found: Traces, as_json: bool) -> int:
    if as_json:
        say_json(erased.model_dump(mode="json"))
        return exits.DONE
    say(f"erased: {counted(erased)}")
    for line in (STAYS, *left_to_do(found.erasable)):
        say(line)
    return exits.DONE

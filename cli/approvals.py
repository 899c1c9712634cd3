"""`interlock approvals`: read what waits for people, and decide it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import typer

from activities.reads import InboxPage, InboxQuery
from cli import exits
from cli.automations import find_automation, is_good
from cli.budgets import EXAMPLE, read_more
from cli.connection import with_server
from cli.deciding import Wish, decide, doubts, find_request, read_value, send, signal_command, written
from cli.durations import read_duration
from cli.exits import WrongInput
from cli.inbox import COLUMNS, grouped, lines_below
from cli.outside import as_argument, fitted
from cli.printing import say, say_json, say_table, tell
from cli.reading import command_of, lines_of
from cli.runs import say_ending
from cli.server import Server, someone
from cli.watching import watch
from contracts.decisions import Verdict

app = typer.Typer(no_args_is_help=True, add_completion=False)

IdArgument = Annotated[str, typer.Argument(help="The request, for example refund/A-17#1.", metavar="ID")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; the requester and the record will have it.")]
NeededNote = Annotated[str, typer.Option("--note", help="What the answer cannot do without; see the command.")]
AsOption = Annotated[str, typer.Option("--as", help="Who decides.", envvar="INTERLOCK_APPROVER")]
LookOption = Annotated[str, typer.Option("--as", help="Who looks.", envvar="INTERLOCK_APPROVER")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow the run to its ending; 0 when it is a good one.")]
TimeoutOption = Annotated[str, typer.Option("--timeout", help="With --wait: at most so long, for example 10m.")]
ValueOption = Annotated[str, typer.Option("--value", help="The value that is missing, as JSON.")]
SignedValueOption = Annotated[
    str, typer.Option("--value", help=f"With supply: the missing value, as JSON. With extend: such as {EXAMPLE}.")
]
MoreOption = Annotated[str, typer.Option("--by", help=f"How much more, such as {EXAMPLE}; else as much again.")]

_MEANING = {
    Verdict.APPROVE: "Approve a request: exactly what it shows may happen.",
    Verdict.REJECT: "Reject a request; the run ends, or goes on without it.",
    Verdict.RETURN: "Send a request back with a question or a smaller amount.",
    Verdict.RETRY: "Answer an escalation: try the failed step again.",
    Verdict.SUPPLY: "Answer an escalation: supply the missing value.",
    Verdict.SKIP: "Answer an escalation: go on without the failed step.",
    Verdict.TAKE_OVER: "Answer an escalation: it was done by hand, go on.",
    Verdict.EXTEND: "Answer an escalation: the run may spend more, and goes on.",
    Verdict.ABANDON: "Answer an escalation: undo what was done, and end.",
    Verdict.HAPPENED: "Say of a call without an answer: it happened, and how you know.",
    Verdict.DID_NOT_HAPPEN: "Say of a call without an answer: it did not happen.",
}

_NEEDED = {
    Verdict.RETURN: "say what should change, it is all the run learns",
    Verdict.HAPPENED: "say how you know that it happened: where it stands, under which number",
}


@app.command("list")
@with_server
async def list_command(
    server: Server,
    approver: LookOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what other people must decide.")] = False,
    automation: Annotated[str, typer.Option("--automation", help="Only requests of this automation.")] = "",
    as_json: JsonOption = False,
) -> int:
    """List what waits for you, the most urgent first; what asks the same is told together."""
    person = "" if everything else someone("--as", approver)
    page = await server.read("waiting_requests", InboxQuery(approver=person, automation=automation), InboxPage)
    if as_json:
        say_json([entry.model_dump(mode="json") for entry in page.requests])
        return exits.DONE
    groups = grouped(page.requests)
    if groups:
        say_table(COLUMNS, [group.row() for group in groups])
    lines = [line for group in groups for line in group.lines()]
    for line in (*lines, *lines_below(page, person)):
        for piece in fitted(line):
            say(piece)
    return exits.DONE


@app.command("show")
@with_server
async def show_command(
    server: Server,
    request_id: IdArgument,
    full: Annotated[bool, typer.Option("--full", help="Cut nothing, however long it is.")] = False,
    approver: LookOption = "",
    as_json: JsonOption = False,
) -> int:
    """Show everything a person should know before deciding."""
    request = await find_request(server, request_id, someone("--as", approver))
    if as_json:
        say_json(request.model_dump(mode="json"))
        return exits.DONE
    for line in lines_of(request, full):
        say(line)
    return exits.DONE


@app.command("sign")
@with_server
async def sign_command(
    server: Server,
    request_id: IdArgument,
    verdict: Annotated[Verdict, typer.Option("--verdict", help="The answer.")],
    printed: Annotated[bool, typer.Option("--print", help="Print the decision, send nothing.")] = False,
    note: NoteOption = "",
    value: SignedValueOption = "",
    valid_for: Annotated[
        str, typer.Option("--valid-for", help="How long it may be used; else until the deadline.")
    ] = "",
    approver: AsOption = "",
) -> int:
    """Print a decision for the stock `temporal` command line, or for the Web UI's form."""
    if not printed:
        command = f"interlock approvals {command_of(verdict)} {as_argument(request_id)}"
        raise WrongInput(f"sign needs --print; to decide at once: {command}")
    person = someone("--as", approver)
    wish = Wish(
        verdict=verdict,
        approver=person,
        note=_needed(verdict, note),
        value=_value(verdict, value),
        valid_for=read_duration("--valid-for", valid_for) if valid_for else None,
    )
    request = await find_request(server, request_id, person)
    decision = decide(request, wish)
    typer.echo(written(decision))
    for doubt in doubts(request, wish, decision):
        tell(doubt)
    tell(f"send it: {signal_command(decision, server.client.service_client.config.target_host)}")
    return exits.DONE


def _command(verdict: Verdict) -> Callable[..., int]:
    """The command that gives one verdict on one request; it offers what the verdict needs, and no more."""

    async def plainly(
        server: Server,
        request_id: IdArgument,
        note: NoteOption = "",
        approver: AsOption = "",
        wait: WaitOption = False,
        timeout: TimeoutOption = "",
    ) -> int:
        within = _patience(wait, timeout)
        wish = Wish(verdict=verdict, approver=someone("--as", approver), note=note)
        return await _decide(server, request_id, wish, wait, within)

    async def with_note(
        server: Server,
        request_id: IdArgument,
        note: NeededNote,
        approver: AsOption = "",
        wait: WaitOption = False,
        timeout: TimeoutOption = "",
    ) -> int:
        within = _patience(wait, timeout)
        wish = Wish(verdict=verdict, approver=someone("--as", approver), note=_needed(verdict, note))
        return await _decide(server, request_id, wish, wait, within)

    async def with_value(
        server: Server,
        request_id: IdArgument,
        value: ValueOption,
        note: NoteOption = "",
        approver: AsOption = "",
        wait: WaitOption = False,
        timeout: TimeoutOption = "",
    ) -> int:
        within, given = _patience(wait, timeout), read_value(value)
        wish = Wish(verdict=verdict, approver=someone("--as", approver), note=note, value=given)
        return await _decide(server, request_id, wish, wait, within)

    match verdict:
        case Verdict.RETURN | Verdict.HAPPENED:
            return with_server(with_note)
        case Verdict.SUPPLY:
            return with_server(with_value)
        case Verdict.EXTEND:
            return with_server(_extend)
        case _:
            return with_server(plainly)


async def _extend(
    server: Server,
    request_id: IdArgument,
    more: MoreOption = "",
    note: NoteOption = "",
    approver: AsOption = "",
    wait: WaitOption = False,
    timeout: TimeoutOption = "",
) -> int:
    within, given = _patience(wait, timeout), read_more("--by", more)
    wish = Wish(verdict=Verdict.EXTEND, approver=someone("--as", approver), note=note, value=given)
    return await _decide(server, request_id, wish, wait, within)


async def _decide(server: Server, request_id: str, wish: Wish, wait: bool, within: timedelta | None) -> int:
    request = await find_request(server, request_id, wish.approver)
    if wait:
        find_automation(request.entry.automation)  # it must be known here which endings are good
    decision = decide(request, wish)
    receipt = await send(server, decision)
    say(receipt.message)
    if not wait:
        say(f"next: interlock runs watch {as_argument(decision.workflow_id)}")
        return exits.DONE
    ending = await watch(server, decision.workflow_id, within)
    say_ending(ending)
    say(f"next: interlock runs show {as_argument(decision.workflow_id)}")
    return exits.DONE if is_good(request.entry.automation, ending.state) else exits.REFUSED


def _patience(wait: bool, timeout: str) -> timedelta | None:
    """How long to follow the run; checked before anything is decided."""
    if timeout and not wait:
        raise WrongInput("--timeout says how long to wait; give --wait as well")
    return read_duration("--timeout", timeout) if timeout else None


def _needed(verdict: Verdict, note: str) -> str:
    if verdict in _NEEDED and not note.strip():
        raise WrongInput(f"--note is empty; {_NEEDED[verdict]}")
    return note


def _value(verdict: Verdict, value: str) -> str:
    """What a decision of this verdict carries as its value. Raises WrongInput."""
    match verdict:
        case Verdict.SUPPLY:
            return read_value(value)
        case Verdict.EXTEND:
            return read_more("--value", value)
        case _:
            return ""


for _verdict in Verdict:
    app.command(command_of(_verdict), help=_MEANING[_verdict])(_command(_verdict))

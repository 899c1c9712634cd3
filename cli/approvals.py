"""`interlock approvals`: read what waits for people, and decide it."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.inbox import InboxEntry
from activities.reads import InboxPage, Nothing, ShownRequest
from cli import exits
from cli.connection import with_server
from cli.deciding import Wish, decision_on, find_request, read_value, send, signal_command, written
from cli.durations import read_duration
from cli.exits import WrongInput
from cli.printing import local_time, say, say_json, say_table, short_time, tell, time_left
from cli.server import Server, someone
from contracts.decisions import Verdict
from contracts.policy import Obligation

app = typer.Typer(no_args_is_help=True, add_completion=False)

IdArgument = Annotated[str, typer.Argument(help="The request, for example refund/A-17#1.", metavar="ID")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; the requester and the record will have it.")]
NeededNote = Annotated[str, typer.Option("--note", help="The question, or what should change.")]
AsOption = Annotated[str, typer.Option("--as", help="Who decides.", envvar="INTERLOCK_APPROVER")]
ValueOption = Annotated[str, typer.Option("--value", help="The value that is missing, as JSON.")]

_MEANING = {
    Verdict.APPROVE: "Approve a request: exactly what it shows may happen.",
    Verdict.REJECT: "Reject a request; the run ends, or goes on without it.",
    Verdict.RETURN: "Send a request back with a question or a smaller amount.",
    Verdict.RETRY: "Answer an escalation: try the failed step again.",
    Verdict.SUPPLY: "Answer an escalation: supply the missing value.",
    Verdict.SKIP: "Answer an escalation: go on without the failed step.",
    Verdict.TAKE_OVER: "Answer an escalation: it was done by hand, go on.",
    Verdict.ABANDON: "Answer an escalation: undo what was done, and end.",
}


@app.command("list")
@with_server
async def list_command(server: Server, as_json: JsonOption = False) -> int:
    """List what waits for people, the most urgent first."""
    page = await server.read("waiting_requests", Nothing(), InboxPage)
    if as_json:
        say_json([entry.model_dump(mode="json") for entry in page.requests])
        return exits.DONE
    if not page.requests:
        say("nothing waits for people")
        return exits.DONE
    rows = [
        (entry.request_id, entry.title, _roles(entry.obligations), short_time(entry.deadline), entry.requester)
        for entry in page.requests
    ]
    say_table(("id", "asks", "who", "until", "requester"), rows)
    say(f"next: interlock approvals show {page.requests[0].request_id}")
    return exits.DONE


@app.command("show")
@with_server
async def show_command(server: Server, request_id: IdArgument, as_json: JsonOption = False) -> int:
    """Show everything a person should know before deciding."""
    request = await find_request(server, request_id)
    if as_json:
        say_json(request.model_dump(mode="json"))
        return exits.DONE
    for line in _lines(request):
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
    value: ValueOption = "",
    valid_for: Annotated[
        str, typer.Option("--valid-for", help="How long it may be used; else until the deadline.")
    ] = "",
    approver: AsOption = "",
) -> int:
    """Print a decision for the stock `temporal` command line, or for the Web UI's form."""
    if not printed:
        raise WrongInput(f"sign needs --print; to decide at once: interlock approvals {_name(verdict)} {request_id}")
    wish = Wish(
        verdict=verdict,
        approver=someone("--as", approver),
        note=_needed(verdict, note),
        value=read_value(value) if verdict is Verdict.SUPPLY else "",
        valid_for=read_duration("--valid-for", valid_for) if valid_for else None,
    )
    decision = decision_on(await find_request(server, request_id), wish)
    typer.echo(written(decision))
    tell(f"send it: {signal_command(decision, server.client.service_client.config.target_host)}")
    return exits.DONE


def _command(verdict: Verdict) -> Callable[..., int]:
    """The command that gives one verdict; it offers what the verdict needs, and no more."""

    async def plainly(server: Server, request_id: IdArgument, note: NoteOption = "", approver: AsOption = "") -> int:
        return await _decide(server, request_id, verdict, approver, note)

    async def with_note(server: Server, request_id: IdArgument, note: NeededNote, approver: AsOption = "") -> int:
        return await _decide(server, request_id, verdict, approver, _needed(verdict, note))

    async def with_value(
        server: Server, request_id: IdArgument, value: ValueOption, note: NoteOption = "", approver: AsOption = ""
    ) -> int:
        return await _decide(server, request_id, verdict, approver, note, read_value(value))

    match verdict:
        case Verdict.RETURN:
            return with_server(with_note)
        case Verdict.SUPPLY:
            return with_server(with_value)
        case _:
            return with_server(plainly)


async def _decide(server: Server, request_id: str, verdict: Verdict, approver: str, note: str, value: str = "") -> int:
    wish = Wish(verdict=verdict, approver=someone("--as", approver), note=note, value=value)
    decision = decision_on(await find_request(server, request_id), wish)
    receipt = await send(server, decision)
    say(receipt.message)
    say(f"next: interlock runs watch {decision.workflow_id}")
    return exits.DONE


def _needed(verdict: Verdict, note: str) -> str:
    if verdict is Verdict.RETURN and not note.strip():
        raise WrongInput("--note is empty; say what should change, it is all the run learns")
    return note


def _name(verdict: Verdict) -> str:
    return verdict.value.replace("_", "-")


def _lines(request: ShownRequest) -> Iterator[str]:
    entry = request.entry
    yield f"{entry.request_id}: {entry.title}"
    yield f"kind: {entry.kind.value}"
    yield f"run: {entry.workflow_id}, {entry.automation} in state {entry.state}"
    yield f"requester: {entry.requester}"
    yield f"who may decide: {_roles(entry.obligations)}"
    yield f"asked: {local_time(entry.opened_at)}"
    yield f"until: {_deadline(entry)}"
    yield from _context(request.shown)
    yield from _action(request.shown)
    yield f"digests: action {entry.action_digest[:19]}, shown {entry.display_digest[:19]}"
    if entry.closed_at is not None:
        yield f"closed: {entry.outcome}{f' by {entry.by}' if entry.by else ''} at {local_time(entry.closed_at)}"
        return
    yield f"answers: {', '.join(option.value for option in entry.options)}"
    yield f"next: interlock approvals {_name(entry.options[0])} {entry.request_id} --as YOU"


def _context(shown: dict[str, JsonValue]) -> Iterator[str]:
    asked = shown.get("request")
    context = asked.get("context") if isinstance(asked, dict) else None
    for line in context if isinstance(context, list) else ():
        if isinstance(line, dict):
            yield f"{line.get('label')}: {line.get('text')}"


def _action(shown: dict[str, JsonValue]) -> Iterator[str]:
    """The exact call, as policy saw it and the gate will send it."""
    text = shown.get("action")
    if not isinstance(text, str) or not text:
        return
    action = json.loads(text)
    yield f"action: {action.get('server')}.{action.get('tool')}"
    yield "arguments:"
    for line in json.dumps(action.get("arguments"), indent=2, ensure_ascii=False).splitlines():
        yield f"  {line}"


def _roles(obligations: tuple[Obligation, ...]) -> str:
    return " and ".join(f"{one.quorum} of {one.role}" if one.quorum > 1 else one.role for one in obligations)


def _deadline(entry: InboxEntry) -> str:
    return f"{local_time(entry.deadline)} ({time_left(entry.deadline)})" if entry.deadline else "somebody answers"


for _verdict in Verdict:
    app.command(_name(_verdict), help=_MEANING[_verdict])(_command(_verdict))

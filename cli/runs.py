"""`interlock runs`: start, list, show, watch, hand papers in, cancel, and find out what holds one up."""

from typing import Annotated

import typer
from pydantic import JsonValue, ValidationError

from activities.orphans import Acknowledgement
from activities.reads import ContentQuery
from cli import exits
from cli.automations import find_automation, is_good, load_catalog
from cli.budgets import budget_lines, budget_of
from cli.children import lines_of_children
from cli.connection import AddressOption, NamespaceOption, ask_server, with_server
from cli.deciding import Wish, decide, find_request, send
from cli.delivering import deliver, make_delivery
from cli.diagnosis import explain, find_stuck
from cli.durations import read_duration
from cli.exits import Refused, WrongInput
from cli.inputs import read_request
from cli.listing import list_runs
from cli.option_problems import option_problem
from cli.orphans import acknowledge, as_document, lines_of, orphans
from cli.outside import as_argument
from cli.printing import local_time, say, say_json, say_table, short_time
from cli.resolving import find_unanswered, verdict_of
from cli.server import Server, someone
from cli.starting import Started, make_order, start
from cli.watching import ending_of, run_lines, watch
from contracts.authority import LONGEST_REASON
from contracts.decisions import Verdict
from contracts.runs import Ending

app = typer.Typer(no_args_is_help=True, add_completion=False)

RunArgument = Annotated[str, typer.Argument(help="The run, for example refund/A-17.", metavar="RUN")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("start")
def start_command(
    automation: Annotated[str, typer.Argument(help="See `interlock machines list`.")],
    source: Annotated[str, typer.Option("--from", help="A JSON file with the input, or - for standard input.")] = "",
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="field=value; JSON or text; a.b=value reaches inside.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run to its ending; 0 when it is a good one.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", help="With --wait: at most so long, for example 10m.")] = "",
    again: Annotated[str, typer.Option("--again", help="Start an ended case anew, and why.", metavar="REASON")] = "",
    as_json: JsonOption = False,
    requester: Annotated[str, typer.Option("--as", help="Who asks.", envvar="INTERLOCK_REQUESTER")] = "",
    address: AddressOption = "",
    namespace: NamespaceOption = "",
) -> int:
    """Start a run, or attach to the one that was started for the same business case."""
    if timeout and not wait:
        raise WrongInput("--timeout says how long to wait; give --wait as well")
    within = read_duration("--timeout", timeout) if timeout else None
    entry = find_automation(automation)
    request = read_request(entry, source, assignments or [])
    order = make_order(entry, request, someone("--as", requester), again)

    async def work(server: Server) -> int:
        started = await start(server, order)
        if not as_json:
            _say_started(started)
        if started.ending:
            return _report(started, Ending(state=started.ending), as_json)
        if not wait:
            return _report(started, None, as_json)
        follow = ending_of if as_json else watch
        return _report(started, await follow(server, started.run, within), as_json)

    return ask_server(address, namespace, "interlock runs start", work)


def _say_started(started: Started) -> None:
    if started.new:
        say(f"started {started.run}")
    elif not started.ending:
        say(f"{started.run} was started before with the same input, and is under way")
    else:
        say(f"{started.run} was started before with the same input, and has ended")


def _report(started: Started, ending: Ending | None, as_json: bool) -> int:
    good = is_good(started.automation, ending.state) if ending else None
    if as_json:
        given = ending.model_dump(mode="json") if ending else None
        say_json({**started.model_dump(mode="json", exclude={"ending"}), "ending": given, "good": good})
    elif ending:
        say_ending(ending)
        say(f"next: interlock runs show {as_argument(started.run)}")
    else:
        say(f"next: interlock runs watch {as_argument(started.run)}")
        say(f"      interlock runs show {as_argument(started.run)}")
        say("      interlock approvals list")
    return exits.DONE if good is not False else exits.REFUSED


def say_ending(ending: Ending) -> None:
    """The state alone answers why; the reason adds the particulars."""
    say(f"ended: {ending.state}" + (f", {ending.reason}" if ending.reason else ""))


@app.command("list")
@with_server
async def list_command(
    server: Server,
    state: Annotated[str, typer.Option("--state", help="Only runs that waited, or ended, in this state.")] = "",
    automation: Annotated[str, typer.Option("--automation", help="Only runs of this automation.")] = "",
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest first.", min=1, max=1000)] = 100,
    as_json: JsonOption = False,
) -> int:
    """List runs, the newest first. The state is the last one that matters to people: waiting or final."""
    runs = await list_runs(server, load_catalog(), state=state, automation=automation, limit=limit)
    if as_json:
        say_json([run.model_dump(mode="json") for run in runs])
        return exits.DONE
    if not runs:
        say("no runs")
        return exits.DONE
    rows = [(run.run, run.state, run.status, short_time(run.started_at), short_time(run.closed_at)) for run in runs]
    say_table(("run", "state", "status", "started", "ended"), rows)
    return exits.DONE


@app.command("show")
@with_server
async def show_command(
    server: Server,
    run: RunArgument,
    reader: Annotated[str, typer.Option("--as", help="Who looks.", envvar="INTERLOCK_REQUESTER")] = "",
    as_json: JsonOption = False,
) -> int:
    """Show where a run stands, or how it ended, with its answer."""
    view = await server.view(run)
    answer = await _answer(server, view.answer_ref, someone("--as", reader)) if view.answer_ref else ""
    budget = await budget_of(server, view)
    if as_json:
        told = None if isinstance(budget, str) else budget.model_dump(mode="json")["lines"]
        say_json({**view.model_dump(mode="json"), "answer": answer or None, "budget": told})
        return exits.DONE
    for line in (*run_lines(view), *await lines_of_children(server, view), *budget_lines(budget)):
        say(line)
    say(f"state: {view.state}" + (f", {view.reason}" if view.reason else ""))
    say(f"requester: {view.requester}")
    for name, value in view.facts.items():
        say(f"{name}: {value}")
    for decided in view.decided:
        by = f" by {decided.by}" if decided.by else ""
        say(f"{decided.id}: {decided.outcome}{by} at {local_time(decided.at)}")
    if answer:
        say("answer:")
        for text in answer.splitlines():
            say(f"  {text}")
    return exits.DONE


async def _answer(server: Server, address: str, reader: str) -> str:
    return await server.read("read_content", ContentQuery(address=address, reader=reader), str)


@app.command("watch")
@with_server
async def watch_command(
    server: Server,
    run: RunArgument,
    timeout: Annotated[str, typer.Option("--timeout", help="At most so long, for example 10m.")] = "",
) -> int:
    """Follow a run to its ending: states, turns, tool calls, tokens, cost, and what it waits for."""
    ending = await watch(server, run, read_duration("--timeout", timeout) if timeout else None)
    say_ending(ending)
    say(f"next: interlock runs show {as_argument(run)}")
    return exits.DONE


@app.command("cancel")
@with_server
async def cancel_command(
    server: Server,
    run: RunArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the run.")],
    who: Annotated[str, typer.Option("--as", help="Who stops it.", envvar="INTERLOCK_APPROVER")] = "",
) -> int:
    """Ask a run to stop; it undoes what it did, and ends as cancelled."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise WrongInput(f"--reason says why in 1 to {LONGEST_REASON} characters; it is kept with the run")
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    described = (await server.describe(run)).workflow_execution_info
    if described.HasField("close_time"):
        how = WorkflowExecutionStatus.Name(described.status).rpartition("_")[2].lower()
        raise Refused(f"{run} has ended already ({how}); see `interlock runs show {as_argument(run)}`")
    await server.handle(run).cancel(reason=f"{reason.strip()} (asked by {someone('--as', who)})")
    say(f"asked {run} to stop")
    say(f"next: interlock runs watch {as_argument(run)}")
    return exits.DONE


@app.command("deliver")
@with_server
async def deliver_command(
    server: Server,
    run: RunArgument,
    kind: Annotated[str, typer.Argument(help="What it is, for example contract.", metavar="KIND")],
    reference: Annotated[str, typer.Option("--reference", help="Where it was stored, for example DOC-1007.")],
    file: Annotated[str, typer.Option("--file", help="The paper as it was stored; only its digest is told.")] = "",
    digest: Annotated[str, typer.Option("--digest", help="Instead of --file: its digest, sha256:...")] = "",
    who: Annotated[str, typer.Option("--as", help="Who says so.", envvar="INTERLOCK_REQUESTER")] = "",
) -> int:
    """Tell a run that a paper was stored; it looks there, and takes what it finds. Twice is once."""
    delivery = make_delivery(kind, reference, file, digest, someone("--as", who))
    receipt = await deliver(server, run, delivery)
    say(f"{receipt.outcome}: {receipt.message}" if receipt.outcome != "noted" else receipt.message)
    say(f"next: interlock runs show {as_argument(run)}")
    return exits.DONE


@app.command("resolve")
@with_server
async def resolve_command(
    server: Server,
    run: RunArgument,
    action: Annotated[
        str, typer.Argument(help="The call: its request, its tool, or how its digest begins.", metavar="[ACTION]")
    ] = "",
    happened: Annotated[bool, typer.Option("--happened", help="It happened; --note says how you know.")] = False,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="It did not; it is ruled on anew, and made if that permits it.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="It cannot be found out; undo what was done, and end.")
    ] = False,
    note: Annotated[str, typer.Option("--note", help="How you know; the record will have it.")] = "",
    approver: Annotated[str, typer.Option("--as", help="Who says so.", envvar="INTERLOCK_APPROVER")] = "",
) -> int:
    """Say what came of a call that was sent and never answered; signed like any decision."""
    verdict = verdict_of(happened, did_not_happen, abandon)
    if verdict is Verdict.HAPPENED and not note.strip():
        raise WrongInput("--note is missing; say how you know that it happened: where it stands, under which number")
    person = someone("--as", approver)
    waiting = find_unanswered(await server.view(run), action)
    shown = await find_request(server, waiting.id, person)
    receipt = await send(server, decide(shown, Wish(verdict=verdict, approver=person, note=note)))
    say(receipt.message)
    say(f"next: interlock runs watch {as_argument(run)}")
    return exits.DONE


@app.command("stuck")
@with_server
async def stuck_command(server: Server, as_json: JsonOption = False) -> int:
    """List runs that do not move, what holds each up, and the next command."""
    findings = await find_stuck(server)
    if as_json:
        say_json([finding.model_dump(mode="json") for finding in findings])
        return exits.DONE
    for finding in findings:
        say(f"{finding.subject}: {finding.problem}")
        say(f"  next: {finding.next_command}")
    if not findings:
        say("nothing is stuck")
    return exits.DONE


@app.command("orphans")
@with_server
async def orphans_command(
    server: Server,
    acknowledged: Annotated[
        str, typer.Option("--acknowledge", help="Take this run out of the report.", metavar="RUN")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="With --acknowledge: what was found; it is kept.")] = "",
    who: Annotated[str, typer.Option("--as", help="Who acknowledges.", envvar="INTERLOCK_APPROVER")] = "",
    as_json: JsonOption = False,
) -> int:
    """List runs that were terminated, deleted or failed, and of which effects nobody knows whether they happened."""
    if bool(acknowledged) != bool(reason):
        raise WrongInput("--acknowledge RUN and --reason WHY stand together")
    if acknowledged:
        by = someone("--as", who)
        await acknowledge(server, _acknowledgement(acknowledged, by, reason))
        say(f"{acknowledged} is no longer reported")
        say("next: interlock runs orphans")
        return exits.DONE
    page = await orphans(server)
    if as_json:
        say_json(as_document(page))
        return exits.DONE
    for line in lines_of(page):
        say(line)
    return exits.DONE


def _acknowledgement(run: str, by: str, reason: str) -> Acknowledgement:
    try:
        return Acknowledgement(workflow_id=run, by=by, reason=reason)
    except ValidationError as error:
        raise option_problem(error, {"workflow_id": "--acknowledge", "by": "--as", "reason": "--reason"}) from error


@app.command("why")
@with_server
async def why_command(server: Server, run: RunArgument, as_json: JsonOption = False) -> int:
    """Say why a run is where it is: what it does, whom it waits for, or what holds it up."""
    explanation = await explain(server, run)
    if as_json:
        document: JsonValue = explanation.model_dump(mode="json")
        say_json(document)
        return exits.DONE
    for line in explanation.lines:
        say(line)
    for finding in explanation.findings:
        say(f"{finding.problem}")
        say(f"  next: {finding.next_command}")
    return exits.DONE

"""`interlock policy`: check the rules, ask them, try them on vectors, and make them active."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import JsonValue

from cli import exits
from cli.assignments import read_assignments, read_counts, whole_number
from cli.automations import load_catalog
from cli.exits import Refused, WrongInput
from cli.outside import as_argument
from cli.printing import say, say_json, tell
from cli.rulebook import (
    Rulebook,
    Stored,
    inputs,
    open_rulebook,
    read_roster,
    read_store,
    surroundings,
    tool_described,
)
from contracts.authority import DocumentKind
from contracts.policy import Obligation, Ruling, RulingEffect
from contracts.roster import Roster
from contracts.tools import EffectClass, Purpose, Risk, Taint
from policies.document import declared_totals
from policies.engine import CedarRules, PolicyBroken, PolicyQuestion
from policies.lint import findings, not_checked
from policies.vectors import Asked, VectorTable, read_vectors

app = typer.Typer(no_args_is_help=True, add_completion=False)

FolderOption = Annotated[
    list[Path] | None, typer.Option("--folder", help="A policy folder, instead of those of the settings; repeatable.")
]
RosterOption = Annotated[Path | None, typer.Option("--roster", help="The roster file, instead of the one in force.")]
_WORDS: Final = {
    RulingEffect.PERMIT: "permitted",
    RulingEffect.NEEDS_APPROVAL: "needs approval",
    RulingEffect.FORBID: "forbidden",
}


@app.command("lint")
def lint_command(folder: FolderOption = None, roster: RosterOption = None) -> int:
    """Check the rules in the files: one finding a line, with its place and the way out; 1 when there is one."""
    book = open_rulebook(folder or ())
    if _lint(book, asyncio.run(read_store()), read_roster(roster)):
        return exits.REFUSED
    say(f"{len(book.rules().rules)} rules in {len(book.files)} files, nothing found")
    say("next: interlock policy test")
    return exits.DONE


@app.command("explain")
def explain_command(
    automation: Annotated[str, typer.Option(help="The automation that acts.")],
    tool: Annotated[str, typer.Option(help="SERVER.TOOL")],
    role: Annotated[list[str] | None, typer.Option(help="A role of whoever asks; repeatable.")] = None,
    requester: Annotated[str, typer.Option(help="Whoever asks; the roles are those of the roster.")] = "",
    wanted: Annotated[list[str] | None, typer.Option("--asked", help="FIELD=VALUE of the run's input.")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="ARGUMENT=VALUE of the call.")] = None,
    totals: Annotated[list[str] | None, typer.Option("--total", help="TOTAL=VALUE, this action included.")] = None,
    approvals: Annotated[list[str] | None, typer.Option("--approved", help="ROLE=PEOPLE who have signed.")] = None,
    taint: Annotated[list[Taint] | None, typer.Option(help="What the run has read; repeatable.")] = None,
    purpose: Annotated[Purpose, typer.Option(help="Going forward, or undoing.")] = Purpose.FORWARD,
    undoes: Annotated[bool, typer.Option("--undoes", help="The run has sent what would be undone.")] = False,
    effect_class: Annotated[EffectClass | None, typer.Option(help="Instead of the one described.")] = None,
    risk: Annotated[Risk | None, typer.Option(help="Instead of the one described.")] = None,
    sends_out: Annotated[bool | None, typer.Option(help="Instead of what is described.")] = None,
    roster: RosterOption = None,
    folder: FolderOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """May this be done, and who must sign? 1 when it is forbidden.

    Asks the rules in the files, not those in force. Arguments that are not given are taken as 0 or empty; fields of
    the run's input that are not given are absent: such a run was not asked for them.
    """
    book, stored = open_rulebook(folder or ()), asyncio.run(read_store())
    overruled = {"effect_class": effect_class, "risk": risk, "sends_out": sends_out}
    described = tool_described(book, stored, tool).model_copy(
        update={name: value for name, value in overruled.items() if value is not None}
    )
    known = read_roster(roster) or stored.roster
    asked = Asked(
        automation=automation,
        tool=tool,
        request=_request(automation, wanted or []),
        requester=requester or "somebody",
        roles=_roles(role or [], requester, known),
        purpose=purpose,
        undoes=undoes,
        taint=tuple(taint or ()),
        totals=read_counts("--total", totals or []),
        approvals=read_counts("--approved", approvals or []),
        arguments=read_assignments("--set", assignments or []),
    )
    if unknown := sorted(asked.arguments.keys() - described.arguments.keys()):
        there_are = ", ".join(described.arguments) or "none that rules can see"
        raise WrongInput(f"--set {unknown[0]}: {tool} has no such argument; it has {there_are}")
    for name, value in asked.arguments.items():
        _check_argument(name, value, described.arguments[name])
    if undeclared := sorted(asked.totals.keys() - declared_totals(book.files)):
        raise WrongInput(f"--total {undeclared[0]}: no such total is declared in totals.toml")
    for note in _unknown(automation, requester, known):
        tell(note)
    return _explain(book, asked.about(described), as_json)


@app.command("test")
def test_command(
    file: Annotated[Path | None, typer.Argument(help="A table of vectors; without it those of the folders.")] = None,
    folder: FolderOption = None,
) -> int:
    """Ask the rules in the files every question of a table; 1 when one does not come out as expected."""
    book = open_rulebook(folder or ())
    return exits.DONE if _test(book, _tables(book, file)) else exits.REFUSED


@app.command("activate")
def activate_command(
    signer: Annotated[str, typer.Option("--as", help="Who makes them active.", envvar="INTERLOCK_APPROVER")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the record will have it.")],
    folder: FolderOption = None,
    roster: RosterOption = None,
) -> int:
    """Make the rules in the files those in force, once lint finds nothing and every vector holds."""
    book = open_rulebook(folder or ())
    if _lint(book, asyncio.run(read_store()), read_roster(roster)):
        raise Refused("nothing was made active: correct what lint found")
    if not _test(book, _tables(book, None)):
        raise Refused("nothing was made active: correct the rules or the vectors")
    from cli.activating import activate_document

    return asyncio.run(activate_document(DocumentKind.POLICY, book.content, signer=signer, reason=reason))


def _lint(book: Rulebook, stored: Stored, roster: Roster | None) -> bool:
    """Print what is found; whether anything was."""
    world = surroundings(book, stored, roster)
    found = findings(book.files, world)
    for problem in found:
        say(f"{book.place(problem)}: {problem.rule_id or 'rule'}: {problem.sentence}")
    for sentence in not_checked(book.files, world):
        tell(sentence)
    return bool(found)


def _test(book: Rulebook, tables: Sequence[VectorTable]) -> bool:
    """Print what does not come out as expected; whether everything does."""
    rules = book.rules()
    missed = [
        f"{vector.name}: {problem}"
        for table in tables
        for vector in table.vectors
        if (problem := vector.misses(rules.rule(table.question(vector))))
    ]
    for line in missed:
        say(line)
    asked = sum(len(table.vectors) for table in tables)
    say(f"{asked} vectors, {f'{len(missed)} not as expected' if missed else 'all as expected'}")
    return not missed


def _tables(book: Rulebook, file: Path | None) -> tuple[VectorTable, ...]:
    try:
        tables = (read_vectors(file),) if file else book.tables
    except PolicyBroken as broken:
        raise WrongInput(str(broken)) from broken
    if not any(table.vectors for table in tables):
        raise WrongInput("there are no vectors; write vectors.toml beside the rules, or name a file")
    return tables


def _explain(book: Rulebook, question: PolicyQuestion, as_json: bool) -> int:
    rules = book.rules()
    ruling = rules.rule(question)
    if as_json:
        say_json(ruling.model_dump(mode="json") | {"places": _places(book, rules, ruling)})
    else:
        for line in _answer(book, rules, question, ruling):
            say(line)
    return exits.REFUSED if ruling.effect is RulingEffect.FORBID else exits.DONE


def _answer(book: Rulebook, rules: CedarRules, question: PolicyQuestion, ruling: Ruling) -> Iterator[str]:
    asking = f", asked by {', '.join(question.roles)}" if question.roles else ""
    yield f"{_WORDS[ruling.effect]}: {question.action} in {question.automation}{asking}"
    for rule_id, place in _places(book, rules, ruling).items():
        yield f"rule {rule_id} at {place}"
    for obligation in ruling.obligations:
        yield from _obligation(obligation)
    if ruling.effect is RulingEffect.FORBID:
        yield f"because: {ruling.reason}"
    if ruling.allowing_rule:
        yield f"a rule that would permit it: {ruling.allowing_rule}"


def _places(book: Rulebook, rules: CedarRules, ruling: Ruling) -> dict[str, JsonValue]:
    known = {rule.id: rule for rule in rules.rules}
    return {rule_id: book.place(known[rule_id]) for rule_id in ruling.rule_ids}


def _obligation(asked: Obligation) -> Iterator[str]:
    people = "1 person" if asked.quorum == 1 else f"{asked.quorum} people"
    clock = f" of the calendar {asked.calendar}" if asked.calendar else ""
    yield f"{people} as {asked.role} must approve within {_span(asked.within)}{clock} ({asked.rule_id})"
    if asked.remind:
        yield f"reminded after {_span(asked.remind)}{clock}"
    if asked.hand_on:
        yield f"handed on to {asked.hand_on_to} after {_span(asked.hand_on)}{clock}"


def _span(span: timedelta) -> str:
    hours, rest = divmod(int(span.total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _request(automation: str, wanted: Sequence[str]) -> dict[str, JsonValue]:
    """The run's input, as far as it is given; of an automation that is not known here it can be anything."""
    given = read_assignments("--asked", wanted)
    properties = inputs().get(automation, {}).get("properties") if given else None
    if isinstance(properties, dict) and (unknown := sorted(given.keys() - properties.keys())):
        known = ", ".join(properties) or "none"
        raise WrongInput(f"--asked {unknown[0]}: the input of {automation} has no such field; it has {known}")
    return given


def _check_argument(name: str, value: JsonValue, kind: str) -> None:
    """Raises WrongInput unless the value is of the kind that the tool describes."""
    match kind:
        case "integer":
            whole_number("--set", name, value)
        case "boolean" if not isinstance(value, bool):
            raise WrongInput(f"--set {name}: {value!r:.60} is neither true nor false; write --set {name}=true")
        case "string" if not isinstance(value, str):
            quoted = as_argument(f"{name}={json.dumps(json.dumps(value))}")
            raise WrongInput(f"--set {name}: {value!r:.60} is no text; quote it for JSON: --set {quoted:.80}")


def _unknown(automation: str, requester: str, roster: Roster | None) -> Iterator[str]:
    """Names that nobody here knows: perhaps misspelt, perhaps of tomorrow."""
    automations = [entry.name for entry in load_catalog().entries()]
    if automation not in automations:
        yield f"note: no automation is called {automation!r} here; there are: {', '.join(automations)}"
    if requester and roster is not None and roster.person(requester) is None:
        yield f"note: the roster knows nobody called {requester!r}, so they hold no role of their own"


def _roles(named: Sequence[str], requester: str, roster: Roster | None) -> tuple[str, ...]:
    if not requester or named:
        return tuple(named)
    if roster is None:
        raise WrongInput(f"no roster says which roles {requester!r} has; give --role, or --roster FILE")
    return roster.roles_of(requester, datetime.now(UTC))

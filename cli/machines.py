"""`interlock machines`: the automations there are, and their states."""

from collections.abc import Iterator
from typing import Annotated

import typer
from pydantic import JsonValue

from cli import exits
from cli.automations import find_automation, load_catalog
from cli.outside import as_argument
from cli.printing import say, say_json, say_table
from contracts.decisions import Verdict
from workflows.catalog import CatalogEntry
from workflows.machine.diagram import mermaid

app = typer.Typer(no_args_is_help=True, add_completion=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("list")
def list_command(as_json: JsonOption = False) -> int:
    """List the automations; INTERLOCK_AUTOMATIONS adds a folder of your own."""
    entries = load_catalog().entries()
    if as_json:
        say_json([_document(entry) for entry in entries])
    else:
        say_table(("automation", "what it does"), [(entry.name, entry.description) for entry in entries])
        say(f"next: interlock machines show {as_argument(entries[0].name)}")
    return exits.DONE


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="The automation.")],
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print the diagram.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Show an automation: its input, states, arrows and endings."""
    entry = find_automation(name)
    if as_json:
        say_json(_document(entry))
    elif as_mermaid:
        for drawn in mermaid(entry.machine).splitlines():
            say(drawn)
    else:
        for line in _lines(entry):
            say(line)
    return exits.DONE


def _lines(entry: CatalogEntry) -> Iterator[str]:
    machine = entry.machine
    yield f"{entry.name}: {entry.description}"
    for field, declared in entry.request.model_fields.items():
        need = "required" if declared.is_required() else f"default {declared.default!r}"
        yield f"input {field}: {getattr(declared.annotation, '__name__', declared.annotation)}, {need}"
    yield f"starts in {machine.initial.value}"
    for state, targets in machine.transitions.items():
        waits = " (waits)" if machine.is_waiting(state) else ""
        yield f"{state.value}{waits} → {', '.join(str(target.value) for target in targets)}"
        if state in machine.failures:
            yield f"  when a step fails: {machine.fails(state).words}"
        escapes = {**machine.escapes(state), Verdict.ABANDON: None}
        yield f"  when it escalates: {', '.join(escapes)}"
    yield f"good endings: {', '.join(str(state.value) for state in machine.good)}"
    others = [str(state.value) for state in machine.final if state not in machine.good]
    yield f"other endings: {', '.join([*others, 'cancelled', 'undo_incomplete'])}"
    yield f"next: interlock runs start {as_argument(entry.name)} --set FIELD=VALUE"


def _document(entry: CatalogEntry) -> JsonValue:
    machine = entry.machine
    arrows: dict[str, JsonValue] = {
        str(state.value): [str(target.value) for target in targets] for state, targets in machine.transitions.items()
    }
    return {
        "name": entry.name,
        "description": entry.description,
        "input_schema": entry.request.model_json_schema(),
        "initial": str(machine.initial.value),
        "states": [str(state.value) for state in machine.states],
        "waiting": [str(state.value) for state in machine.waiting],
        "final": [str(state.value) for state in machine.final],
        "good": [str(state.value) for state in machine.good],
        "transitions": arrows,
        "failures": {str(state.value): str(target.value) for state, target in machine.failures.items()},
    }

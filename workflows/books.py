"""The books of other systems: what a run does there under its own name, and what they say of it afterwards."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from temporalio import workflow

from contracts.tools import Scalar, ToolOutcome
from workflows.machine import compensation
from workflows.steps import Run, StepFailed, call_tool, done, read_facts

Arguments = dict[str, JsonValue]


def this_run() -> str:
    """The name of this run, under which every system keeps what it does."""
    return workflow.info().workflow_id


def by_this_run(named: Arguments) -> Arguments:
    """With the reference under which every system keeps what this run does.

    All that it does can be named by it: nothing that is lost with an answer is ever needed.
    """
    return named | {"reference": this_run()}


async def do(
    run: Run[Any], what: str, server: str, tool: str, named: Arguments, *, undo: str, **more: JsonValue
) -> ToolOutcome:
    """One effect. Its undo is registered before it, and told which one by the same names. Raises StepFailed."""
    compensation.register(run, what, server, undo, by_this_run(named))
    return done(await call_tool(run, server, tool, by_this_run(named) | more), f"{server}.{tool}")


async def unlike(
    run: Run[Any], server: str, tool: str, arguments: Arguments, expected: Mapping[str, Scalar]
) -> list[str]:
    """What a system of record says otherwise than it should, by JSON pointer. Raises StepFailed."""
    found = (await read_facts(run, server, tool, arguments, {place: place for place in expected})).facts
    return _wrong(server, expected, found)


async def confirm(
    run: Run[Any], server: str, tool: str, arguments: Arguments, expected: Mapping[str, Scalar], tells: str
) -> Scalar:
    """What a system of record says at `tells`, once it says everything that it should. Raises StepFailed."""
    places = {place: place for place in (*expected, tells)}
    found = (await read_facts(run, server, tool, arguments, places)).facts
    check_outcome(_wrong(server, expected, found))
    return found.get(tells)


def check_outcome(wrong: list[str]) -> None:
    """Raises StepFailed when the books do not say what should be."""
    if wrong:
        raise StepFailed("outcome check", f"the books do not say what should be: {'; '.join(wrong)}")


def _wrong(server: str, expected: Mapping[str, Scalar], found: Mapping[str, Scalar]) -> list[str]:
    wrong = {place: value for place, value in expected.items() if found.get(place) != value}
    return [f"{server} has {found.get(place)!r} at {place}, not {value!r}" for place, value in wrong.items()]

"""Undo what a run has done: registered as data before the effect, run newest first."""

from typing import Any

from pydantic import JsonValue

from contracts.runs import Compensation
from contracts.tools import Purpose
from workflows import steps


class UndoFailed(steps.StepFailed):
    """An effect could not be undone; a person must choose, and may do it by hand."""


def register(run: steps.Run[Any], undoes: str, server: str, tool: str, arguments: dict[str, JsonValue]) -> None:
    """Remember how to undo `undoes`, before it happens. Registering the same undo again changes nothing."""
    call = steps.tool_call(run, server, tool, arguments, purpose=Purpose.COMPENSATION)
    if all(undoes != known.undoes for known in run.case.compensations):
        run.note(compensations=(*run.case.compensations, Compensation(call=call, undoes=undoes)))


async def undo(run: steps.Run[Any]) -> None:
    """Undo everything that is registered, newest first; what is undone is forgotten. Raises UndoFailed."""
    while run.case.compensations:
        newest = run.case.compensations[-1]
        try:
            await _undo_one(run, newest)
        except steps.StepFailed as failure:
            left = ", ".join(undo.undoes for undo in reversed(run.case.compensations))
            problem = f"not undone: {left}; {failure.problem}"
            raise UndoFailed(failure.step, problem, renew=failure.renew, unanswered=failure.unanswered) from failure
        run.note(compensations=run.case.compensations[:-1])


async def _undo_one(run: steps.Run[Any], undo: Compensation) -> None:
    occurrence = str(run.case.occurrences.get(undo.call.step, 1))
    outcome = await steps.make_call(
        run, undo.call.model_copy(update={"occurrence": occurrence, "state": run.case.state})
    )
    steps.done(outcome, undo.call.step)

"""Undo what a run has done: registered as data before the effect, run newest first, each by its own retry rule."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from pydantic import JsonValue
from temporalio import workflow

from activities.tools import NOTHING_TO_UNDO
from contracts.runs import LONGEST_DELAY, Case, Compensation, RetryRule
from contracts.tools import Purpose, ToolOutcome
from workflows import steps

StateT = TypeVar("StateT", bound=Enum)

KEPT_UNDONE = 50
SHOWN_CHARACTERS = 120
"""Of a list of effects in one sentence."""


class UndoFailed(steps.StepFailed):
    """An effect could not be undone; a person must choose, and may do it by hand."""


def register(
    run: steps.Run[Any],
    undoes: str,
    server: str,
    tool: str,
    arguments: dict[str, JsonValue],
    patience: RetryRule | None = None,
) -> None:
    """Remember how to undo `undoes`, before it happens. Registering the same undo again changes nothing.

    By default an undo is tried for twelve hours while the server cannot be reached, and a no is put to people at once.
    """
    call = steps.tool_call(run, server, tool, arguments, purpose=Purpose.COMPENSATION)
    if all(undoes != known.undoes for known in run.case.compensations):
        registered = Compensation(call=call, undoes=undoes, patience=patience or RetryRule())
        run.note(compensations=(*run.case.compensations, registered))


async def undo(run: steps.Run[Any]) -> None:
    """Undo everything that is registered, newest first; what is undone is forgotten. Raises UndoFailed."""
    while run.case.compensations:
        newest = run.case.compensations[-1]
        await _until_due(newest)
        _replace_newest(run, newest, since=newest.since or workflow.now())
        try:
            outcome = await _undo_one(run, run.case.compensations[-1])
        except steps.StepFailed as failure:
            if not _tries_again(run, failure):
                raise _failed(run, failure) from failure
        else:
            _undone(run, how="nothing had been done" if outcome.message == NOTHING_TO_UNDO else "")


async def undo_after(run: steps.Run[Any], failure: steps.StepFailed, to: StateT) -> StateT:
    """Undo everything because one step of a handler failed; the handler then returns `to`.

    Raises `failure` itself when people must look first, and UndoFailed; `to` then follows what people choose.
    """
    if failure.ask_people or isinstance(failure, UndoFailed):
        raise failure
    run.note(undoing_to=to.value, reason=failure.problem[:400])
    await undo(run)
    return to


def undone_by_hand(run: steps.Run[Any]) -> None:
    """A person has undone the newest effect; it is not undone again."""
    _undone(run, how="by hand")


def left(case: Case) -> tuple[str, ...]:
    """What is not undone, newest first, once undoing has begun; empty before."""
    failed = case.escalation is not None and case.escalation.undoing
    begun = failed or case.cancelling or case.undoing_to or case.undone
    return tuple(each.undoes for each in reversed(case.compensations)) if begun else ()


async def _undo_one(run: steps.Run[Any], undo: Compensation) -> ToolOutcome:
    occurrence = str(run.case.occurrences.get(undo.call.step, 1))
    call = undo.call.model_copy(update={"occurrence": occurrence, "state": run.case.state})
    first, within = timedelta(seconds=undo.patience.every), _ends_at(undo) - workflow.now()
    outcome = await steps.make_call(run, call, within=max(within, timedelta(seconds=1)), patience=first * LONGEST_DELAY)
    return steps.done(outcome, undo.call.step)


async def _until_due(undo: Compensation) -> None:
    if undo.again_at is not None and (wait := undo.again_at - workflow.now()) > timedelta():
        await workflow.sleep(wait, summary=f"then {undo.call.step} is tried again"[:200])


def _tries_again(run: steps.Run[Any], failure: steps.StepFailed) -> bool:
    """Whether the newest undo is due again later, as a new intention: its rule says so, and trying again can help."""
    newest = run.case.compensations[-1]
    again_at = workflow.now() + timedelta(seconds=newest.patience.delay(newest.tried))
    hopeless = failure.ask_people or failure.by_policy
    if hopeless or newest.tried >= newest.patience.times or again_at >= _ends_at(newest):
        return False
    _replace_newest(run, newest, tried=newest.tried + 1, again_at=again_at)
    if failure.renew:
        run.note(occurrences=steps.renew(run.case, failure.step))
    return True


def _failed(run: steps.Run[Any], failure: steps.StepFailed) -> UndoFailed:
    """The undo has had its time, and begins anew should people say so."""
    _replace_newest(run, run.case.compensations[-1], tried=0, since=None, again_at=None)
    not_undone = _listed(undo.undoes for undo in reversed(run.case.compensations))
    problem = f"not undone: {not_undone}; undone: {_listed(run.case.undone)}; {failure.problem}"
    return UndoFailed(
        failure.step,
        problem,
        renew=failure.renew,
        ask_people=failure.ask_people,
        by_policy=failure.by_policy,
        unanswered=failure.unanswered,
    )


def _undone(run: steps.Run[Any], how: str) -> None:
    newest = run.case.compensations[-1]
    words = f"{newest.undoes} ({how})" if how else newest.undoes
    run.note(compensations=run.case.compensations[:-1], undone=(*run.case.undone, words)[-KEPT_UNDONE:])


def _replace_newest(run: steps.Run[Any], newest: Compensation, **changes: object) -> None:
    run.note(compensations=(*run.case.compensations[:-1], newest.model_copy(update=changes)))


def _ends_at(undo: Compensation) -> datetime:
    return (undo.since or workflow.now()) + timedelta(seconds=undo.patience.within)


def _listed(effects: Iterable[str]) -> str:
    words = ", ".join(effects) or "nothing"
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[: SHOWN_CHARACTERS - 1]}…"

"""Start another automation as a child run, and wait for its ending: a whole run, with its own record and requests.

Who may do what comes down from the parent and never widens: the child's first step proves whose child it is. The
parent waits; it answers nothing that the child asks people.
"""

import asyncio
from datetime import timedelta
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    TerminatedError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

from activities.children import ChildActivities
from contracts.business_cases import business_key_of
from contracts.children import ChildToFind, ChildToStart, EnteredChild, FirstCase
from contracts.escaping import markdown
from contracts.model import Model
from contracts.runs import WORKFLOW_TASK_TIMEOUT, BuiltIn, CaseT, ChildRun, Ending, StartStatement
from workflows import steps

KEPT_CHILDREN = 20
"""So many of the last ones that ended are remembered."""
LOST = "lost"
"""Stands for the ending of a child that has none."""


class Parent(steps.Run[CaseT], Protocol[CaseT]):
    """What a run that starts children needs besides."""

    def show_children(self) -> None:
        """Show in the Web UI what is known of them."""


async def run_child(run: Parent[Any], automation: str, request: Model, *, step: str) -> Ending:
    """Start a run of `automation` inside this one and wait for its ending, however long that takes.

    A step starts one child; acted in again, or reset, the run finds that one and its ending. A new occurrence starts
    another. Whether an ending is a good one is for the caller to say. A run that is cancelled meanwhile cancels its
    child and waits until that has undone what it did. Raises StepFailed when the child may not be started, when its
    registration is refused, and when somebody has ended it without an ending of its own.
    """
    entered = await _entered(run, automation, request, step)
    steps.heed_cancellation(run)
    start = steps.known(entered.start, f"the start of {automation!r}")
    child = ChildRun(step=step, workflow_id=start.workflow_id)
    _remember(run, child)
    try:
        ending = await (_found(start) if entered.begun else _started(start, request))
    except (asyncio.CancelledError, ChildWorkflowError):  # cancelled before it had begun
        _remember(run, child.model_copy(update={"ending": BuiltIn.CANCELLED.value}))
        raise
    except _Lost as lost:
        _remember(run, child.model_copy(update={"ending": LOST}))
        steps.heed_cancellation(run)
        raise steps.StepFailed(step, f"{start.workflow_id}: {lost}", renew=True, ask_people=True) from lost
    run.note(taint=tuple(sorted({*run.case.taint, *ending.taint})))
    _remember(run, child.model_copy(update={"ending": ending.state}))
    steps.heed_cancellation(run)
    if ending.refused:
        raise steps.StepFailed(step, f"{start.workflow_id} was refused: {ending.reason}", renew=True)
    return ending


class _Lost(Exception):
    """The child will have no ending of its own."""


async def _entered(run: steps.Run[Any], automation: str, request: Model, step: str) -> EnteredChild:
    """The entry under which the child begins. Raises StepFailed when it may not."""
    wanted = ChildToStart(
        automation=automation,
        business_key=business_key_of(request),
        request=request.model_dump(mode="json"),
        step=step,
        occurrence=str(run.case.occurrences.get(step, 1)),
    )
    entered = await steps.attempt(
        run,
        ChildActivities.enter_child,
        wanted,
        step=step,
        summary=f"enter the child {automation} {wanted.business_key}",
        start_to_close=timedelta(seconds=30),
        schedule_to_close=timedelta(hours=1),
    )
    if entered.refused:
        raise steps.StepFailed(step, entered.refused, renew=entered.another)
    return entered


async def _started(start: StartStatement, request: Model) -> Ending:
    """A child of Temporal's: cancelled with its parent, which waits for it, and asked to stop when that is stopped."""
    parent = markdown(workflow.info().workflow_id)
    try:
        ended: Ending = await workflow.execute_child_workflow(
            start.automation,
            FirstCase(start=start, request=request.model_dump(mode="json")),
            id=start.workflow_id,
            result_type=Ending,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{markdown(start.automation)} {markdown(start.business_key)}, inside {parent}"[:200],
            static_details=f"A child run of `{parent}`, which waits for its ending.",
        )
    except WorkflowAlreadyStartedError:
        return await _found(start)  # before this run was reset
    except ChildWorkflowError as error:
        if is_cancelled_exception(error) and workflow.cancellation_reason() is not None:
            raise  # before it had begun
        raise _Lost(_why(error)) from error
    return ended


async def _found(start: StartStatement) -> Ending:
    """The ending of a child that was started before this run was reset; cancelled with this run, too."""
    try:
        return await _looked_for(start)
    except BaseException as stopped:
        if not is_cancelled_exception(stopped):
            raise
    try:
        await workflow.get_external_workflow_handle(start.workflow_id).cancel()
    except ApplicationError:
        workflow.logger.info("child_ended_meanwhile", extra={"child": start.workflow_id})
    return await _looked_for(start)


async def _looked_for(start: StartStatement) -> Ending:
    try:
        return await workflow.execute_activity_method(
            ChildActivities.find_ending,
            ChildToFind(workflow_id=start.workflow_id),
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=steps.retried(steps.STEADY),
            summary=f"wait for {start.workflow_id}, which began before a reset"[:200],
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise _Lost(str(error.cause)) from error


def _remember(run: Parent[Any], child: ChildRun) -> None:
    """The last word on a child replaces the one before; of those that ended only the last ones are kept."""
    others = tuple(known for known in run.case.child_runs if known.workflow_id != child.workflow_id)
    ended = [known for known in others if known.ending]
    forgotten = {known.workflow_id for known in ended[: max(0, len(ended) - KEPT_CHILDREN + 1)]}
    kept = tuple(known for known in others if known.workflow_id not in forgotten)
    run.note(child_runs=(*kept, child))
    run.show_children()


def _why(error: ChildWorkflowError) -> str:
    if isinstance(error.cause, TerminatedError):
        return "somebody terminated it; what it did is not undone"
    return f"Temporal ended it without an ending of its own: {error.cause}"

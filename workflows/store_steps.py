"""Steps that only touch the store: retried until they succeed, since a run without records may not go on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.deciding import DecisionActivities
from activities.extending import ExtendingActivities
from activities.people import PeopleActivities
from activities.resolving import ResolvingActivities
from activities.starts import StartActivities
from contracts.budgets import BudgetExtended, BudgetToExtend
from contracts.decisions import (
    APPROVED,
    CheckedDecisions,
    Decision,
    DecisionsToCheck,
    OpenedRequest,
    RequestToClose,
    RequestToOpen,
    RequestToPass,
)
from contracts.runs import Registered, Resolution, RunEnded, RunsFound, RunsToFind, RunToRegister
from contracts.tools import ToolOutcome
from workflows.reading import at_once
from workflows.steps import STEADY, Run, described, retried

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


async def register_run(run: Run[Any], request: dict[str, JsonValue]) -> Registered:
    """Verify and store the start record; without one nothing has an effect."""
    wanted = RunToRegister(start=run.case.start, request=request)
    return await _quickly(StartActivities.register_run, wanted, "start record")


async def record_ending(run: Run[Any]) -> None:
    """Record the ending beside the business key, for good."""
    ended = RunEnded(state=run.case.state, reason=run.case.reason)
    await _record(StartActivities.record_ending, ended, f"ending: {run.case.state}")


async def find_runs(wanted: RunsToFind) -> RunsFound:
    """Which runs of an automation hold a matter, and what became of them."""
    named = ", ".join((*wanted.workflow_ids, *wanted.business_keys))
    return await _quickly(StartActivities.find_runs, wanted, f"runs of {wanted.automation}: {named}")


async def open_request(request: RequestToOpen) -> OpenedRequest:
    """Store what people will be shown, and list the request in the inbox."""
    return await _record(PeopleActivities.open_request, request, f"ask people: {request.title}")


async def close_request(request: RequestToClose) -> None:
    """Take a request out of the inbox; at once where it was approved and that is quick, because the call waits for it.

    What is done at once is done before history has it, and the answer to it may have to be checked once more: of an
    approval that is foreseen (activities.deciding), and the gate looks at it again.
    """
    step = _quickly if request.outcome == APPROVED else _record
    await step(PeopleActivities.close_request, request, f"{request.request_id}: {request.outcome}")


async def pass_request(request: RequestToPass) -> None:
    """Remind people of a request, or hand it on to the next role as well."""
    await _record(PeopleActivities.pass_request, request, f"{request.request_id}: {request.event.value}")


async def check_decisions(check: DecisionsToCheck) -> CheckedDecisions:
    """Verify what has arrived, in one batch, outside the workflow, where roster, keys and clock are."""
    names = ", ".join(decision.approver[:60] for decision in check.arrived[:3])
    return await workflow.execute_local_activity_method(
        DecisionActivities.check_decisions,
        check,
        start_to_close_timeout=timedelta(seconds=30),
        summary=f"check the decisions of {names}"[:200],
    )


async def resolve_call(resolution: Resolution) -> ToolOutcome:
    """Have the ledger take a person's word for what came of a call; unknown still, when the word does not count."""
    said = resolution.decision.verdict.value.replace("_", " ")
    summary = f"{resolution.decision.approver[:60]} says of {described(resolution.unanswered.call)}: {said}"
    return await _record(ResolvingActivities.resolve_call, resolution, summary)


async def extend_budget(decision: Decision) -> BudgetExtended:
    """Have the store take a person's word for how much more the run may spend; refused when it does not count."""
    more = decision.value or "as much again"
    summary = f"{decision.approver[:60]} extends the budget: {more}"
    return await _record(ExtendingActivities.extend_budget, BudgetToExtend(decision=decision), summary)


async def _quickly(method: Callable[[Any, InputT], Awaitable[OutputT]], request: InputT, summary: str) -> OutputT:
    """A step that may be done twice, done within this workflow task; else, with patience, by an activity of its own."""
    try:
        return await at_once(method, request, summary)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return await _record(method, request, summary)


async def _record(method: Callable[[Any, InputT], Awaitable[OutputT]], request: InputT, summary: str) -> OutputT:
    """A step that only touches the store: retried until it succeeds, since a run without records may not go on."""
    return await workflow.execute_activity_method(
        method,
        request,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=retried(STEADY),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary[:200],
    )

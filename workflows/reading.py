"""Read at once: a call of class read is made within the workflow task that asks for it, while that is quick."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.exceptions import TimeoutError as OutOfTime

from activities.preparing import NOT_LOCALLY
from activities.tools import ToolActivities
from contracts.tools import CallStatus, ToolCall, ToolOutcome, WhenHeld

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")

AT_ONCE = timedelta(seconds=3)
"""So long a read may hold the workflow task it is made in: signals, queries and cancels of the run wait meanwhile."""
TRIES = 3
"""Of one tool that failed; then its reads have an activity of their own."""
KEPT_TRIES = 20
MOST_UNTOLD_VISITS = 20
"""Only an ordinary activity takes states along to the audit chain, and a run remembers the last ones alone."""


class Reader(Protocol):
    """What must be known of the run that reads."""

    case: Any

    def note(self, **changes: object) -> None:
        """Replace fields of the case."""


async def at_once(method: Callable[[Any, InputT], Awaitable[OutputT]], request: InputT, summary: str) -> OutputT:
    """One attempt within this workflow task. Raises FailureError when it failed or took too long."""
    return await workflow.execute_local_activity_method(
        method,
        request,
        schedule_to_close_timeout=AT_ONCE,
        retry_policy=RetryPolicy(maximum_attempts=1),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary[:200],
    )


async def read_at_once(run: Reader, call: ToolCall, summary: str) -> ToolOutcome | None:
    """What the gate answers now; None when there is no plain answer, and the call must be made with patience.

    One attempt, under the same idempotency key: whatever came of it, the call is not made twice for two answers.
    """
    tool = f"{call.server}.{call.tool}"
    untold = run.case.visits - run.case.audited_visits
    if run.case.not_at_once.count(tool) >= TRIES or untold > MOST_UNTOLD_VISITS:
        return None
    try:
        asked = call.model_copy(update={"when_held": WhenHeld.REPORT})
        outcome = await at_once(ToolActivities.call_tool, asked, summary)
    except FailureError as error:
        if _in_vain(error):
            run.note(not_at_once=(*run.case.not_at_once, tool)[-KEPT_TRIES:])
        return None
    return None if outcome.status is CallStatus.HELD else outcome


def _in_vain(error: FailureError) -> bool:
    """Whether the next read of this tool will hardly fare better: it took too long, or is no read.

    The SDK wraps a failure in an ActivityError when it happens, and not when it is replayed.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    return isinstance(cause, OutOfTime) or (isinstance(cause, ApplicationError) and cause.type == NOT_LOCALLY)

"""When an activity is attempted again: after a failure with growing pauses, after the death of its worker at once."""

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.runs import LONGEST_DELAY

MOST_DOUBLINGS = 20


class Pacing(Interceptor):
    """Give it to every worker, since only an attempt that fails can say so.

    Temporal would take a pause that has grown by failures for one whose worker died as well.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See temporalio.worker.Interceptor."""
        return _Paced(next)


class _Paced(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        try:
            return await super().execute_activity(input)
        except ApplicationError as error:
            if error.non_retryable or error.next_retry_delay is not None or activity.info().is_local:
                raise
            raise ApplicationError(
                error.message, *error.details, type=error.type, next_retry_delay=pause(), category=error.category
            ) from error.__cause__
        except FailureError:
            raise
        except Exception as error:
            if activity.info().is_local:
                raise
            raise ApplicationError(str(error), type=type(error).__name__, next_retry_delay=pause()) from error


def pause() -> timedelta | None:
    """Before the next attempt of this activity: doubled each time, up to the longest one of its retry policy."""
    info = activity.info()
    longest = info.retry_policy.maximum_interval if info.retry_policy else None
    if longest is None:
        return None
    doubled: int = 2 ** min(info.attempt - 1, MOST_DOUBLINGS)
    return min(longest / LONGEST_DELAY * doubled, longest)

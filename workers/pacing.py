"""When an activity is attempted again: after a failure with growing pauses, after the death of its worker at once.

And what people then see of the failure: Temporal shows four kilobytes of one whose activity waits for its next attempt,
or else nothing but that it was larger. A chain of causes with their stack traces is, so they are left to the log.
"""

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from contracts.runs import LONGEST_DELAY

MOST_DOUBLINGS = 20
LONGEST_MESSAGE = 600
"""Characters, which may be four bytes each."""


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
        except Exception as error:
            failure = error if isinstance(error, FailureError) else _of(error)
            if not isinstance(failure, ApplicationError) or failure.non_retryable or activity.info().is_local:
                raise
            activity.logger.info("an attempt failed", exc_info=error)
            raise _again(failure) from None


def _of(error: Exception) -> ApplicationError:
    """As the SDK would tell of it."""
    return ApplicationError(str(error), type=type(error).__name__)


def _again(failure: ApplicationError) -> ApplicationError:
    """The same, with a moment for the next attempt."""
    return ApplicationError(
        failure.message[:LONGEST_MESSAGE],
        *failure.details,
        type=failure.type,
        next_retry_delay=pause() if failure.next_retry_delay is None else failure.next_retry_delay,
        category=failure.category,
    )


def pause() -> timedelta | None:
    """Before the next attempt of this activity: doubled each time, up to the longest one of its retry policy."""
    info = activity.info()
    longest = info.retry_policy.maximum_interval if info.retry_policy else None
    if longest is None:
        return None
    doubled: int = 2 ** min(info.attempt - 1, MOST_DOUBLINGS)
    return min(longest / LONGEST_DELAY * doubled, longest)

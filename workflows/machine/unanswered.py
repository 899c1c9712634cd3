"""Why an activity gave no result, in words for people."""

from temporalio.exceptions import ActivityError
from temporalio.exceptions import TimeoutError as OutOfTime


def cause_of(error: ActivityError) -> str:
    """Why, as the last attempt had it."""
    cause = error.cause
    if isinstance(cause, OutOfTime):
        last = f"; the last attempt: {cause.cause}" if cause.cause else ""
        return f"no result in time{last}"
    return str(cause)

"""Why an activity gave no result, in words for people."""

from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as OutOfTime

from activities.freezes import FROZEN
from contracts.budgets import BUDGET_SPENT, OUTER_BUDGET_SPENT


def cause_of(error: ActivityError) -> str:
    """Why, as the last attempt had it."""
    cause = error.cause
    if isinstance(cause, OutOfTime):
        last = f"; the last attempt: {cause.cause}" if cause.cause else ""
        return f"no result in time{last}"
    return str(cause)


def spent_by(error: ActivityError) -> str:
    """What of a budget is spent, in one sentence, when that is why; else empty."""
    cause = error.cause
    return cause.message if isinstance(cause, ApplicationError) and cause.type == BUDGET_SPENT else ""


def spent_around(error: ActivityError) -> bool:
    """Whether a budget around the run is spent: nothing is undone or tried again before people have looked."""
    return isinstance(error.cause, ApplicationError) and error.cause.type == OUTER_BUDGET_SPENT


def held_to_the_last(error: ActivityError) -> bool:
    """Whether a freeze has held the last attempt: then nothing is wrong that a person could choose about."""
    cause = error.cause.cause if isinstance(error.cause, OutOfTime) else error.cause
    return isinstance(cause, ApplicationError) and cause.type == FROZEN

"""Steps that ask when people work: calendars are data, and a run never counts their hours itself."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from activities.working_time import WorkingTimeActivities
from contracts.working_time import NotBefore, OpeningOn, WorkingMoment
from workflows import steps

InputT = TypeVar("InputT")


async def next_working_moment(run: steps.Run[Any], moment: datetime, calendar: str) -> datetime:
    """`moment` when people work then by the named calendar, else when they next begin. Raises StepFailed."""
    asked = NotBefore(calendar=calendar, moment=moment)
    return await _ask(run, WorkingTimeActivities.next_working_moment, asked, f"{calendar}: {moment:%Y-%m-%d %H:%M} UTC")


async def opening_of_day(run: steps.Run[Any], day: date, calendar: str) -> datetime:
    """When work begins on that day by the named calendar, or on the next working day. Raises StepFailed."""
    asked = OpeningOn(calendar=calendar, day=day)
    return await _ask(run, WorkingTimeActivities.opening_of_day, asked, f"{calendar}: {day}")


async def _ask(
    run: steps.Run[Any], method: Callable[[Any, InputT], Awaitable[WorkingMoment]], asked: InputT, about: str
) -> datetime:
    found = await steps.attempt(
        run,
        method,
        asked,
        step="working time",
        summary=f"working time by {about}",
        start_to_close=timedelta(seconds=30),
        schedule_to_close=timedelta(hours=1),
    )
    steps.heed_cancellation(run)
    return found.at

"""Working time for workflows: when people work, by the calendars in force. Edits change no recorded history."""

from collections.abc import Callable
from datetime import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import Authority, NothingInForce
from contracts.working_time import NotBefore, OpeningOn, WorkingMoment
from policies.calendars import Calendar, CalendarUnusable, load_calendars, opening_on, working_moment
from policies.document import CALENDARS

Calendars = dict[str, Calendar]


class WorkingTimeActivities:
    """Read the calendars in force."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    @activity.defn
    async def next_working_moment(self, asked: NotBefore) -> WorkingMoment:
        """The moment itself when people work then, else when they next begin.

        Raises ApplicationError: for good when there is no such calendar, and while nothing is in force.
        """
        return await self._answer(lambda calendars: working_moment(asked.moment, asked.calendar, calendars))

    @activity.defn
    async def opening_of_day(self, asked: OpeningOn) -> WorkingMoment:
        """When work begins on that day, or on the next working day. Raises ApplicationError as above."""
        return await self._answer(lambda calendars: opening_on(asked.day, asked.calendar, calendars))

    async def _answer(self, question: Callable[[Calendars], datetime]) -> WorkingMoment:
        try:
            policy = await self._authority.policy()
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        try:
            return WorkingMoment(at=question(load_calendars(policy.files.get(CALENDARS, ""))))
        except CalendarUnusable as unusable:
            raise ApplicationError(str(unusable), type="CalendarUnusable", non_retryable=True) from unusable

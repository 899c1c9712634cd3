"""Questions about a named calendar of working time, and the moment that answers them."""

from datetime import date

from pydantic import Field

from contracts.model import Model, Moment

CALENDAR = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""A calendar's name."""


class NotBefore(Model):
    """When do people work next, from this moment on?"""

    calendar: str = Field(pattern=CALENDAR)
    moment: Moment


class OpeningOn(Model):
    """When does work begin on this day, or on the next working day after it?"""

    calendar: str = Field(pattern=CALENDAR)
    day: date


class WorkingMoment(Model):
    """A moment in working time."""

    at: Moment

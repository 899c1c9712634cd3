"""When something is due: the nearest moment over everything that is demanded, in wall or working time."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from contracts.policy import Obligation
from policies.calendars import Calendar, moment_after

Span = Callable[[Obligation], timedelta | None]


def within(one: Obligation) -> timedelta | None:
    """How long people have."""
    return one.within


def remind(one: Obligation) -> timedelta | None:
    """After how long they are reminded."""
    return one.remind


def hand_ons(
    obligations: Iterable[Obligation], since: datetime, calendars: Mapping[str, Calendar]
) -> dict[str, datetime]:
    """Rule id -> when it is handed on, for every rule that is. Raises CalendarUnusable."""
    return {
        one.rule_id: moment_after(since, one.hand_on, one.calendar, calendars)
        for one in obligations
        if one.hand_on is not None
    }


def earliest(
    obligations: Iterable[Obligation], span_of: Span, since: datetime, calendars: Mapping[str, Calendar]
) -> datetime | None:
    """The nearest of these moments; None when no obligation names one. Raises CalendarUnusable."""
    moments = [
        moment_after(since, span, one.calendar, calendars) for one in obligations if (span := span_of(one)) is not None
    ]
    return min(moments, default=None)

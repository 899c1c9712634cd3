"""Working time: named calendars that operators declare in calendars.toml, and when a span of working time is over."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from contracts.model import Model

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FURTHEST = timedelta(days=3660)
"""A deadline further away than ten years is a mistake."""
_MIDNIGHT = time(0)
_HOUR = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class CalendarUnusable(ValueError):
    """A calendar cannot be used; the message names the file, the calendar, the field and the way out."""


def _weekday(name: str) -> str:
    if name not in WEEKDAYS:
        raise ValueError(f"must be one of {', '.join(WEEKDAYS)}")
    return name


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError('must be a time zone this machine knows; write for example "Europe/Berlin"') from error
    return name


def _hour(value: object) -> object:
    if value == "24:00":
        return _MIDNIGHT
    if not isinstance(value, time) and not (isinstance(value, str) and _HOUR.fullmatch(value)):
        raise ValueError('must be an hour and minute of the day in quotes, for example "09:00"')
    return value


def _day(value: object) -> object:
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError('must be a day in quotes, for example "2026-12-25"')
    return value


class Calendar(Model):
    """When people work."""

    time_zone: Annotated[str, AfterValidator(_time_zone)]
    days: tuple[Annotated[str, AfterValidator(_weekday)], ...] = Field(min_length=1)
    opens: Annotated[time, BeforeValidator(_hour)] = Field(alias="from")
    closes: Annotated[time, BeforeValidator(_hour)] = Field(alias="to")
    """Midnight: the end of the day, written "24:00"."""
    holidays: tuple[Annotated[date, BeforeValidator(_day)], ...] = ()

    @model_validator(mode="after")
    def _is_open_sometimes(self) -> Self:
        if self.opens.tzinfo or self.closes.tzinfo:
            raise ValueError("has hours with a time zone of their own; time_zone says it for all of them")
        if _MIDNIGHT != self.closes <= self.opens:
            raise ValueError('closes before it opens; write from = "09:00" and to = "17:00"')
        return self

    def add(self, start: datetime, working: timedelta) -> datetime:
        """When so much working time has passed since `start`, in UTC. Raises CalendarUnusable beyond ten years."""
        start, left = start.astimezone(UTC), working
        for begins, ends in self._working_hours(start):
            begins = max(begins, start)
            if left <= ends - begins:
                return begins + left
            left -= max(ends - begins, timedelta())
        raise CalendarUnusable(f"{working} of working time are not over within ten years; correct rule or calendar")

    def _working_hours(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The hours of each working day from the day of `start` on, in UTC; a day of a clock change has what it has.

        An hour that the clock shows twice is the first of the two; one that it skips is as much later (RFC 5545).
        """
        zone = ZoneInfo(self.time_zone)
        first = start.astimezone(zone).date()
        for number in range(FURTHEST.days):
            day = first + timedelta(days=number)
            if WEEKDAYS[day.weekday()] in self.days and day not in self.holidays:
                last = day + timedelta(days=self.closes == _MIDNIGHT)
                opens = datetime.combine(day, self.opens, zone).astimezone(UTC)
                yield opens, max(opens, datetime.combine(last, self.closes, zone).astimezone(UTC))


def load_calendars(text: str, file: str = "calendars.toml") -> dict[str, Calendar]:
    """The calendars that the text declares, by name. Raises CalendarUnusable."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalendarUnusable(f"{file}: cannot be read as TOML: {error}; correct it there") from error
    tables = document.pop("calendars", {})
    if document or not isinstance(tables, dict):
        found = ", ".join(map(repr, document)) or "calendars without a name"
        raise CalendarUnusable(f"{file}: only tables named [calendars.NAME] belong here; found {found}")
    return {name: _calendar(file, name, table) for name, table in tables.items()}


def _calendar(file: str, name: str, table: object) -> Calendar:
    if not isinstance(table, dict):
        raise CalendarUnusable(f"{file}: calendars.{name} must be a table; write [calendars.{name}]")
    try:
        return Calendar.model_validate(table)
    except ValidationError as error:
        first, *more = error.errors(include_url=False, include_context=False)
        place = ".".join(["calendars", name, *map(str, first["loc"])])
        rest = f" (and {len(more)} more problems)" if more else ""
        raise CalendarUnusable(f"{file}: {place} {_problem(first)}{rest}") from error


def _problem(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "is not a field this file knows; correct its spelling or remove it"
        case "missing":
            return "is missing; add it"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case _:
            return f"is {problem['input']!r}: {problem['msg']}; correct it"


def moment_after(start: datetime, span: timedelta, calendar: str, calendars: Mapping[str, Calendar]) -> datetime:
    """When `span` has passed: wall time, or the working time of the named calendar. Raises CalendarUnusable."""
    if not calendar:
        if span > FURTHEST:
            raise CalendarUnusable(f"{span} are not over within ten years; correct the rule")
        return start + span
    if calendar not in calendars:
        raise CalendarUnusable(f"no calendar {calendar!r} is declared; add [calendars.{calendar}] to calendars.toml")
    return calendars[calendar].add(start, span)


def working_moment(moment: datetime, calendar: str, calendars: Mapping[str, Calendar]) -> datetime:
    """The moment itself when people work then, else when they next begin. Raises CalendarUnusable."""
    return moment_after(moment, timedelta(), _named(calendar), calendars)


def opening_on(day: date, calendar: str, calendars: Mapping[str, Calendar]) -> datetime:
    """When work begins on `day`, or on the next working day after it. Raises CalendarUnusable."""
    zone = calendars[calendar].time_zone if calendar in calendars else "UTC"
    return working_moment(datetime.combine(day, _MIDNIGHT, ZoneInfo(zone)), calendar, calendars)


def _named(calendar: str) -> str:
    """Without a name there is no working time to be told. Raises CalendarUnusable."""
    if not calendar:
        raise CalendarUnusable("no calendar is named; name one of calendars.toml")
    return calendar

"""Working time: over weekends, holidays and clock changes, a span is over when people have had so much time for it."""

import random
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from policies.calendars import FURTHEST, WEEKDAYS, Calendar, CalendarUnusable, load_calendars, moment_after
from workers.settings import REPOSITORY

SEED = 20261120
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
"""Lord Howe Island moves its clocks by half an hour, and in the other half of the year; Kathmandu is at +05:45."""
OFFICE = """
[calendars.office]
time_zone = "Europe/Berlin"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "09:00"
to = "17:00"
holidays = ["2026-12-25", 2027-01-01]
"""


def calendar(zone: str = "Europe/Berlin", **changes: object) -> Calendar:
    """Monday to Friday, nine to five, unless `changes` say otherwise."""
    usual = {"days": WEEKDAYS[:5], "from": "09:00", "to": "17:00"}
    return Calendar.model_validate({"time_zone": zone} | usual | changes)


def berlin(text: str) -> datetime:
    """A moment as a clock in Berlin shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def is_working(kept: Calendar, moment: datetime) -> bool:
    """Whether a clock on the wall shows working hours at that minute."""
    shown = moment.astimezone(ZoneInfo(kept.time_zone))
    closes = kept.closes if kept.closes != time(0) else time.max
    working_day = WEEKDAYS[shown.weekday()] in kept.days and shown.date() not in kept.holidays
    return working_day and kept.opens <= shown.time() < closes


def counted_slowly(kept: Calendar, start: datetime, minutes: int) -> datetime:
    """Look at the clock every minute, and count those of working time."""
    moment, left = start, minutes
    while left:
        left -= is_working(kept, moment)
        moment += MINUTE
    return moment


def random_case(draw: random.Random) -> tuple[Calendar, datetime, int]:
    """A calendar whose hours do not begin or end while clocks change, a start near a change, and minutes to work."""
    opens = draw.choice([*range(2), *range(4, 22)])
    closes = draw.choice([hour for hour in range(opens + 1, 25) if not 1 <= hour <= 4])
    around = draw.choice([datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 4, 5), datetime(2026, 12, 24)])
    kept = calendar(
        draw.choice(ZONES),
        days=draw.sample(WEEKDAYS, draw.randint(1, 7)),
        **{"from": f"{opens:02}:{draw.choice((0, 30)):02}" if opens + 1 < closes else f"{opens:02}:00"},
        to=f"{closes:02}:00",
        holidays=[(around + timedelta(days=draw.randint(-3, 9))).date() for _ in range(draw.randint(0, 3))],
    )
    start = (around + timedelta(minutes=draw.randint(-4 * 1440, 2 * 1440))).replace(tzinfo=UTC)
    return kept, start, draw.randint(1, 20 * 60)


def test_a_span_ends_when_a_clock_watched_every_minute_has_shown_so_much_working_time() -> None:
    draw = random.Random(SEED)
    for number in range(120):
        kept, start, minutes = random_case(draw)
        expected = counted_slowly(kept, start, minutes)
        found = kept.add(start, timedelta(minutes=minutes))
        assert found == expected, f"case {number} of seed {SEED}: {kept} from {start} for {minutes} minutes"


def test_two_spans_one_after_the_other_are_as_long_as_both_together() -> None:
    draw = random.Random(SEED + 1)
    for number in range(300):
        kept, start, minutes = random_case(draw)
        one, other = timedelta(seconds=draw.randint(1, 90_000)), timedelta(minutes=minutes)
        assert kept.add(kept.add(start, one), other) == kept.add(start, one + other), (
            f"case {number} of seed {SEED + 1}"
        )


@pytest.mark.parametrize(
    ("asked", "hours", "over"),
    [
        ("2026-11-20T10:00", 2, "2026-11-20T12:00"),
        ("2026-11-20T16:00", 2, "2026-11-23T10:00"),
        ("2026-11-20T16:00", 1, "2026-11-20T17:00"),
        ("2026-11-20T17:00", 1, "2026-11-23T10:00"),
        ("2026-11-20T03:00", 8, "2026-11-20T17:00"),
        ("2026-11-21T12:00", 1, "2026-11-23T10:00"),
        ("2026-12-24T16:30", 1, "2026-12-28T09:30"),
        ("2026-11-20T16:00", 17, "2026-11-24T17:00"),
    ],
    ids=[
        "within a day",
        "over a weekend",
        "until the office closes",
        "asked as it closes",
        "asked before it opens",
        "asked on a Saturday",
        "over a holiday and a weekend",
        "over two nights",
    ],
)
def test_working_hours_are_counted_and_nothing_else(asked: str, hours: int, over: str) -> None:
    office = load_calendars(OFFICE)["office"]
    assert office.add(berlin(asked), hours * HOUR) == berlin(over)


def test_a_day_on_which_clocks_change_has_the_hours_it_has() -> None:
    around_the_clock = calendar(days=WEEKDAYS, **{"from": "00:00"}, to="24:00")
    day = timedelta(days=1)
    assert around_the_clock.add(berlin("2026-03-28T12:00"), day) == berlin("2026-03-29T13:00")
    assert around_the_clock.add(berlin("2026-10-24T12:00"), day) == berlin("2026-10-25T11:00")


def test_an_opening_hour_that_the_clock_skips_is_an_hour_later_and_one_it_shows_twice_is_the_first() -> None:
    nights = calendar(days=["sun"], **{"from": "02:30"}, to="06:00")
    assert nights.add(berlin("2026-03-29T00:00"), MINUTE) == berlin("2026-03-29T03:31")
    first_half_past_two = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert nights.add(berlin("2026-10-25T00:00"), MINUTE) == first_half_past_two + MINUTE


def test_hours_that_a_clock_change_leaves_out_altogether_are_made_up_for_on_the_next_day() -> None:
    nights = calendar(days=["sun"], **{"from": "02:15"}, to="03:10")
    assert nights.add(berlin("2026-03-29T00:00"), MINUTE) == berlin("2026-04-05T02:16")


def test_it_does_not_matter_in_which_time_zone_the_start_is_written() -> None:
    office = load_calendars(OFFICE)["office"]
    start = datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN)
    around_the_clock = calendar(days=WEEKDAYS, **{"from": "00:00"}, to="24:00")
    for kept in (office, around_the_clock):
        assert kept.add(start, 5 * HOUR) == kept.add(start.astimezone(UTC), 5 * HOUR)


def test_wall_time_passes_whatever_day_it_is() -> None:
    assert moment_after(berlin("2026-11-20T16:00"), 2 * HOUR, "", {}) == berlin("2026-11-20T18:00")


def test_a_calendar_nobody_declared_is_an_error_that_says_where_to_declare_it() -> None:
    with pytest.raises(CalendarUnusable, match=r"no calendar 'office' is declared; add \[calendars.office\]"):
        moment_after(berlin("2026-11-20T16:00"), HOUR, "office", {})


def test_nobody_waits_longer_than_ten_years() -> None:
    mondays = {"mondays": calendar(days=["mon"], **{"from": "09:00"}, to="09:01")}
    start = berlin("2026-11-20T16:00")
    assert moment_after(start, 500 * MINUTE, "mondays", mondays).year == 2036
    too_long = ((600 * MINUTE, "mondays"), (FURTHEST + MINUTE, ""), (timedelta.max, ""), (timedelta.max, "mondays"))
    for span, name in too_long:
        with pytest.raises(CalendarUnusable, match="not over within ten years"):
            moment_after(start, span, name, mondays)


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("time_zone", '"Middle/Earth"', "calendars.office.time_zone must be a time zone this machine knows"),
        ("time_zone", '"../../etc/passwd"', "calendars.office.time_zone must be a time zone this machine knows"),
        ("days", '["mon", "caturday"]', "calendars.office.days.1 must be one of mon, tue"),
        ("days", "[]", "calendars.office.days is []"),
        ("from", "9", "calendars.office.from must be an hour and minute of the day in quotes"),
        ("from", '"9am"', "calendars.office.from must be an hour and minute of the day in quotes"),
        ("to", '"09:00"', "calendars.office closes before it opens"),
        ("to", '"25:00"', "calendars.office.to must be an hour and minute of the day in quotes"),
        ("holidays", "[20261225]", "calendars.office.holidays.0 must be a day in quotes"),
        ("holidays", '["Christmas"]', "calendars.office.holidays.0 is 'Christmas'"),
        ("lunch", '"12:00"', "calendars.office.lunch is not a field this file knows"),
    ],
)
def test_a_mistake_in_a_calendar_is_named_with_its_place(field: str, written: str, said: str) -> None:
    others = [line for line in OFFICE.splitlines() if not line.startswith(f"{field} =")]
    with pytest.raises(CalendarUnusable) as refused:
        load_calendars("\n".join([*others, f"{field} = {written}"]), "rules/calendars.toml")
    assert str(refused.value).startswith(f"rules/calendars.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calendars = 7", r"only tables named \[calendars.NAME\] belong here"),
        ("[office]\n", "found 'office'"),
        ("[calendars]\noffice = 7\n", r"calendars.office must be a table; write \[calendars.office\]"),
        ('[calendars.office]\ntime_zone = "UTC"\n', "calendars.office.days is missing; add it .and 2 more problems"),
        ("[calendars.office", "cannot be read as TOML"),
    ],
)
def test_a_file_that_is_no_file_of_calendars_is_refused(text: str, said: str) -> None:
    with pytest.raises(CalendarUnusable, match=said):
        load_calendars(text)


def test_without_a_file_there_are_no_calendars() -> None:
    assert load_calendars("") == {}


def test_the_shipped_office_is_closed_on_weekends_and_at_christmas() -> None:
    shipped = load_calendars(Path(REPOSITORY / "policies" / "calendars.toml").read_text())
    assert list(shipped) == ["office"]
    assert date(2026, 12, 25) in shipped["office"].holidays
    assert shipped["office"].add(berlin("2026-12-24T16:00"), 2 * HOUR) == berlin("2026-12-28T10:00")

"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.exits import WrongInput
from cli.moments import read_moment

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)


def test_a_duration_counts_from_now() -> None:
    assert read_moment("--until", "3d", NOW) == NOW + timedelta(days=3)
    assert read_moment("--until", "PT90M", NOW) == NOW + timedelta(minutes=90)


def test_a_moment_says_its_zone() -> None:
    assert read_moment("--until", "2026-12-24T09:00+01:00", NOW) == datetime(2026, 12, 24, 8, tzinfo=UTC)


def test_a_day_begins_at_midnight_here_and_a_last_day_ends_there() -> None:
    first = read_moment("--from", "2026-12-24", NOW)
    last = read_moment("--until", "2026-12-24", NOW, last=True)

    assert (first.replace(tzinfo=None), last.replace(tzinfo=None)) == (datetime(2026, 12, 24), datetime(2026, 12, 25))
    assert first.utcoffset() is not None


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-12-24T09:00", "2026-02-30", "9999-12-31", "20261224", "-3d", "3", "1e9d", "P", "0d"]
)
def test_what_is_no_point_in_time_names_its_option(text: str) -> None:
    with pytest.raises(WrongInput, match=r"^--until "):
        read_moment("--until", text, NOW, last=True)

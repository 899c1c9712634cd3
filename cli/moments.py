"""Points in time as people type them: a day, a moment with its zone, or how long from now."""

import re
from datetime import datetime, timedelta

from cli.durations import read_duration
from cli.exits import WrongInput

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_moment(option: str, text: str, now: datetime, *, last: bool = False) -> datetime:
    """A moment. A day is its first one, in the time zone of this machine; with `last`, the first one after it.

    Raises WrongInput naming the option.
    """
    if re.fullmatch(r"[0-9.]+[smhd]|P.*", text):
        return now + read_duration(option, text)
    try:
        moment = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            return (moment + timedelta(days=1) if last else moment).astimezone()
        if moment.tzinfo is not None:
            return moment
    except (ValueError, OverflowError):
        pass
    raise WrongInput(
        f"{option} {text[:40]!r} is no point in time; write for example 2026-12-24, 2026-12-24T09:00+01:00, or 3d"
    )

"""Durations as people type them: 90s, 10m, 2h, 1d, or ISO 8601 (PT10M)."""

import re
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from cli.exits import WrongInput

_SHORT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ISO_8601 = TypeAdapter(timedelta)
LONGEST = timedelta(days=3650)


def read_duration(option: str, text: str) -> timedelta:
    """A duration of more than nothing. Raises WrongInput naming the option."""
    duration = _parse(text)
    if duration is None or duration <= timedelta(0):
        raise WrongInput(f"{option} {text[:40]!r} is no duration; write for example 90s, 10m, 2h, 1d or PT10M")
    if duration > LONGEST:
        raise WrongInput(f"{option} {text[:40]!r} is too long; give at most {LONGEST.days}d")
    return duration


def _parse(text: str) -> timedelta | None:
    if short := _SHORT.fullmatch(text):
        seconds = float(short[1]) * _SECONDS[short[2]]
        return timedelta(seconds=seconds) if seconds < timedelta.max.total_seconds() else timedelta.max
    if not text.startswith("P"):
        return None
    try:
        return _ISO_8601.validate_python(text)
    except ValidationError:
        return None

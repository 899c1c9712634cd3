"""Durations as people type them: 90s, 10m, 2h, 1d, or ISO 8601 (PT10M)."""

import re
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from cli.exits import WrongInput

_SHORT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ISO_8601 = TypeAdapter(timedelta)
_LONGEST = timedelta(days=3650)


def read_duration(option: str, text: str) -> timedelta:
    """A duration of more than nothing. Raises WrongInput naming the option."""
    duration = _parse(text)
    if duration is None or not timedelta(0) < duration <= _LONGEST:
        raise WrongInput(f"{option} {text[:40]!r} is no duration; write for example 90s, 10m, 2h, 1d or PT10M")
    return duration


def _parse(text: str) -> timedelta | None:
    if short := _SHORT.fullmatch(text):
        return timedelta(seconds=float(short[1]) * _SECONDS[short[2]])
    if not text.startswith("P"):
        return None
    try:
        return _ISO_8601.validate_python(text)
    except ValidationError:
        return None

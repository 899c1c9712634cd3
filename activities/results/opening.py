"""Opening a result: what it is, which part of it is the most of it, and by which rows that is read."""

from collections.abc import Iterator
from typing import NamedTuple

from activities.results.records import text_rows
from activities.results.rows import Fields, Items, Lines, Rows
from activities.results.values import Member, Number, Value, inner, json_in, members, sayable, unpacked
from contracts.pointers import step_to, steps_of

_LONG_TEXT = 1024
"""A shorter text within an object is one of its fields, whatever else the object has."""

_MOST_WRAPPED = 8
"""Objects around the greatest part; each costs another look at all of it."""


class NotThere(LookupError):
    """A pointer leads nowhere; the message says where it ends and what there is instead."""


class Opened(NamedTuple):
    """A result or a value within one, and the rows of its greatest part."""

    text: str
    """The characters of it: a string's own, otherwise as it was written."""
    value: Value | None
    """None: it is text."""
    rows: Rows
    rows_at: str
    """Pointer to what the rows are rows of, within the whole result."""


def opened(content: bytes) -> Opened:
    """A stored result. Never raises: what is no JSON is text, and what is no UTF-8 is replaced."""
    text = content.decode("utf-8-sig", errors="replace")
    document = json_in(text)
    if document is None:
        return Opened(text, None, text_rows(text), "")
    return _opened(document, "")


def opened_at(result: Opened, path: str) -> Opened:
    """The value within it at an RFC 6901 pointer. Raises NotThere, and ValueError for what is no pointer."""
    steps = steps_of(path)
    if not steps:
        return result
    if result.value is None:
        raise NotThere("the result is text and has no parts; read it by rows, characters or query")
    value, at = result.value, ""
    for step in steps:
        following = inner(value, step)
        if following is None:
            raise NotThere(f"there is no {step!r} in {at or 'the result'}; {_instead(value)}")
        value, at = following, at + step_to(step)
    return _opened(value, at)


def beside(result: Opened, at: str = "") -> Iterator[tuple[str, Value]]:
    """Every field that is not part of the rows, on the way from `at`, where it stands, to them; with its pointer."""
    value = result.value
    for step in steps_of(result.rows_at.removeprefix(at)):
        if value is None:
            return
        value = unpacked(value)
        for member in members(value):
            if member.name != step:
                yield at + step_to(member.name), member.value
        value, at = inner(value, step), at + step_to(step)


def _opened(value: Value, at: str) -> Opened:
    part, part_at = _greatest_part(value, at)
    return Opened(_characters(value), value, _rows_of(part, part_at), part_at)


def _greatest_part(value: Value, at: str) -> tuple[Value, str]:
    """Down through objects as long as one field is at least half of it all: servers wrap what they answer."""
    value = unpacked(value)
    whole = len(value.raw)
    for _ in range(_MOST_WRAPPED):
        largest = _largest(value) if isinstance(value.parsed, dict) else None
        if largest is None or 2 * len(largest.value.raw) < whole:
            break
        part = unpacked(largest.value)
        if part is not largest.value:
            whole = len(part.raw)
        elif not isinstance(part.parsed, dict | list) and not _is_long_text(part):
            break
        value, at = part, at + step_to(largest.name)
    return value, at


def _largest(record: Value) -> Member | None:
    by_name = {member.name: member for member in members(record)}
    return max(by_name.values(), key=lambda member: len(member.value.raw), default=None)


def _is_long_text(value: Value) -> bool:
    return isinstance(value.parsed, str) and not isinstance(value.parsed, Number) and len(value.raw) >= _LONG_TEXT


def _rows_of(value: Value, at: str) -> Rows:
    match value.parsed:
        case dict():
            return Fields(value, at)
        case list():
            return Items(value, at)
        case Number() | int() | None:
            return Lines(value.raw)
        case str():
            return text_rows(_characters(value))


def _characters(value: Value) -> str:
    text = value.parsed
    if not isinstance(text, str) or isinstance(text, Number):
        return value.raw
    return text if sayable(text) else value.raw[1:-1]


def _instead(value: Value) -> str:
    value = unpacked(value)
    match value.parsed:
        case dict() as fields:
            names = list(fields)
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            return f"there are {', '.join(map(repr, names[:20]))}{more}" if names else "it is an empty object"
        case list() as found:
            return f"there are {len(found)} items, 0 to {len(found) - 1}" if found else "it is an empty list"
        case _:
            return "it is a value without parts"

"""A value in the room there is: as much of it as fits, and in angle brackets what is not shown of it."""

import re

from activities.results.values import Member, Number, Value, compact, members, quoted

KIB = 1024
MOST_LEVELS = 8
"""Of objects within objects that are shown in part; each costs another look at all of it."""
_STUB_ROOM = 40
"""Bytes that say what a value is of which nothing is shown."""
_MARK_BYTES = len("…".encode())
_PLAIN_NAME = re.compile(r"[\w.\-]{1,60}", re.ASCII)


def byte_size(text: str) -> int:
    """In UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def beginning(text: str, room: int) -> str:
    """As much of the beginning as fits into `room` bytes; no character is cut."""
    if len(text) <= room and byte_size(text) <= room:
        return text
    return text[: max(0, room)].encode()[: max(0, room)].decode(errors="ignore")


def clipped(text: str, room: int) -> str:
    """All of it, or a beginning and `…`; at most `room` bytes."""
    if byte_size(text) <= room:
        return text
    return f"{beginning(text, room - _MARK_BYTES)}…" if room >= _MARK_BYTES else ""


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_words(count: int) -> str:
    """`812 bytes`, `20.1 KiB`, `1.9 MiB`."""
    if count < KIB:
        return counted(count, "byte")
    return f"{count / KIB:.1f} KiB" if count < KIB * KIB else f"{count / KIB / KIB:.1f} MiB"


def name_words(name: str) -> str:
    """A name as part of a sentence: quoted when it is no plain word, cut when it is long."""
    return name if _PLAIN_NAME.fullmatch(name) else quoted(name if len(name) <= 60 else f"{name[:60]}…")


def abridged(value: Value, room: int, levels: int = MOST_LEVELS) -> str:
    """`value` as compact JSON if that fits into `room` bytes, else with parts in angle brackets.

    Of objects, so many levels of them, as many fields are shown as fit, short ones whole. Takes a few bytes more
    where `room` is tiny.
    """
    if len(value.raw) <= 8 * room and byte_size(written := compact(value.raw)) <= room:
        return written
    match value.parsed:
        case dict() if room > 2 * _STUB_ROOM and levels:
            return _fields(members(value), room, levels)
        case bool() | None:
            return value.raw
        case int() | Number():
            return f"<a number of {len(value.raw)} digits>"
        case str() as text:
            return _beginning_of_string(text, room)
        case _:
            return _stub(value)


def _stub(value: Value) -> str:
    count = len(value.parsed) if isinstance(value.parsed, dict | list) else 1
    return f"<{counted(count, 'field' if isinstance(value.parsed, dict) else 'item')}, {_size_of(value)}>"


def _size_of(value: Value) -> str:
    return size_words(byte_size(value.raw))


def _beginning_of_string(text: str, room: int) -> str:
    mark = f"… of {len(text)} characters>"
    left = room - byte_size(mark) - 2
    shown = text[: max(0, left)]
    while shown and byte_size(quoted(shown)) - 2 > left:
        shown = shown[: len(shown) * max(0, left) // byte_size(quoted(shown))]
    return f"<{quoted(shown)[:-1]}{mark}"


def _fields(fields: tuple[Member, ...], room: int, levels: int) -> str:
    """In their order; where not all fit, containers are left out first."""
    shown = _chosen(fields, room - _STUB_ROOM)
    left = room - _STUB_ROOM - sum(_name_cost(fields[index]) for index in shown)
    parts: dict[int, str] = {}
    by_length = sorted(shown, key=lambda index: (len(fields[index].value.raw), index))
    for done, index in enumerate(by_length):
        text = abridged(fields[index].value, left // (len(by_length) - done), levels - 1)
        parts[index] = f"{fields[index].written}:{text}"
        left -= byte_size(text)
    texts = [parts[index] for index in sorted(parts)]
    if missing := len(fields) - len(shown):
        texts.append(f"<{counted(missing, 'more field' if texts else 'field')}>")
    return "{" + ",".join(texts) + "}"


def _chosen(fields: tuple[Member, ...], room: int) -> list[int]:
    """The fields of which at least a stub fits: first scalars, then containers."""
    chosen: list[int] = []
    for index in sorted(range(len(fields)), key=lambda index: isinstance(fields[index].value.parsed, dict | list)):
        room -= _name_cost(fields[index]) + min(byte_size(fields[index].value.raw[:_STUB_ROOM]), _STUB_ROOM)
        if room < 0:
            break
        chosen.append(index)
    return chosen


def _name_cost(field: Member) -> int:
    return byte_size(field.written) + 2

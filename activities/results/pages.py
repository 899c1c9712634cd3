"""As many rows as fit, and the words in which the rest is asked for."""

import json
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from pydantic import JsonValue

from activities.results.abridging import abridged, beginning, byte_size, clipped
from activities.results.requests import READ_RESULT_NAME
from activities.results.rows import Row
from activities.results.values import sayable

LONGEST_POINTER = 120
"""A longer one is not worth its room in an answer."""
GoingOn = Callable[[Row, int], str]
"""How to see more of a row of which only a part is shown; so many characters of its text, if it is text."""


class Page(NamedTuple):
    """Lines that show the rows with these numbers."""

    lines: list[str]
    numbers: list[int]


def filled(rows: Iterable[Row], room: int, going_on: GoingOn, context: Container[int] = ()) -> Page:
    """Whole rows in `room` bytes; where not even the first one fits, a part of it and how to see the rest.

    Rows whose numbers are in `context` are marked `12- ` rather than `12: `.
    """
    lines: list[str] = []
    numbers: list[int] = []
    left = room
    for row in rows:
        line = f"{row.number}{'-' if row.number in context else ':'} {row.text}"
        left -= byte_size(line) + 1
        if left < 0:
            return Page(lines, numbers) if lines else _in_part(row, room, going_on)
        lines.append(line)
        numbers.append(row.number)
    return Page(lines, numbers)


def shortened(row: Row, room: int) -> tuple[str, int]:
    """A row in one line of at most `room` bytes; of text also how many characters of it are shown."""
    before = f"{row.number}: {row.head}"
    if byte_size(row.text) + len(before) <= room:
        return f"{row.number}: {row.text}", len(row.text)
    if row.value is not None:
        return clipped(before + abridged(row.value, room - byte_size(before)), room), 0
    mark = f" <cut: {len(row.text)} characters in all>"
    shown = beginning(row.text, room - byte_size(before) - byte_size(mark))
    return clipped(f"{before}{shown}{mark}", room), len(shown)


def going_on_in(ref: str, path: str = "", columns: tuple[str, ...] = ()) -> GoingOn:
    """For rows of the value at `path` of a result: by a path where there is one to name, else by characters."""

    def going_on(row: Row, characters: int) -> str:
        if row.pointer and len(row.pointer) <= LONGEST_POINTER:
            return f"[{row.number} goes on: {call_words(ref=ref, path=row.pointer)}]"
        rest = numbers_words(characters + 1, len(row.text))
        call = call_words(ref=ref, path=path, rows=str(row.number), columns=list(columns), characters=rest)
        return f"[{row.number} goes on: {call}]"

    return going_on


def call_words(**given: JsonValue) -> str:
    """A call of read_result, such as `read_result(ref="r3.0", rows="41-60")`; what is empty is left out."""
    said = ", ".join(f"{name}={_json(value)}" for name, value in given.items() if value)
    return f"{READ_RESULT_NAME}({said})"


def numbers_words(first: int, last: int) -> str:
    """`41-60`, or `41`."""
    return f"{first}-{last}" if last > first else str(first)


def _in_part(row: Row, room: int, going_on: GoingOn) -> Page:
    longest = going_on(row, max(0, len(row.text) - 2))
    line, characters = shortened(row, room - byte_size(longest) - 2)
    return Page([line, going_on(row, characters)], [row.number])


def _json(value: JsonValue) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if sayable(written) else json.dumps(value)

"""Answering what Claude asks of a result it has had: a page of its rows, filtered, and cut to what fits.

What does not fit is continued as the last line of the answer says. Nothing is sent anywhere.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from activities.results.abridging import abridged, beginning, byte_size, clipped, counted, size_words
from activities.results.matching import asked_range, matching
from activities.results.opening import NotThere, Opened, beside, opened, opened_at
from activities.results.pages import Page, call_words, filled, going_on_in, numbers_words
from activities.results.requests import CannotRead, ReadRequest, range_of
from activities.results.rows import Lines, holds
from activities.results.values import unpacked

LONGEST_REASON = 1000
_LONGEST_PLACE = 100
_FIELD_ROOM = 200


class _Found(NamedTuple):
    """What a request asks for: rows by number, and what else of the result the query occurs in."""

    asked: range
    matched: Sequence[int]
    beside: tuple[str, ...] = ()


def read_result(content: bytes, request: ReadRequest, limit: int) -> str:
    """The answer, at most `limit` bytes. Raises CannotRead when the request does not fit the result."""
    try:
        part = opened_at(opened(content), request.path)
    except NotThere as nowhere:
        raise CannotRead(clipped(f"path: {nowhere}", LONGEST_REASON)) from nowhere
    if request.characters:
        return clipped("\n".join(_characters(part, request, limit)), limit)
    found = _find(part, request)
    if not _chooses(request) and (whole := _whole(part, request, limit)):
        return whole
    return clipped("\n".join(_page(part, request, found, limit)), limit)


def _chooses(request: ReadRequest) -> bool:
    return bool(request.rows or request.columns or request.where or request.query)


def _whole(part: Opened, request: ReadRequest, limit: int) -> str:
    place = clipped(f"{request.ref} {request.path}".strip(), _LONGEST_PLACE)
    text = f"[{place}: all of it, {size_words(byte_size(part.text))}]\n{part.text}"
    return text if byte_size(text) <= limit else ""


def _find(part: Opened, request: ReadRequest) -> _Found:
    asked = asked_range(part.rows, request.rows)
    matched = matching(part.rows, asked, request)
    if not request.query or request.rows or request.where:
        return _Found(asked, matched)
    return _Found(asked, matched, tuple(fields_beside(part, request.path, request.query)))


def fields_beside(part: Opened, path: str, query: str) -> Iterator[str]:
    """The fields on the way to the rows in which a text occurs, a line each."""
    needle = query.casefold()
    for pointer, value in beside(part, path):
        if needle in pointer.rpartition("/")[2].casefold() or holds(value.parsed, needle):
            yield clipped(f"{pointer}: {abridged(value, _FIELD_ROOM)}", 2 * _FIELD_ROOM)


# A page of rows.


def _page(part: Opened, request: ReadRequest, found: _Found, limit: int) -> Iterator[str]:
    """The lines of the answer: what there is, what stands beside the rows, the rows, and how to go on."""
    above = list(_above(part, request, found, limit // 4))
    context = _context(part, request, found)
    total = len(part.rows)
    longest = _heading(part, request, found, context, Page([], [total, total + 1]))
    reserved = [longest, _next(request, total, total + 1, limit), ", 123456 shown"]
    room = limit - sum(byte_size(line) + 1 for line in (*above, *reserved))
    numbers = sorted({*found.matched, *context}) if context else found.matched
    going_on = going_on_in(request.ref, request.path, request.columns)
    page = filled(part.rows.read(numbers, request.columns), room, going_on, context)
    yield _heading(part, request, found, context, page)
    yield from above
    yield from page.lines
    after = page.numbers[-1] if page.numbers else 0
    if (following := next((number for number in found.matched if number > after), None)) is not None:
        yield _next(request, following, found.asked[-1], limit)


def _above(part: Opened, request: ReadRequest, found: _Found, room: int) -> Iterator[str]:
    whole = unpacked(part.value) if part.value is not None else None
    if whole is not None and not _chooses(request) and part.rows_at != request.path and isinstance(whole.parsed, dict):
        yield clipped(abridged(whole, room), room)
    if found.matched and (header := part.rows.header(request.columns)):
        yield clipped(header, room)
    for line in found.beside:
        room -= byte_size(line) + 1
        if room < 0:
            yield "…"
            return
        yield line


def _context(part: Opened, request: ReadRequest, found: _Found) -> frozenset[int]:
    """Of text, the lines before and behind each line that was found."""
    if not request.query or not isinstance(part.rows, Lines):
        return frozenset()
    near = {number + step for number in found.matched for step in (-1, 1)}
    return frozenset(number for number in near if number in found.asked) - frozenset(found.matched)


def _heading(part: Opened, request: ReadRequest, found: _Found, context: frozenset[int], page: Page) -> str:
    place = clipped(f"{request.ref} {part.rows_at}".strip(), _LONGEST_PLACE)
    noun, total = part.rows.noun, len(part.rows)
    if request.where or request.query:
        return f"[{place}: {_match_words(part, request, found, len({*page.numbers} - context))}]"
    if not page.numbers:
        return f"[{place}: no {noun}s]"
    first, last = page.numbers[0], page.numbers[-1]
    numbers = f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"
    return f"[{place}: {numbers} of {total}]"


def _match_words(part: Opened, request: ReadRequest, found: _Found, shown: int) -> str:
    noun, count = part.rows.noun, len(found.matched)
    among = f"{noun}s {found.asked[0]} to {found.asked[-1]}" if request.rows else counted(len(part.rows), noun)
    words = f"{count} of {among} {'matches' if count == 1 else 'match'}"
    if shown < count:
        words += f", {shown} shown"
    if found.beside:
        words += f", and {counted(len(found.beside), 'field')} beside them"
    return words


def _next(request: ReadRequest, first: int, last: int, limit: int) -> str:
    rows = numbers_words(first, last)
    given = request.model_dump(mode="json", exclude={"rows", "characters"})
    call = call_words(**{**given, "rows": rows})
    if byte_size(call) > limit // 4:
        call = f'the same with rows="{rows}"'
    return f"[next: {call}]"


# Characters of one text.


def _characters(part: Opened, request: ReadRequest, limit: int) -> Iterator[str]:
    text, place = _one_text(part, request)
    first, last = range_of(request.characters)
    if first > len(text):
        raise CannotRead(f"characters: {request.characters!r} begins behind the end; there are {len(text)}")
    asked = text[first - 1 : last]
    longest = f"[{place}: characters {len(text)} to {len(text)} of {len(text)}]"
    room = limit - byte_size(longest) - byte_size(_next_characters(request, len(text), len(text) + 1)) - 2
    shown = beginning(asked, room)
    yield f"[{place}: characters {first} to {first + len(shown) - 1} of {len(text)}]"
    yield shown
    if len(shown) < len(asked):
        yield _next_characters(request, first + len(shown), first + len(asked) - 1)


def _one_text(part: Opened, request: ReadRequest) -> tuple[str, str]:
    """The text of a single row, or of all of it; and in words where it stands."""
    if not request.rows:
        return part.text, clipped(f"{request.ref} {request.path}".strip(), _LONGEST_PLACE)
    asked = asked_range(part.rows, request.rows)
    if len(asked) != 1:
        raise CannotRead('rows: characters are those of one row; name a single one, such as rows="41"')
    row = next(part.rows.read(asked, request.columns))
    place = clipped(f"{request.ref} {part.rows_at}".strip(), _LONGEST_PLACE)
    return row.text, f"{place}, {part.rows.noun} {row.number}"


def _next_characters(request: ReadRequest, first: int, last: int) -> str:
    given = request.model_dump(mode="json", exclude={"characters"})
    return f"[next: {call_words(**{**given, 'characters': numbers_words(first, last)})}]"

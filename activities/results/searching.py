"""Searching all results of a conversation for a text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from activities.results.abridging import byte_size, clipped, counted
from activities.results.opening import Opened, opened
from activities.results.pages import call_words, shortened
from activities.results.reading import fields_beside

ROWS_OF_EACH = 5
_SMALLEST_ROW = 100


class _Hit(NamedTuple):
    """A result in which the text occurs."""

    ref: str
    tool: str
    result: Opened
    rows: Sequence[int]
    fields: tuple[str, ...]


def search_results(results: Iterable[tuple[str, str, bytes]], query: str, limit: int) -> str:
    """Rows in which a text occurs, grouped by result, at most `limit` bytes; results are reference, tool, content."""
    searched, hits = 0, list[_Hit]()
    for ref, tool, content in results:
        searched += 1
        if (hit := _hit(ref, tool, content, query)) is not None:
            hits.append(hit)
    heading = f"[{counted(len(hits), 'result')} of {searched} searched: {call_words(query=query)}]"
    room = limit - byte_size(heading) - 1
    lines = [heading, *_groups(hits, query, room)]
    return clipped("\n".join(lines), limit)


def _hit(ref: str, tool: str, content: bytes, query: str) -> _Hit | None:
    needle = query.casefold()
    # Without escapes every value stands in the content as it is; that spares opening most results.
    plain = b"\\" not in content and b'""' not in content
    if plain and needle not in content.decode("utf-8-sig", errors="replace").casefold():
        return None
    result = opened(content)
    rows = [number for number in range(1, len(result.rows) + 1) if result.rows.holds(number, needle)]
    fields = tuple(fields_beside(result, "", query))
    return _Hit(ref, tool, result, rows, fields) if rows or fields else None


def _groups(hits: list[_Hit], query: str, room: int) -> Iterator[str]:
    for place, hit in enumerate(hits):
        left = room - byte_size(_others(hits[place + 1 :])) - 1
        lines = list(_group(hit, query, max(room // 16, _SMALLEST_ROW)))
        size = sum(byte_size(line) + 1 for line in lines)
        if size > left and place:
            yield _others(hits[place:])
            return
        yield from lines
        room -= size


def _group(hit: _Hit, query: str, row_room: int) -> Iterator[str]:
    rows = hit.result.rows
    shown = hit.rows[:ROWS_OF_EACH]
    at = f" at {clipped(hit.result.rows_at, 80)}" if hit.result.rows_at else ""
    found = f"{len(hit.rows)} of {counted(len(rows), rows.noun)}{at}"
    yield f"{hit.ref} {clipped(hit.tool, 100)}: {found}"
    yield from (clipped(line, row_room) for line in hit.fields[:ROWS_OF_EACH])
    if shown and (header := rows.header(())):
        yield clipped(header, row_room)
    yield from (shortened(row, row_room)[0] for row in rows.read(shown))
    if len(hit.rows) > len(shown) or len(hit.fields) > ROWS_OF_EACH:
        yield f"[all of them: {call_words(ref=hit.ref, query=query)}]"


def _others(hits: list[_Hit]) -> str:
    """Which more there are, the first dozen by name."""
    if not hits:
        return ""
    names = ", ".join(hit.ref for hit in hits[:12])
    return f"[and in {counted(len(hits), 'more result')}: {names}{', …' if len(hits) > 12 else ''}; name one with ref]"

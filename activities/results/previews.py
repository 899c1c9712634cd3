"""What Claude sees of a large result, and the line that stands for an older one."""

from activities.results.abridging import abridged, byte_size, clipped
from activities.results.opening import Opened, opened
from activities.results.pages import LONGEST_POINTER, call_words, filled, going_on_in, numbers_words
from activities.results.rows import Fields
from activities.results.shapes import Shape, shape_of_opened
from activities.results.values import Value, compact, unpacked

LONGEST_LINE = 160
MOST_ROWS = 10
_LONGEST_SHAPE = 80
_FIELDS_AT_LEAST = 200
_ROWS_AT_LEAST = 300


def is_large(content: bytes, limit: int) -> bool:
    """Whether a result is shown by its shape rather than whole."""
    return len(content) > limit


def preview(content: bytes, ref: str, limit: int) -> str:
    """Shape, what stands beside the rows, first rows, and how to see more; at most `limit` bytes. Never raises.

    Rows take a quarter of the limit, and so do the fields beside them. What is in angle brackets is not shown; the
    rest is as it was written.
    """
    result = opened(content)
    shape = shape_of_opened(result, len(content))
    heading = f"[{ref}: {clipped(shape.words(), limit // 4)}; shown in part]"
    room = limit - byte_size(heading) - 1
    record = unpacked(result.value) if result.value is not None else None
    if record is None or not isinstance(record.parsed, dict):
        lines = _rows(result, ref, limit // 4, room)
    elif isinstance(result.rows, Fields):
        lines = _record(record, result.rows, ref, limit // 2, room)
    else:
        for_fields = min(room // 2, max(limit // 4, _FIELDS_AT_LEAST))
        beside = clipped(abridged(record, for_fields), for_fields)
        lines = [beside, *_rows(result, ref, limit // 4, room - byte_size(beside) - 1)]
    return clipped("\n".join([heading, *lines]), limit)


def one_line(shape: Shape, ref: str, tool: str, failed: bool) -> str:
    """What stands for a result that is not shown any more, at most 160 bytes."""
    said = clipped(f"{'failed, ' if failed else ''}{shape.short()}", _LONGEST_SHAPE)
    how = f"; {call_words(ref=ref)} shows it]"
    room = LONGEST_LINE - byte_size(f"[{ref} : {said}{how}")
    return f"[{ref} {clipped(tool, room)}: {said}{how}"


def _rows(result: Opened, ref: str, room: int, most: int) -> list[str]:
    """In `room` bytes, and with the words on how to see more in `most`."""
    total = len(result.rows)
    header = clipped(result.rows.header(()), room)
    before = [header] if header else []
    most -= byte_size(_more(result, ref, total, total + 1)) + 1 + sum(byte_size(line) + 1 for line in before)
    first = result.rows.read(range(1, min(MOST_ROWS, total) + 1))
    page = filled(first, min(max(room, _ROWS_AT_LEAST), most), going_on_in(ref))
    shown = page.numbers[-1] if page.numbers else 0
    after = [_more(result, ref, shown + 1, total)] if shown < total else []
    return [*before, *page.lines, *after]


def _more(result: Opened, ref: str, first: int, last: int) -> str:
    also = "columns, where and query choose" if result.rows.columns else "query finds"
    return f"[next: {call_words(ref=ref, rows=numbers_words(first, last))}; {also} {result.rows.noun}s]"


def _record(record: Value, fields: Fields, ref: str, room: int, most: int) -> list[str]:
    """An object that is not mostly one part of it: all of its fields as far as they fit."""
    if not len(fields):
        return [clipped(compact(record.raw), most)]
    more = f"[fields in order: {call_words(ref=ref, rows=numbers_words(1, len(fields)))}"
    if len(fields.largest) <= LONGEST_POINTER:
        more += f"; one: {call_words(ref=ref, path=fields.largest)}"
    more += "]"
    room = min(room, most - byte_size(more) - 1)
    return [clipped(abridged(record, room), room), more]

"""The shape of a tool result: what it is, how large, how many rows, which columns; never a value of it."""

import re
from enum import StrEnum

from activities.results.abridging import clipped, counted, name_words, size_words
from activities.results.opening import Opened, opened
from activities.results.records import Records
from activities.results.rows import Fields, Items, Rows
from activities.results.values import quoted
from contracts.model import Model

NAMES_KEPT = 20
NAMES_SAID = 12
LONGEST_NAME = 80
_SPACE = re.compile(r"\s")


class ShapeKind(StrEnum):
    """What a result is."""

    TABLE = "table"
    """A JSON array of objects, or text that is CSV below a header."""
    LIST = "list"
    """Any other JSON array."""
    RECORD = "record"
    """A JSON object."""
    VALUE = "value"
    """A single JSON string, number, true, false or null."""
    TEXT = "text"
    EMPTY = "empty"


_NOUNS = {ShapeKind.TABLE: "row", ShapeKind.LIST: "item", ShapeKind.RECORD: "field", ShapeKind.TEXT: "line"}


class Shape(Model):
    """A result as it can be described without its values."""

    kind: ShapeKind
    bytes: int
    rows: int | None = None
    """Rows, items, lines or fields of the greatest part; None for a single value."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a table or of the fields of an object, the first ones."""
    more_columns: int = 0
    """How many more there are."""
    fields: int | None = None
    """Of an object."""
    at: str = ""
    """Where in an object its greatest part stands (RFC 6901), if one field is at least half of it; else empty."""
    part: ShapeKind | None = None
    """What that part is."""

    def words(self) -> str:
        """One line, such as `table, 120 rows of order_id, date, number, cents; 20.1 KiB`."""
        return f"{self._said(self._names())}; {size_words(self.bytes)}"

    def short(self) -> str:
        """The same without names."""
        return f"{self._said('')}, {size_words(self.bytes)}"

    def _said(self, names: str) -> str:
        if self.part is not None:
            at = clipped(quoted(self.at) if _SPACE.search(self.at) else self.at, LONGEST_NAME)
            part = f"with a {self.part.value} at {at}: {self._counted_rows(self.part, names)}"
            return f"{self.kind.value} of {counted(self.fields or 0, 'field')}, {part}"
        if self.rows is None:
            return self.kind.value
        joint = " of " if self.kind is ShapeKind.RECORD else ", "
        return f"{self.kind.value}{joint}{self._counted_rows(self.kind, names)}"

    def _counted_rows(self, kind: ShapeKind, names: str) -> str:
        rows = counted(self.rows or 0, _NOUNS.get(kind, "line"))
        return f"{rows}{': ' if kind is ShapeKind.RECORD else ' of '}{names}" if names else rows

    def _names(self) -> str:
        named = [name_words(name) for name in self.columns[:NAMES_SAID]]
        more = len(self.columns) + self.more_columns - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


def shape_of(content: bytes) -> Shape:
    """The shape of a stored result. Never raises."""
    return shape_of_opened(opened(content), len(content))


def shape_of_opened(result: Opened, size_bytes: int) -> Shape:
    """The same of a result that is open already."""
    kind = _kind(result)
    names = _names_of(result.rows)
    part = _kind_of_rows(result.rows) if result.rows_at else None
    return Shape(
        kind=kind,
        bytes=size_bytes,
        rows=len(result.rows) if kind in _NOUNS else None,
        columns=tuple(name[:LONGEST_NAME] for name in names[:NAMES_KEPT]),
        more_columns=max(0, len(names) - NAMES_KEPT),
        fields=len(result.value.parsed) if result.value and isinstance(result.value.parsed, dict) else None,
        at=result.rows_at,
        part=part if kind is ShapeKind.RECORD else None,
    )


def _kind(result: Opened) -> ShapeKind:
    if result.value is None:
        return _kind_of_rows(result.rows) if result.text.strip() else ShapeKind.EMPTY
    match result.value.parsed:
        case dict():
            return ShapeKind.RECORD
        case list():
            return _kind_of_rows(result.rows)
        case _:
            return ShapeKind.VALUE


def _kind_of_rows(rows: Rows) -> ShapeKind:
    match rows:
        case Items():
            return ShapeKind.TABLE if rows.is_table else ShapeKind.LIST
        case Fields():
            return ShapeKind.RECORD
        case Records():
            return ShapeKind.TABLE
        case _:
            return ShapeKind.TEXT


def _names_of(rows: Rows) -> tuple[str, ...]:
    return rows.names if isinstance(rows, Fields) else rows.columns

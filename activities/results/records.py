"""Text that is a table: records of CSV, with commas, tabs or semicolons, below a line of names."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activities.results.rows import Lines, Row
from activities.results.values import Parsed

_DELIMITERS = (",", "\t", ";")
_COLUMN_NAME = re.compile(r"[^\W\d]([\w .\-/()#%:]{0,60}[\w)#%])?")
_FEWEST_RECORDS = 2
"""Below its header; two lines of prose may well have as many commas each."""


class Record(NamedTuple):
    """One record: as it was written, and its cells."""

    written: str
    cells: list[str]


class Records:
    """The records below the header."""

    noun = "row"

    def __init__(self, header: Record, records: list[Record], delimiter: str) -> None:
        self.columns = tuple(header.cells)
        self._header, self._records, self._delimiter = header, records, delimiter
        self._places = {name: place for place, name in enumerate(header.cells)}

    def __len__(self) -> int:
        return len(self._records)

    def header(self, columns: tuple[str, ...]) -> str:
        return self._record(columns) if columns else self._header.written

    def cell(self, number: int, column: str) -> Parsed:
        return self._records[number - 1].cells[self._places[column]]

    def holds(self, number: int, needle: str) -> bool:
        return any(needle in cell.casefold() for cell in self._records[number - 1].cells)

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        for number in numbers:
            written, cells = self._records[number - 1]
            chosen = [cells[self._places[column]] for column in columns]
            yield Row(number, self._record(chosen) if columns else written)

    def _record(self, cells: Iterable[str]) -> str:
        written = io.StringIO()
        csv.writer(written, delimiter=self._delimiter, lineterminator="").writerow(cells)
        return written.getvalue()


def text_rows(text: str) -> Records | Lines:
    """Records if all of it reads as CSV below a line of names, else lines."""
    first = text.partition("\n")[0]
    for delimiter in _DELIMITERS:
        if delimiter in first and (records := _records(text, delimiter)) is not None:
            return records
    return Lines(text)


def _records(text: str, delimiter: str) -> Records | None:
    lines = list(io.StringIO(text.rstrip("\r\n"), newline="\n"))
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    records: list[Record] = []
    at = 0
    try:
        for cells in reader:
            if len(cells) != len(records[0].cells) if records else not _is_header(cells):
                return None
            records.append(Record("".join(lines[at : reader.line_num]).rstrip("\r\n"), cells))
            at = reader.line_num
    except csv.Error:
        return None
    return Records(records[0], records[1:], delimiter) if len(records) > _FEWEST_RECORDS else None


def _is_header(names: list[str]) -> bool:
    return len(names) > 1 and len(set(names)) == len(names) and all(_COLUMN_NAME.fullmatch(name) for name in names)

"""Text that is a table: records of CSV, with commas, tabs or semicolons, below a line of names."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

from activities.results.rows import Lines, Row
from activities.results.values import Parsed

_DELIMITERS = (",", "\t", ";")
_COLUMN_NAME = re.compile(r"[^\W\d]([\w .\-/()#%:]{0,60}[\w)#%])?")
_FEWEST_RECORDS = 2
"""Below its header; two lines of prose may well have as many commas each."""


class Records:
    """The records below the header."""

    noun = "row"

    def __init__(self, header: str, written: list[str], delimiter: str) -> None:
        self._header, self._written, self._delimiter = header, written, delimiter
        self.columns = tuple(_cells(header, delimiter))
        self._places = {name: place for place, name in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self._written)

    def header(self, columns: tuple[str, ...]) -> str:
        return self._record(columns) if columns else self._header

    def cell(self, number: int, column: str) -> Parsed:
        return self._cells(number)[self._places[column]]

    def holds(self, number: int, needle: str) -> bool:
        return any(needle in cell.casefold() for cell in self._cells(number))

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        for number in numbers:
            yield Row(number, self._chosen(number, columns) if columns else self._written[number - 1])

    def _cells(self, number: int) -> list[str]:
        return _cells(self._written[number - 1], self._delimiter)

    def _chosen(self, number: int, columns: tuple[str, ...]) -> str:
        cells = self._cells(number)
        return self._record([cells[self._places[column]] for column in columns])

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
    lines = text.rstrip("\r\n").split("\n")
    try:
        names = _cells(lines[0].removesuffix("\r"), delimiter)
        if len(lines) <= _FEWEST_RECORDS or not _is_header(names):
            return None
        if '"' not in text:
            written = lines if all(line.count(delimiter) == len(names) - 1 for line in lines) else []
        else:
            written = _with_quotes(lines, delimiter, len(names))
    except (csv.Error, StopIteration):
        return None
    header, *records = [record.removesuffix("\r") for record in written] or [""]
    return Records(header, records, delimiter) if len(records) >= _FEWEST_RECORDS else None


def _with_quotes(lines: list[str], delimiter: str, width: int) -> list[str]:
    """Records as they were written, which may go on over several lines; none when they are not of one width."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    written: list[str] = []
    at = 0
    for cells in reader:
        if len(cells) != width:
            return []
        written.append("\n".join(lines[at : reader.line_num]))
        at = reader.line_num
    return written


def _cells(record: str, delimiter: str) -> list[str]:
    if '"' not in record:
        return record.split(delimiter)
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True))


def _is_header(names: list[str]) -> bool:
    return len(names) > 1 and len(set(names)) == len(names) and all(_COLUMN_NAME.fullmatch(name) for name in names)

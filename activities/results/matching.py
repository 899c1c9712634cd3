"""Which rows are asked for: by number, by what stands in columns, by a text that occurs in them."""

import re
from collections.abc import Sequence
from decimal import Decimal

from activities.results.abridging import clipped, counted, name_words
from activities.results.requests import Asked, CannotRead, ReadRequest, range_of
from activities.results.rows import Rows
from activities.results.values import Parsed

_DECIMAL = re.compile(r"-?[0-9]{1,2000}(\.[0-9]{1,2000})?([eE][+-]?[0-9]{1,6})?")
_NAMES_SAID = 30


def asked_range(rows: Rows, given: str) -> range:
    """The numbers that `41-60` names of these rows; all of them for nothing. Raises CannotRead beyond the last."""
    first, last = range_of(given)
    if given and first > len(rows):
        have = f"there are only {counted(len(rows), rows.noun)}" if len(rows) else f"there are no {rows.noun}s"
        raise CannotRead(f"rows: {given!r} begins behind the end; {have}")
    return range(first, min(len(rows), last or len(rows)) + 1)


def matching(rows: Rows, asked: range, request: ReadRequest) -> Sequence[int]:
    """Those of the asked numbers that meet `where` and `query`. Raises CannotRead for a column there is not."""
    _check_columns(rows, "columns", request.columns)
    _check_columns(rows, "where", tuple(request.where))
    found: Sequence[int] = asked
    for column, wanted in request.where.items():
        found = [number for number in found if equals(rows.cell(number, column), wanted)]
    if request.query:
        needle = request.query.casefold()
        found = [number for number in found if rows.holds(number, needle)]
    return found


def equals(found: Parsed, wanted: Asked) -> bool:
    """Whether a cell is what was asked for: numbers by their value, text exactly.

    What is asked for as text also finds a number that is written so; what is asked for as a number, text that is one.
    """
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    match wanted:
        case bool() | None:
            word = "null" if wanted is None else str(wanted).lower()
            return found is wanted or (isinstance(found, str) and found.lower() == word)
        case str():
            return isinstance(found, str) and found == wanted
        case _:
            return isinstance(found, str) and _same_number(found, wanted)


def _same_number(written: str, wanted: int | float) -> bool:
    if not _DECIMAL.fullmatch(written):
        return False
    exactly = Decimal(wanted) if isinstance(wanted, int) else Decimal(repr(wanted))
    return Decimal(written) == exactly or (isinstance(wanted, float) and float(written) == wanted)


def _check_columns(rows: Rows, field: str, asked: tuple[str, ...]) -> None:
    if not asked:
        return
    if not rows.columns:
        raise CannotRead(
            f"{field}: there is no table here, only {counted(len(rows), rows.noun)}; ask by path, rows or query"
        )
    unknown = next((name for name in asked if name not in rows.columns), None)
    if unknown is not None:
        known = ", ".join(map(name_words, rows.columns[:_NAMES_SAID]))
        more = len(rows.columns) - _NAMES_SAID
        others = f" and {more} more" if more > 0 else ""
        raise CannotRead(clipped(f"{field}: there is no column {name_words(unknown)}; there are {known}{others}", 1000))

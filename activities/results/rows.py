"""What a result is read by: numbered rows, whether they are items of an array, fields of an object, or lines."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, Protocol

from activities.results.values import Member, Parsed, Value, compact, items, members
from contracts.pointers import step_to


class Row(NamedTuple):
    """One row as it can be shown; rows are counted from 1."""

    number: int
    text: str
    """All of it, on one line where it is JSON."""
    value: Value | None = None
    """The JSON value that it is, or that stands behind `head`; None: it is text."""
    head: str = ""
    pointer: str = ""
    """Where the value stands in the whole result."""


class Rows(Protocol):
    """Numbered rows of one kind."""

    @property
    def noun(self) -> str:
        """What one of them is called."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what every row may have; empty when rows have no such parts."""

    def __len__(self) -> int:
        """How many there are."""

    def header(self, columns: tuple[str, ...]) -> str:
        """What must stand above rows to understand them; empty for most."""

    def cell(self, number: int, column: str) -> Parsed:
        """What a row has in a column; None when it has nothing."""

    def holds(self, number: int, needle: str) -> bool:
        """Whether a casefolded text occurs in a row: in values, and in names that are not names of columns."""

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        """The rows with these numbers, which must ascend; of each only these columns, if any are named."""


class Items:
    """The items of an array; rows of a table when all are objects."""

    def __init__(self, array: Value, pointer: str) -> None:
        self._array, self._pointer = array, pointer
        self._parsed = array.parsed if isinstance(array.parsed, list) else []
        self.is_table = bool(self._parsed) and all(isinstance(item, dict) for item in self._parsed)
        self.noun = "row" if self.is_table else "item"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        rows = self._parsed if self.is_table else []
        return tuple(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))

    def __len__(self) -> int:
        return len(self._parsed)

    def header(self, columns: tuple[str, ...]) -> str:
        return ""

    def cell(self, number: int, column: str) -> Parsed:
        row = self._parsed[number - 1]
        return row.get(column) if isinstance(row, dict) else None

    def holds(self, number: int, needle: str) -> bool:
        return _in_item(self._parsed[number - 1], needle)

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        wanted = iter(numbers)
        following = next(wanted, None)
        for number, item in enumerate(items(self._array), start=1):
            if following is None:
                return
            if number == following:
                value = _with_columns(item, columns) if columns else item
                pointer = f"{self._pointer}/{number - 1}"
                yield Row(number, compact(value.raw), value, pointer=pointer)
                following = next(wanted, None)


class Fields:
    """The fields of an object."""

    noun = "field"
    columns: tuple[str, ...] = ()

    def __init__(self, record: Value, pointer: str) -> None:
        self._pointer = pointer
        self._members = members(record)

    @property
    def names(self) -> tuple[str, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys(member.name for member in self._members))

    @property
    def largest(self) -> str:
        """Pointer to the longest of them; there is one."""
        longest = max(self._members, key=lambda member: len(member.value.raw))
        return self._pointer + step_to(longest.name)

    def __len__(self) -> int:
        return len(self._members)

    def header(self, columns: tuple[str, ...]) -> str:
        return ""

    def cell(self, number: int, column: str) -> Parsed:
        return None

    def holds(self, number: int, needle: str) -> bool:
        member = self._members[number - 1]
        return needle in member.name.casefold() or holds(member.value.parsed, needle)

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        for number in numbers:
            name, written, value = self._members[number - 1]
            head = f"{written}: "
            yield Row(number, head + compact(value.raw), value, head, self._pointer + step_to(name))


class Lines:
    """The lines of a text."""

    noun = "line"
    columns: tuple[str, ...] = ()

    def __init__(self, text: str) -> None:
        self._lines = text.removesuffix("\n").split("\n") if text else []

    def __len__(self) -> int:
        return len(self._lines)

    def header(self, columns: tuple[str, ...]) -> str:
        return ""

    def cell(self, number: int, column: str) -> Parsed:
        return None

    def holds(self, number: int, needle: str) -> bool:
        return needle in self._lines[number - 1].casefold()

    def read(self, numbers: Iterable[int], columns: tuple[str, ...] = ()) -> Iterator[Row]:
        return (Row(number, self._lines[number - 1].removesuffix("\r")) for number in numbers)


def holds(value: Parsed, needle: str) -> bool:
    """Whether a casefolded text occurs in a value of it, or in a name that is not one of a column."""
    match value:
        case str():
            return needle in value.casefold()
        case dict():
            return any(needle in name.casefold() or holds(inner, needle) for name, inner in value.items())
        case list():
            return any(_in_item(item, needle) for item in value)
        case None:
            return needle in "null"
        case bool():
            return needle in ("true" if value else "false")
        case int():
            return needle in str(value)


def _in_item(item: Parsed, needle: str) -> bool:
    if isinstance(item, Mapping):
        return any(holds(inner, needle) for inner in item.values())
    return holds(item, needle)


def _with_columns(row: Value, columns: tuple[str, ...]) -> Value:
    fields: dict[str, list[Member]] = {name: [] for name in columns}
    for member in members(row):
        if member.name in fields:
            fields[member.name].append(member)
    chosen = [member for group in fields.values() for member in group]
    raw = ",".join(f"{member.written}:{member.value.raw}" for member in chosen)
    return Value(f"{{{raw}}}", {member.name: member.value.parsed for member in chosen})

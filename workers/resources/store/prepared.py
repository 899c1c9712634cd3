"""Statements that are compiled once: SQLAlchemy writes them, and on SQLite the driver runs them as they are.

To go through SQLAlchemy costs more than SQLite itself needs for a row by its key (docs/decisions/0036).
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, CursorResult, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

Values = Mapping[str, Any]
"""Of a statement's parameters, by name."""
Found = Mapping[Any, Any]
"""A row, by the names of its columns; SQLAlchemy's are of this kind as well."""
Process = Callable[[Any], Any]
_NOT_GIVEN = object()


class Prepared:
    """One statement, built and compiled once. It runs within whatever transaction the connection has."""

    def __init__(self, statement: SelectBase | UpdateBase, columns: Sequence[str] | None = None) -> None:
        """`columns`: those that an INSERT gives values for; None: all of them."""
        self._statement, self._columns = statement, columns
        self._plain: _Plain | None = None

    def all(self, connection: Connection, values: Values | None = None) -> Sequence[Found]:
        """The rows, by the names of their columns."""
        if connection.dialect.name != "sqlite":
            return self._through(connection, values or {}).mappings().all()
        plain = self._of(connection.dialect)
        return [plain.row(each) for each in plain.execute(connection, plain.bound(values or {})).fetchall()]

    def one_or_none(self, connection: Connection, values: Values | None = None) -> Found | None:
        """The only row, or None. Raises ValueError where there are several."""
        found = self.all(connection, values)
        if len(found) > 1:
            raise ValueError(f"{len(found)} rows where one was looked for")
        return found[0] if found else None

    def scalars(self, connection: Connection, values: Values | None = None) -> list[Any]:
        """The first column of every row."""
        return [next(iter(row.values())) for row in self.all(connection, values)]

    def scalar(self, connection: Connection, values: Values | None = None) -> Any:
        """The first column of the first row; None where there is none."""
        return next(iter(self.scalars(connection, values)), None)

    def run(self, connection: Connection, *rows: Values) -> int:
        """How many rows were changed; once for each of `rows`."""
        if connection.dialect.name != "sqlite":
            return self._through(connection, rows[0] if len(rows) == 1 else list(rows)).rowcount
        plain = self._of(connection.dialect)
        return sum(plain.execute(connection, plain.bound(row)).rowcount for row in rows)

    def _through(self, connection: Connection, values: Values | list[Values]) -> CursorResult[Any]:
        assert isinstance(self._statement, Executable)
        result = connection.execute(self._statement, values)
        assert isinstance(result, CursorResult)
        return result

    def _of(self, dialect: Dialect) -> "_Plain":
        if self._plain is None:  # two threads that compile it at one moment come to the same
            self._plain = _Plain.of(self._statement, self._columns, dialect)
        return self._plain


@dataclass(frozen=True)
class _Plain:
    """A statement as the driver of SQLite takes it."""

    text: str
    takes: tuple[tuple[str, Process | None, object], ...]
    """Name, how its value is written, and what stands there, as it is written, where none is given."""
    gives: tuple[str, ...]
    read: tuple[tuple[str, Process], ...]
    """Columns whose values are not what the driver returns."""

    @classmethod
    def of(cls, statement: SelectBase | UpdateBase, columns: Sequence[str] | None, dialect: Dialect) -> Self:
        """Compile it."""
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        required = {name: None for name, bind in compiled.binds.items() if bind.required}
        state = compiled.construct_expanded_state(required)
        constants = {name: value for name, value in state.parameters.items() if name not in required}
        writers = {name: _writer(bind.type, dialect) for name, bind in compiled.binds.items()} | dict(state.processors)
        found = [(str(column.key), _reader(column.type, dialect)) for column in statement.exported_columns]
        return cls(
            text=state.statement,
            takes=tuple(_taken(name, writers.get(name), constants) for name in state.positiontup or ()),
            gives=tuple(name for name, _ in found),
            read=tuple((name, read) for name, read in found if read is not None),
        )

    def bound(self, values: Values) -> list[object]:
        """The values in the statement's order, as they are written. Raises KeyError for one that is missing."""
        bound: list[object] = []
        for name, write, constant in self.takes:
            value = values[name] if constant is _NOT_GIVEN else values.get(name, _NOT_GIVEN)
            if value is _NOT_GIVEN:
                bound.append(constant)
            else:
                bound.append(value if write is None else write(value))
        return bound

    def row(self, found: Sequence[Any]) -> Found:
        """By the names of its columns."""
        row = dict(zip(self.gives, found, strict=True))
        for name, read in self.read:
            row[name] = read(row[name])
        return row

    def execute(self, connection: Connection, bound: Sequence[object]) -> sqlite3.Cursor:
        """Run it. Raises what SQLAlchemy raises."""
        driver: sqlite3.Connection | None = connection.connection.driver_connection
        assert driver is not None
        try:
            return driver.execute(self.text, bound)
        except sqlite3.Error as error:
            raise DBAPIError.instance(self.text, None, error, sqlite3.Error, hide_parameters=True) from error


def _taken(name: str, write: Process | None, constants: Mapping[str, Any]) -> tuple[str, Process | None, object]:
    constant = constants.get(name, _NOT_GIVEN)
    return name, write, constant if constant is _NOT_GIVEN or write is None else write(constant)


def _writer(kind: Any, dialect: Dialect) -> Process | None:
    write: Process | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return write


def _reader(kind: Any, dialect: Dialect) -> Process | None:
    read: Process | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return read

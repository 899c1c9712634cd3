"""The role in which a pretend system reads its database: declared views, nothing written, nothing without an end."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from demo.mcp_servers.refusals import Refused

Views = Mapping[str, str]
"""Name of a table -> the columns of it that readers see. They see a view of that name, and nothing else."""

STATEMENT_SECONDS = 5.0
INSTRUCTIONS_BETWEEN_LOOKS = 1_000
"""Of the database's own; that many take some microseconds."""

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class TookTooLong(Refused):
    """A statement was ended by the database before it was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the database ended a query after {seconds:g} s; ask for less, such as one customer or page")


def open_reader(path: Path, views: Views, lock_wait_seconds: float, statement_seconds: float) -> sqlite3.Connection:
    """A connection in the role of readers, whose statements all see this moment. Raises sqlite3.OperationalError."""
    opened = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=lock_wait_seconds, isolation_level=None
    )
    try:
        _bind(opened, views, statement_seconds)
    except BaseException:
        opened.close()
        raise
    return opened


def _bind(connection: sqlite3.Connection, views: Views, statement_seconds: float) -> None:
    connection.row_factory = sqlite3.Row
    for name, columns in views.items():
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM main.{name}")  # noqa: S608 - ours
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM main.sqlite_master").fetchone()  # the moment; a writer is waited for here
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_only(views))
    ends_at = time.monotonic() + statement_seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends_at, INSTRUCTIONS_BETWEEN_LOOKS)


def _only(views: Views) -> Authorizer:
    """Permits selecting from the views, and what each of them reads of its own table."""
    columns_of = {name: frozenset(columns.split(", ")) for name, columns in views.items()}

    def may_read(table: str, column: str, database: str | None, inside: str | None) -> bool:
        if database != "main":
            return table in columns_of
        # A common table expression may call itself like a view: it reads no other column than the view does.
        return inside == table and column in columns_of.get(table, ())

    def authorize(action: int, first: str | None, second: str | None, database: str | None, inside: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_FUNCTION:
                permitted = True
            case sqlite3.SQLITE_READ:
                permitted = may_read(first or "", second or "", database, inside)
            case _:
                permitted = False
        return sqlite3.SQLITE_OK if permitted else sqlite3.SQLITE_DENY

    return authorize

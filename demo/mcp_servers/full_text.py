"""The role of readers (reader.py) where they search words: the file's own views, and its full-text indexes besides."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from demo.mcp_servers.datafile import LOCK_WAIT_SECONDS

LONGEST_SECONDS = 2.0
_STEPS_BETWEEN_LOOKS = 1_000
_ALWAYS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION)


@contextmanager
def reading_as(
    path: Path, views: Sequence[str], indexes: Sequence[str] = (), longest_seconds: float = LONGEST_SECONDS
) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who may select from these views and full-text indexes, and do nothing else.

    The file is opened read-only, the database authorises every statement when it is prepared, and interrupts what
    runs longer than `longest_seconds`. What stands behind a view can be read through that view alone.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    opened = sqlite3.connect(address, uri=True, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
    with closing(opened) as connection:
        connection.row_factory = sqlite3.Row
        for index in indexes:  # SQLite declares them as it opens them, which nobody else may
            connection.execute(f'SELECT 1 FROM "{index}" LIMIT 0')  # noqa: S608 - the name is the program's own
        ends_at = time.monotonic() + longest_seconds
        connection.set_authorizer(_Role(frozenset(views), frozenset(indexes)))
        connection.set_progress_handler(lambda: int(time.monotonic() > ends_at), _STEPS_BETWEEN_LOOKS)
        yield connection


class _Role:
    """What SQLite asks before it prepares a statement, and what it prepares itself for an index."""

    def __init__(self, views: frozenset[str], indexes: frozenset[str]) -> None:
        self._views, self._indexes = views, indexes

    def __call__(self, action: int, name: str | None, _: str | None, __: str | None, through: str | None) -> int:
        if action in _ALWAYS or (action == sqlite3.SQLITE_PRAGMA and name == "data_version"):
            return sqlite3.SQLITE_OK  # an index looks whether it was changed
        if action != sqlite3.SQLITE_READ or name is None:
            return sqlite3.SQLITE_DENY
        mine = name in self._views or through in self._views or self._is_indexed(name)
        return sqlite3.SQLITE_OK if mine else sqlite3.SQLITE_DENY

    def _is_indexed(self, name: str) -> bool:
        """An index reads tables of its own, which hold no more than it."""
        return any(name == index or name.startswith(f"{index}_") for index in self._indexes)

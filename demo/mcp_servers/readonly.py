"""A read-only role on a SQLite file: named tables and views alone, nothing written, and no statement without end."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from demo.mcp_servers.datafile import LOCK_WAIT_SECONDS

LONGEST_SECONDS = 2.0
_STEPS_BETWEEN_LOOKS = 1_000
_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION)


@contextmanager
def reading_as(
    path: Path, views: Sequence[str], behind_views: Sequence[str] = (), longest_seconds: float = LONGEST_SECONDS
) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who may select from `views`, and do nothing else.

    The file is opened read-only, every statement is authorised by the database when it is prepared, and one that runs
    longer than `longest_seconds` is interrupted. `behind_views`: tables that a view, or a search index, reads itself.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_SECONDS)) as opened:
        opened.row_factory = sqlite3.Row
        ends_at = time.monotonic() + longest_seconds
        opened.set_authorizer(_Role(frozenset(views), frozenset(behind_views)))
        opened.set_progress_handler(lambda: int(time.monotonic() > ends_at), _STEPS_BETWEEN_LOOKS)
        yield opened


class _Role:
    """What SQLite asks before it prepares a statement."""

    def __init__(self, views: frozenset[str], behind_views: frozenset[str]) -> None:
        self._views, self._behind = views, behind_views

    def __call__(self, action: int, name: str | None, _: str | None, __: str | None, through: str | None) -> int:
        if action in _READS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA:  # a search index looks whether it was changed
            return sqlite3.SQLITE_OK if name == "data_version" else sqlite3.SQLITE_DENY
        if action != sqlite3.SQLITE_READ:
            return sqlite3.SQLITE_DENY
        mine = name in self._views or (name in self._behind and through in self._views)
        return sqlite3.SQLITE_OK if mine else sqlite3.SQLITE_DENY

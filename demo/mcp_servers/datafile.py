"""One SQLite file per pretend system: filled in one transaction, shared by any number of processes."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from demo.mcp_servers.reader import STATEMENT_SECONDS, TookTooLong, Views, open_reader

LOCK_WAIT_SECONDS = 10


class DataFileUnusable(Exception):
    """The database cannot be opened where the operator pointed."""


class DataFile:
    """Opens a connection per piece of work, so that threads and processes never share one."""

    def __init__(self, path: Path, views: Views) -> None:
        self._path = path
        self._views = views
        self.statement_seconds = STATEMENT_SECONDS
        """So long may what is read at one moment take."""

    @classmethod
    def create(
        cls, path: Path, tables: Sequence[str], views: Views, fill: Callable[[sqlite3.Connection], None]
    ) -> "DataFile":
        """Open the file at `path`, creating and filling it when it is new. Raises DataFileUnusable."""
        datafile = cls(path, views)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            datafile._fill_if_new(tables, fill)
        except (OSError, sqlite3.Error) as error:
            raise DataFileUnusable(
                f"cannot create or open the database {str(path)!r}: {error}; give another --data folder"
            ) from error
        return datafile

    @classmethod
    def existing(cls, path: Path, views: Views) -> "DataFile":
        """Open the file at `path`, which a server must have created before."""
        if not path.is_file():
            raise DataFileUnusable(f"there is no database at {str(path)!r}; start the server once to create it")
        return cls(path, views)

    def _fill_if_new(self, tables: Sequence[str], fill: Callable[[sqlite3.Connection], None]) -> None:
        # The write lock is taken before looking: of two first starts one fills, the other finds it filled.
        with self.writing() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for table in tables:
                    connection.execute(table)
                fill(connection)
                connection.execute("PRAGMA user_version = 1")
            made_as = {row["sql"] for row in connection.execute("SELECT sql FROM sqlite_master")}
        if not made_as.issuperset(tables):
            raise DataFileUnusable(
                f"the database {str(self._path)!r} was made by another version of this demo; "
                "give another --data folder, or remove the file to begin anew"
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection in the role of readers, whose statements all see the same moment. Raises TookTooLong."""
        with closing(self._reader()) as connection:
            try:
                yield connection
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise TookTooLong(self.statement_seconds) from error
                raise

    def _reader(self) -> sqlite3.Connection:
        as_readers_are = (self._path, self._views, LOCK_WAIT_SECONDS, self.statement_seconds)
        try:
            return open_reader(*as_readers_are)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
        with self.writing():
            """A writer was killed: what it left half done is taken back by whoever may write."""
        return open_reader(*as_readers_are)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock; everything is committed at the end, or nothing is."""
        opened = sqlite3.connect(self._path, timeout=LOCK_WAIT_SECONDS, isolation_level=None)
        with closing(opened) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

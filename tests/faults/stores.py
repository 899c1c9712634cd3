"""The two stores: a new one for each lane, and how each of them is taken away for a while."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from tests.postgres import PrivatePostgres, private_postgres


class Outage(Protocol):
    """How a store is taken away."""

    async def last(self, seconds: float) -> None:
        """Nobody can write to the store for so long."""


class Stores(Protocol):
    """Makes stores of one kind."""

    name: str

    def new(self, folder: Path) -> AbstractContextManager[tuple[str, Outage]]:
        """A new, empty store for the time of a block: its URL, and its outage."""


class Locked:
    """Another process holds SQLite's write lock; beyond the busy timeout of 10 s writers are told so."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def last(self, seconds: float) -> None:
        """See Outage."""
        await asyncio.to_thread(self._hold, seconds)

    def _hold(self, seconds: float) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")


class Stopped:
    """PostgreSQL is stopped as a crash would, and started again."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server

    async def last(self, seconds: float) -> None:
        """See Outage."""
        await asyncio.to_thread(self._server.stop, "immediate")
        try:
            await asyncio.sleep(seconds)
        finally:  # a lane that fails meanwhile still has to be taken down
            await asyncio.to_thread(self._server.start)


class SqliteStores:
    """A file in the lane's folder."""

    name = "SQLite"

    @contextmanager
    def new(self, folder: Path) -> Iterator[tuple[str, Outage]]:
        """See Stores."""
        path = folder / "store.db"
        yield f"sqlite:///{path}", Locked(path)


class PostgresStores:
    """A server of the lane's own."""

    name = "PostgreSQL"

    @contextmanager
    def new(self, folder: Path) -> Iterator[tuple[str, Outage]]:
        """See Stores."""
        with private_postgres() as server:
            yield server.new_database(), Stopped(server)


STORES: dict[str, Stores] = {"sqlite": SqliteStores(), "postgresql": PostgresStores()}

"""An open database: how the ports read and write it, without keeping the event loop waiting."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from workers.resources.store.address import is_sqlite, place_of
from workers.resources.store.engine import (
    for_looking_back,
    for_reading,
    for_single_reads,
    open_at_hand,
    open_engine,
)
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.kept_connections import KeptConnections
from workers.resources.store.prepared import Prepared
from workers.resources.store.writers import SideBySide, Together, Writers

T = TypeVar("T")
READERS = 4
POSTGRESQL_WRITERS = 8
_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")


class Database:
    """One engine, with threads of its own.

    A write that was begun is finished even when its caller is cancelled.
    """

    def __init__(self, url: URL) -> None:
        self.place = place_of(url)
        self._kept = _Kept()
        if is_sqlite(url):
            self._engine = self._open(url, 1 + 2 * READERS)
            self._kept = _Kept.of(self._engine, open_at_hand(url))
            # SQLite has one writer at a time: queueing here is fair and cheaper than waiting in its busy handler.
            self._writers: Writers = Together(self._write)
        else:
            self._engine = self._open(url, POSTGRESQL_WRITERS + 2 * READERS)
            self._writers = SideBySide(self._write, POSTGRESQL_WRITERS)
        self._reading_engine = for_reading(self._engine)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    async def look_up(self, work: Callable[[Connection], T]) -> T:
        """As `read`, of a statement that finds a few rows by a key.

        On SQLite that takes less time than going to a thread does; only what is locked for a moment waits in one.
        """
        if self._kept.at_hand is not None:
            with suppress(OperationalError, InterfaceError), self._kept.at_hand.connection() as connection:
                return work(connection)
        return await self.read(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, which makes one statement that only reads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, once its transaction is committed; nothing is, when it raises.

        It may be done again before that, and leaves no trace but in the database.
        """
        return await asyncio.wrap_future(self._writers.submit(work))

    def _read(self, work: Callable[[Connection], T]) -> T:
        if self._kept.for_reading is None:
            return self.read_now(work)
        with self._reachable(), self._kept.for_reading.connection() as connection:
            return work(connection)

    def _write(self, work: Callable[[Connection], T]) -> T:
        if self._kept.for_writing is None:
            return self.write_now(work)
        with self._reachable(), self._kept.for_writing.connection() as connection, connection.begin():
            return work(connection)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """As `read`, in the calling thread."""
        with self._reachable(), self._reading_engine.connect() as connection:
            return work(connection)

    def read_at_once_now(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, all of whose statements only read, and see the store at one moment. Blocks."""
        with self._reachable(), for_looking_back(self._engine).connect() as connection:
            return work(connection)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """As `write`, in the calling thread."""
        with self._reachable(), self._engine.begin() as connection:
            return work(connection)

    def forget_now(self) -> None:
        """Take what was overwritten out of SQLite's log too, as far as nobody is reading it. Blocks."""
        if self._engine.dialect.name != "sqlite":
            return  # there VACUUM does it, which the server runs by itself
        with self._reachable(), closing(self._engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Finish what was begun, then let go of every connection."""
        self._writers.shutdown()
        self._readers.shutdown()
        self._kept.close()
        self._engine.dispose()

    def _open(self, url: URL, connections: int) -> Engine:
        try:
            return open_engine(url, connections)
        except OSError as error:
            raise StoreUnreachable(self.place, str(error)) from error

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise StoreUnreachable(self.place, reason_of(error)) from error


@dataclass(frozen=True)
class _Kept:
    """What is kept open on SQLite.

    On PostgreSQL the pool asks each connection before it is used: an outage costs no read that comes after it.
    """

    at_hand: KeptConnections | None = None
    for_reading: KeptConnections | None = None
    for_writing: KeptConnections | None = None

    @classmethod
    def of(cls, engine: Engine, at_hand: Engine) -> Self:
        return cls(KeptConnections(at_hand), KeptConnections(for_single_reads(engine)), KeptConnections(engine))

    def close(self) -> None:
        for kept in (self.at_hand, self.for_reading, self.for_writing):
            if kept is not None:
                kept.close()


def alone(connection: Connection, lock: int) -> None:
    """Wait until nobody else holds `lock`, a number of our own, and hold it until this transaction is over."""
    if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked the others out
        connection.execute(_LOCK, {"lock": lock})


def overwrite_what_is_freed(connection: Connection) -> None:
    """What this transaction takes away is overwritten in SQLite's file, not only left to be used again."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def reason_of(error: DBAPIError) -> str:
    """What the driver said, on one line; without the statement and its parameters."""
    return " ".join(str(error.orig).split())


def insert_new(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert `row` unless its primary key stands already; whether it was inserted.

    On PostgreSQL this waits for a rival that is inserting the same key, and then knows how that ended.
    """
    return _insert_new(connection.dialect.name, table, tuple(row)).run(connection, row) == 1


@cache  # building a statement costs more than running it
def _insert_new(dialect: str, table: Table, columns: tuple[str, ...]) -> Prepared:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return Prepared(make(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True), columns)

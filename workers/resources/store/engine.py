"""How each database is opened: what must be true of every connection before a statement runs on it."""

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from workers.resources.store.address import is_sqlite

PATIENCE_SECONDS = 10
READING = "interlock_reading"
ALONE = "interlock_alone"


def open_engine(url: URL, connections: int) -> Engine:
    """An engine of at most `connections`; none is made yet."""
    return _sqlite(url, connections) if is_sqlite(url) else _postgresql(url, connections)


def for_reading(engine: Engine) -> Engine:
    """The same connections for single statements that only read: no write lock, no extra round trips."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READING: True})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def for_single_reads(engine: Engine) -> Engine:
    """The same connections of SQLite for statements that each stand alone: nothing is begun, so nothing goes stale."""
    return engine.execution_options(**{ALONE: True})


def open_at_hand(url: URL) -> Engine:
    """An engine of SQLite for single reads that wait for nothing: what is locked fails at once, opening it too."""
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 0})


def for_looking_back(engine: Engine) -> Engine:
    """The same connections for several statements that only read, and see the store at one moment."""
    if engine.dialect.name == "sqlite":
        return for_reading(engine)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _postgresql(url: URL, connections: int) -> Engine:
    # A connection that died while idle is found before use: a lost answer to `mark_sent` costs an escalation.
    timeouts = {
        "connect_timeout": PATIENCE_SECONDS,
        "keepalives_idle": PATIENCE_SECONDS,
        "tcp_user_timeout": 3 * PATIENCE_SECONDS * 1000,
        "application_name": "interlock",
    }
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        hide_parameters=True,
        connect_args={name: value for name, value in timeouts.items() if name not in url.query},
    )


def _sqlite(url: URL, connections: int) -> Engine:
    _make_private_file(Path(str(url.database)))
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": PATIENCE_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private_file(path: Path) -> None:
    """A new file in WAL mode, that only we may read; SQLite gives its companions the same mode.

    It appears complete or not at all: SQLite does not wait for a rival that is switching to WAL.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(handle)
    new = Path(name)
    try:
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):  # a rival was faster
            path.hardlink_to(new)
    finally:
        new.unlink()


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing of its own: _begin_sqlite does
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a claim that a power cut takes back is an effect done twice
    connection.execute("PRAGMA journal_mode = WAL")  # for a file that was there before


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail when another process writes in between.
    options = connection.get_execution_options()
    if options.get(ALONE, False):
        return
    reading = options.get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

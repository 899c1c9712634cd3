"""Connections that threads keep: to take one from the pool costs more than most of what is read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine


class KeptConnections:
    """One for each thread; one on which something failed is dropped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._of_thread = threading.local()
        self._all: set[Connection] = set()
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The one of the calling thread."""
        kept: Connection | None = getattr(self._of_thread, "connection", None)
        if kept is None:
            kept = self._engine.connect()
            self._of_thread.connection = kept
            with self._lock:
                self._all.add(kept)
        try:
            yield kept
        except BaseException:
            self._of_thread.connection = None
            self._let_go(kept)
            raise

    def close(self) -> None:
        """Let go of every one; nobody reads any more."""
        for connection in list(self._all):
            self._let_go(connection)

    def _let_go(self, connection: Connection) -> None:
        with self._lock:
            self._all.discard(connection)
        connection.invalidate()
        connection.close()

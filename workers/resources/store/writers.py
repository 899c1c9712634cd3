"""Threads that write: several side by side, or one that commits together what waits together."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from workers.resources.store.errors import StoreUnreachable

T = TypeVar("T")
Work = Callable[[Connection], T]
Commit = Callable[[Work[Any]], Any]
"""Does its work in a transaction of its own, and commits it. Raises StoreUnreachable."""
MOST = 32
"""So many writes have a transaction in common."""


class Writers(Protocol):
    """Where writes are done."""

    def submit(self, work: Work[T]) -> Future[T]:
        """The result of `work`, once it is committed. One that is cancelled before it was begun is left out."""

    def shutdown(self) -> None:
        """Finish what was begun."""


class SideBySide:
    """Several threads, each with a transaction of its own."""

    def __init__(self, commit: Commit, threads: int) -> None:
        self._commit, self._threads = commit, ThreadPoolExecutor(threads, thread_name_prefix="store-writer")

    def submit(self, work: Work[T]) -> Future[T]:
        """See Writers."""
        return self._threads.submit(self._commit, work)

    def shutdown(self) -> None:
        """See Writers."""
        self._threads.shutdown()


class _Pending(NamedTuple):
    work: Work[Any]
    done: Future[Any]


class Together:
    """One thread, for a database that has one writer at a time: what waits for it has one COMMIT in common.

    Nothing waits so that others may join it. Where that fails, all is taken back, and each write is done by itself: it
    must leave no trace but in the database. Once the store cannot be used for one of them, the others are not tried.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: deque[_Pending] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")

    def submit(self, work: Work[T]) -> Future[T]:
        """See Writers."""
        done: Future[T] = Future()
        self._waiting.append(_Pending(work, done))
        self._thread.submit(self._next)
        return done

    def shutdown(self) -> None:
        """See Writers."""
        self._thread.shutdown()

    def _next(self) -> None:
        """Do what waits; nothing, when it was done along with what came before it."""
        begun: list[_Pending] = []
        while self._waiting and len(begun) < MOST:
            pending = self._waiting.popleft()
            if pending.done.set_running_or_notify_cancel():
                begun.append(pending)
        if begun:
            self._write(begun)

    def _write(self, several: Sequence[_Pending]) -> None:
        try:
            results = self._commit(lambda connection: [each.work(connection) for each in several])
        except Exception as error:  # noqa: BLE001 - it is for whoever waits
            if len(several) == 1:
                several[0].done.set_exception(error)
            else:
                self._write_each(several)
        else:
            for each, result in zip(several, results, strict=True):
                each.done.set_result(result)

    def _write_each(self, several: Sequence[_Pending]) -> None:
        for number, pending in enumerate(several):
            self._write([pending])
            if isinstance(gone := pending.done.exception(), StoreUnreachable):
                for other in several[number + 1 :]:
                    other.done.set_exception(StoreUnreachable(gone.place, gone.reason))
                return

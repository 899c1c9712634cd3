"""One writing thread: what waits for it is committed together, and what fails takes nobody with it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.writers import MOST, Together

SECONDS = 10


class Slow:
    """A database whose first transaction waits until it is let go; it counts what was committed how."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.committed: list[Any] = []
        self.unreachable = 0
        """So many transactions fail from now on."""
        self.tried = 0

    def commit(self, work: Any) -> Any:
        self.begun.set()
        assert self.go.wait(SECONDS)
        self.tried += 1
        if self.unreachable:
            self.unreachable -= 1
            raise StoreUnreachable("here", "gone")
        results = work(None)
        self.committed.append(results)
        return results


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.go.set()


def waiting(writers: Together, slow: Slow, *works: Any) -> list[Future[Any]]:
    """What comes of them; they wait together behind a write that has begun."""
    first = writers.submit(lambda _: "first")
    assert slow.begun.wait(SECONDS)
    return [first, *(writers.submit(work) for work in works)]


def failing(_: Connection) -> None:
    raise ValueError("taken")


def test_what_waits_is_committed_together_and_everybody_gets_an_answer_of_their_own(slow: Slow) -> None:
    writers = Together(slow.commit)
    done = waiting(writers, slow, *((lambda _, number=number: number) for number in range(5)))
    slow.go.set()
    writers.shutdown()
    assert [each.result(0) for each in done] == ["first", 0, 1, 2, 3, 4]
    assert slow.committed == [["first"], [0, 1, 2, 3, 4]]


def test_no_transaction_grows_without_end(slow: Slow) -> None:
    writers = Together(slow.commit)
    waiting(writers, slow, *[lambda _: 0] * (MOST + 1))
    slow.go.set()
    writers.shutdown()
    assert [len(together) for together in slow.committed] == [1, MOST, 1]


def test_of_several_one_fails_and_the_others_are_written(slow: Slow) -> None:
    writers = Together(slow.commit)
    _, before, failed, after = waiting(writers, slow, lambda _: "before", failing, lambda _: "after")
    slow.go.set()
    writers.shutdown()
    assert (before.result(0), after.result(0)) == ("before", "after")
    assert slow.committed == [["first"], ["before"], ["after"]]
    with pytest.raises(ValueError, match="taken"):
        failed.result(0)


def test_when_the_store_is_gone_nobody_waits_for_it_one_after_another(slow: Slow) -> None:
    writers = Together(slow.commit)
    done = waiting(writers, slow, lambda _: 0, lambda _: 1, lambda _: 2)
    slow.unreachable = MOST
    slow.go.set()
    writers.shutdown()
    assert [type(each.exception(0)) for each in done] == [StoreUnreachable] * 4
    assert slow.committed == []
    assert slow.tried == 3, "the first alone, the others together, and one of them"


def test_after_a_moment_in_which_the_store_was_gone_every_write_is_done(slow: Slow) -> None:
    writers = Together(slow.commit)
    first, *others = waiting(writers, slow, lambda _: 0, lambda _: 1)
    slow.unreachable = 2
    slow.go.set()
    writers.shutdown()
    assert isinstance(first.exception(0), StoreUnreachable)
    assert [each.result(0) for each in others] == [0, 1]


def test_a_write_that_was_cancelled_before_it_began_is_left_out(slow: Slow) -> None:
    writers = Together(slow.commit)
    _, cancelled, kept = waiting(writers, slow, lambda _: "cancelled", lambda _: "kept")
    assert cancelled.cancel()
    slow.go.set()
    writers.shutdown()
    assert kept.result(0) == "kept"
    assert slow.committed == [["first"], ["kept"]]


async def test_what_failed_beside_others_leaves_nothing_in_the_database(tmp_path: Path) -> None:
    database = Database(read_url(f"sqlite:///{tmp_path}/store.db"))
    await database.write(lambda connection: connection.execute(text("CREATE TABLE things (name TEXT)")).rowcount)

    def half(connection: Connection) -> None:
        connection.execute(text("INSERT INTO things VALUES ('half')"))
        raise ValueError("taken")

    def written(name: str) -> Callable[[Connection], int]:
        return lambda connection: connection.execute(text("INSERT INTO things VALUES (:name)"), {"name": name}).rowcount

    writes = [database.write(work) for number in range(10) for work in (written(f"{number}"), half)]
    came = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(each) for each in came] == [int, ValueError] * 10
    names = await database.read(lambda connection: connection.scalars(text("SELECT name FROM things")).all())
    assert "half" not in names
    assert len(names) == 10
    database.close()


async def test_a_look_up_that_the_store_refuses_at_hand_is_made_again_in_a_thread(tmp_path: Path) -> None:
    database = Database(read_url(f"sqlite:///{tmp_path}/store.db"))
    tried = list[str]()

    def refused_at_first(connection: Connection) -> str:
        tried.append(threading.current_thread().name)
        if len(tried) == 1:
            connection.exec_driver_sql("SELECT * FROM nothing")
        return "found"

    assert await database.look_up(refused_at_first) == "found"
    assert (tried[0], tried[1][:12]) == ("MainThread", "store-reader")
    database.close()


async def test_postgresql_is_looked_up_in_a_thread(store_url: str) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("of PostgreSQL alone")
    database = Database(read_url(store_url))
    where = await database.look_up(lambda _: threading.current_thread().name)
    assert where.startswith("store-reader")
    database.close()

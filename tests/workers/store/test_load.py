"""Past so many active runs no other one is registered, and those that are registered never notice."""

from collections import Counter

import pytest
from sqlalchemy import Connection, select, text

from activities.conversations import RunKey
from activities.inbox import Load, TooManyActive
from contracts.audit import AuditKind
from contracts.canonical import parse_json
from contracts.runs import KnownCase
from tests.workers.store.rival import MOST
from tests.workers.store.samples import asked, at, started
from tests.workers.store.test_children import CLAIM, REFUND, around, entry, record
from tests.workers.store.test_rivals import RIVALS, race
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.load import has_room
from workers.resources.store.schema import AUDIT


def run_number(number: int) -> RunKey:
    """One of many runs."""
    return RunKey(workflow_id=f"refund/B-{number}", first_run_id=f"run-{number}")


async def begun(store: Store, number: int, most: int = 0) -> RunKey:
    """A run of a case of its own. Raises TooManyActive."""
    run = run_number(number)
    await store.starts.register(started(run, business_key=f"B-{number}"), at(number), most)
    return run


async def asks_people(store: Store, run: RunKey, number: int = 1) -> None:
    """The run waits for people."""
    await store.inbox.open(asked(number).model_copy(update={**run.model_dump(), "request_id": f"{run}#{number}"}))


async def test_past_the_limit_a_start_is_refused_and_holds_nothing(store: Store) -> None:
    await begun(store, 1, most=2)
    await begun(store, 2, most=2)

    with pytest.raises(TooManyActive) as refused:
        await begun(store, 3, most=2)

    assert str(refused.value) == (
        "2 runs are under way, which is the most this deployment takes (INTERLOCK_MOST_ACTIVE_RUNS); "
        "start it again later"
    )
    assert await store.starts.find(run_number(3)) is None
    assert await store.starts.look_up("refund", "B-3", {}) == KnownCase()
    assert await store.starts.load() == Load(active=2, waiting=0)


async def test_auditors_are_told_once_of_a_start_that_was_refused_whoever_tries_again(store: Store) -> None:
    await begun(store, 1, most=1)
    for _ in range(2):
        with pytest.raises(TooManyActive):
            await begun(store, 2, most=1)

    query = select(AUDIT.c.workflow_id, AUDIT.c.payload).where(AUDIT.c.kind == AuditKind.RUN_REFUSED.value)
    [told] = store.at_one_moment(lambda connection: connection.execute(query).all())
    record = parse_json(told.payload)
    assert told.workflow_id == "refund/B-2"
    assert isinstance(record, dict)
    assert (record["who"], record["facts"]) == ("ada", {"automation": "refund", "most_active": 1})


async def test_a_run_that_is_registered_is_never_refused_however_full_it_is(store: Store) -> None:
    for number in (1, 2, 3):
        await begun(store, number)

    assert await begun(store, 2, most=1) == run_number(2)


async def test_a_run_that_waits_for_its_child_is_not_active_and_its_child_is(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.children.enter(entry(REFUND, CLAIM), at(1))
    alone = await store.starts.load()
    await store.starts.register(record(REFUND, *around(CLAIM)), at(2), most_active=0)
    waiting = await store.starts.load()
    await asks_people(store, REFUND)
    both = await store.starts.load()
    await store.starts.end(REFUND, "refunded", at(3))

    assert (alone, waiting) == (Load(active=1, waiting=0), Load(active=1, waiting=1))
    assert both == Load(active=0, waiting=2)
    assert await store.starts.load() == Load(active=1, waiting=0)


async def test_a_place_is_free_again_once_a_run_has_ended(store: Store) -> None:
    run = await begun(store, 1, most=1)
    await store.starts.end(run, "refunded", at(2))

    await begun(store, 2, most=1)


async def test_a_run_that_waits_for_people_takes_no_place_until_it_goes_on(store: Store) -> None:
    run = await begun(store, 1, most=1)
    for number in (1, 2):
        await asks_people(store, run, number)
    await begun(store, 2, most=1)
    assert await store.starts.load() == Load(active=1, waiting=1)

    first = await store.inbox.find(f"{run}#1")
    assert first is not None
    await store.inbox.close(first, "approved", "dana", at(5))
    assert await store.starts.load() == Load(active=1, waiting=1), "it still waits for the other answer"

    second = await store.inbox.find(f"{run}#2")
    assert second is not None
    await store.inbox.close(second, "approved", "dana", at(6))
    assert await store.starts.load() == Load(active=2, waiting=0), "over the limit, and it goes on all the same"
    with pytest.raises(TooManyActive):
        await begun(store, 3, most=2)


async def test_a_request_that_an_ended_run_has_left_open_makes_no_room(store: Store) -> None:
    ended, active = await begun(store, 1), await begun(store, 2)
    await asks_people(store, ended)
    await store.starts.end(ended, "terminated", at(3))

    assert await store.starts.load() == Load(active=1, waiting=0)
    with pytest.raises(TooManyActive):
        await begun(store, 3, most=1)
    assert await store.starts.find(active) is not None


def test_of_six_starts_at_one_moment_exactly_as_many_are_taken_as_there_are_places(store_url: str) -> None:
    assert race("register_if_there_is_room", store_url) == Counter(taken=MOST, refused=RIVALS - MOST)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_whoever_asks_for_a_place_waits_until_the_one_before_has_taken_or_left_it(store_url: str) -> None:
    """SQLite has one writer at a time; on PostgreSQL two would find the same place free."""
    one, other = Database(read_url(store_url)), Database(read_url(store_url))

    def ask(connection: Connection) -> bool:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        return has_room(connection, 1)

    def meanwhile(connection: Connection) -> None:
        assert has_room(connection, 1)
        with pytest.raises(StoreUnreachable, match="lock timeout"):
            other.write_now(ask)

    one.write_now(meanwhile)
    assert other.write_now(ask)
    one.close()
    other.close()

"""Running totals: what actions reserve before they are sent, each counted once, whoever else reserves then."""

import asyncio
import subprocess
import sys
from itertools import accumulate

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from activities.totals import CannotReserve, Spending
from contracts.canonical import digest
from contracts.tools import LARGEST_AMOUNT, Share
from tests.workers.store.rival import CREDITED, KILLED
from tests.workers.store.samples import RUN, at
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.schema import RESERVATIONS, TOTALS

RITA = "rita on 2026-11-20"


def share(cents: int, total: str = "requester", of: str = RITA) -> Share:
    """What a credit adds."""
    return Share(total=total, of=of, amount=cents)


def by(key: str, action: str = "") -> Spending:
    """The action of this key."""
    return Spending(key=key, action_digest=digest((action or key).encode()), run=RUN)


def kept(url: str) -> str:
    """Everything the store keeps about totals, as text."""
    database = Database(read_url(url))
    queries = (select(TOTALS), select(RESERVATIONS))
    rows = database.read_now(lambda connection: [connection.execute(query).all() for query in queries])
    database.close()
    return str(rows)


BOTH = (share(999), share(999, "customer", "C-7 on 2026-11-20"))


async def test_each_action_is_told_what_the_total_came_to_by_it(store: Store) -> None:
    assert await store.totals.reserve(by("key-1"), (share(4000),), at(0)) == {"requester": 4000}
    assert await store.totals.reserve(by("key-2"), (share(999),), at(1)) == {"requester": 4999}


async def test_a_total_is_kept_apart_by_name_and_by_whom_it_is_of(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(4000),), at(0))

    assert await store.totals.reserve(by("key-2"), (share(1, of="rita on 2026-11-21"),), at(0)) == {"requester": 1}
    assert await store.totals.reserve(by("key-3"), (share(2, "customer"),), at(0)) == {"customer": 2}


async def test_an_action_adds_to_all_its_totals_at_once(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(1),), at(0))

    assert await store.totals.reserve(by("key-2"), BOTH, at(0)) == {"requester": 1000, "customer": 999}


async def test_an_action_without_totals_reserves_nothing(store: Store) -> None:
    assert await store.totals.reserve(by("key-1"), (), at(0)) == {}


async def test_reserving_again_returns_what_it_came_to_and_adds_nothing_even_when_others_came_between(
    store: Store,
) -> None:
    await store.totals.reserve(by("key-1"), (share(999),), at(0))
    await store.totals.reserve(by("key-2"), (share(999),), at(0))

    assert await store.totals.reserve(by("key-1"), (share(999),), at(1)) == {"requester": 999}
    assert await store.totals.peek(by("key-3"), (share(0),)) == {"requester": 1998}


async def test_what_is_reserved_again_after_midnight_still_counts_for_the_day_before(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(999),), at(0))
    next_day = share(999, of="rita on 2026-11-21")

    assert await store.totals.reserve(by("key-1"), (next_day,), at(900)) == {"requester": 999}
    assert await store.totals.peek(by("key-2"), (next_day,)) == {"requester": 999}


async def test_a_total_that_came_into_force_meanwhile_is_added_to_by_the_next_attempt(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (BOTH[0],), at(0))

    assert await store.totals.reserve(by("key-1"), BOTH, at(1)) == {"requester": 999, "customer": 999}
    assert await store.totals.peek(by("key-2"), BOTH) == {"requester": 1998, "customer": 1998}


async def test_a_key_that_stands_for_another_action_is_refused_and_nothing_of_it_is_kept(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(1),), at(0))

    for shares in (BOTH, (share(1, of="somebody else"),), (share(1),)):
        with pytest.raises(CannotReserve, match="a changed action needs a key of its own"):
            await store.totals.reserve(by("key-1", "another"), shares, at(1))

    assert await store.totals.peek(by("key-1", "another"), (share(1, of="somebody else"),)) == {"requester": 1}
    assert await store.totals.peek(by("key-2"), BOTH) == {"requester": 1000, "customer": 999}


async def test_what_is_released_counts_no_longer_for_whoever_comes_next(store: Store) -> None:
    await store.totals.reserve(by("key-1"), BOTH, at(0))
    await store.totals.reserve(by("key-2"), BOTH, at(0))

    await store.totals.release(by("key-1"), at(9))

    assert await store.totals.reserve(by("key-3"), BOTH, at(1)) == {"requester": 1998, "customer": 1998}


async def test_releasing_twice_is_the_same_as_once(store: Store) -> None:
    await store.totals.reserve(by("key-1"), BOTH, at(0))
    await store.totals.reserve(by("key-2"), BOTH, at(0))

    await store.totals.release(by("key-1"), at(9))
    await store.totals.release(by("key-1"), at(9))

    assert await store.totals.peek(by("key-3"), BOTH) == {"requester": 1998, "customer": 1998}


async def test_releasing_what_nobody_reserved_changes_nothing(store: Store) -> None:
    await store.totals.reserve(by("key-1"), BOTH, at(0))

    await store.totals.release(by("key-2"), at(9))

    assert await store.totals.peek(by("key-1"), BOTH) == {"requester": 999, "customer": 999}


async def test_what_is_reserved_after_a_release_is_added_anew_for_the_amount_and_day_it_has_then(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(999),), at(0))
    await store.totals.reserve(by("key-2"), (share(1),), at(0))
    await store.totals.release(by("key-1"), at(9))

    assert await store.totals.reserve(by("key-1"), (share(500),), at(1)) == {"requester": 501}

    await store.totals.release(by("key-1"), at(9))
    assert await store.totals.peek(by("key-3"), (share(0),)) == {"requester": 1}


async def test_a_look_tells_what_reserving_would_and_reserves_nothing(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(4000),), at(0))

    assert await store.totals.peek(by("key-2"), BOTH) == {"requester": 4999, "customer": 999}
    assert await store.totals.peek(by("key-2"), BOTH) == {"requester": 4999, "customer": 999}
    assert await store.totals.reserve(by("key-2"), BOTH, at(1)) == {"requester": 4999, "customer": 999}


async def test_a_look_at_what_is_reserved_tells_what_it_came_to_not_what_others_added_since(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(999),), at(0))
    await store.totals.reserve(by("key-2"), (share(4500),), at(0))

    assert await store.totals.peek(by("key-1"), (share(999),)) == {"requester": 999}

    await store.totals.release(by("key-1"), at(9))
    assert await store.totals.peek(by("key-1"), (share(999),)) == {"requester": 5499}


async def test_whom_a_total_is_of_stands_nowhere_in_the_store(store: Store, store_url: str) -> None:
    await store.totals.reserve(by("key-1"), (share(999, of="dana.reeves@example.com"),), at(0))

    assert "requester" in kept(store_url)
    assert "dana" not in kept(store_url)


@pytest.mark.parametrize("cents", [-1, LARGEST_AMOUNT + 1])
def test_an_amount_below_zero_or_beyond_counting_is_no_share(cents: int) -> None:
    with pytest.raises(ValidationError):
        share(cents)


async def test_a_total_too_large_to_be_counted_is_refused_and_stays_as_it_was(store: Store) -> None:
    await store.totals.reserve(by("key-1"), (share(1),), at(0))

    with pytest.raises(CannotReserve, match="the running total 'requester' would come to more than"):
        await store.totals.reserve(by("key-2"), (share(LARGEST_AMOUNT),), at(0))

    assert await store.totals.peek(by("key-3"), (share(0),)) == {"requester": 1}


async def test_an_action_that_names_a_total_twice_is_refused(store: Store) -> None:
    with pytest.raises(CannotReserve, match="name each total once"):
        await store.totals.reserve(by("key-1"), (share(1), share(2, of="another")), at(0))


async def test_ten_concurrent_actions_come_to_ten_different_sums(store: Store) -> None:
    reached = await asyncio.gather(*(store.totals.reserve(by(f"key-{n}"), BOTH, at(0)) for n in range(10)))

    for total in ("requester", "customer"):
        assert sorted(each[total] for each in reached) == list(accumulate([999] * 10))


async def test_concurrent_attempts_at_one_action_are_counted_once(store: Store) -> None:
    reached = await asyncio.gather(*(store.totals.reserve(by("key-1"), BOTH, at(0)) for _ in range(10)))

    assert reached == [{"requester": 999, "customer": 999}] * 10
    assert await store.totals.peek(by("key-2"), (share(0),)) == {"requester": 999}


async def test_concurrent_attempts_at_an_action_that_was_released_are_counted_once(store: Store) -> None:
    for _ in range(10):
        await store.totals.reserve(by("key-1"), (share(999),), at(0))
        await store.totals.release(by("key-1"), at(9))

        attempts = (store.totals.reserve(by("key-1"), (share(999),), at(1)) for _ in range(8))
        assert await asyncio.gather(*attempts) == [{"requester": 999}] * 8

        await store.totals.release(by("key-1"), at(9))


async def test_actions_that_name_their_totals_in_opposite_orders_do_not_stop_each_other(store: Store) -> None:
    orders = (BOTH, BOTH[::-1])
    reserving = (store.totals.reserve(by(f"key-{n}"), orders[n % 2], at(0)) for n in range(40))

    reached = await asyncio.wait_for(asyncio.gather(*reserving), 30)

    assert sorted(each["customer"] for each in reached) == list(accumulate([999] * 40))


async def test_concurrent_releases_and_reservations_leave_exactly_what_stands(store: Store) -> None:
    for n in range(10):
        await store.totals.reserve(by(f"old-{n}"), BOTH, at(0))

    releasing = [store.totals.release(by(f"old-{n}"), at(9)) for n in range(10) for _ in range(3)]
    reserving = [store.totals.reserve(by(f"new-{n}"), BOTH, at(1)) for n in range(10)]
    await asyncio.wait_for(asyncio.gather(*releasing, *reserving), 30)

    assert await store.totals.peek(by("key"), BOTH) == {"requester": 10_989, "customer": 10_989}


async def test_an_action_whose_process_died_before_it_heard_the_answer_is_counted_once(
    store: Store, store_url: str
) -> None:
    command = [sys.executable, "-m", "tests.workers.store.rival", "reserve_and_die", store_url]
    dying = subprocess.run(command, input="go\n", capture_output=True, text=True, timeout=60)
    assert (dying.returncode, dying.stdout) == (KILLED, "ready\n"), dying.stderr

    assert await store.totals.peek(by("key-2"), (CREDITED,)) == {"requester": 1998}
    assert await store.totals.reserve(by("key-1"), (CREDITED,), at(1)) == {"requester": 999}
    assert await store.totals.peek(by("key-2"), (CREDITED,)) == {"requester": 1998}

"""Breakers and rates in the store: shared by everybody, told to auditors, and untouched by a healthy server."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from activities.breakers import PROBE_LEASE, Breaker, May, Report, Trouble
from contracts.audit import GOVERNANCE, AuditKind
from contracts.model import rfc3339
from contracts.servers import BreakerRule, Rate
from tests.workers.store.samples import NINE
from tests.workers.store.test_rivals import race
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.breakers import SqlBreakers
from workers.resources.store.database import Database
from workers.resources.store.schema import AUDIT, BREAKERS, RATES

RULE = BreakerRule()
WELL = Report()
ILL = Report(trouble=Trouble.NOT_REACHED, problem="HTTP 503: 'the vault code is 1234'")


async def call(store: Store, report: Report, server: str = "payments") -> Breaker:
    """A call at nine that came to this."""
    leave = await store.breakers.admit(server, "me", NINE)
    assert leave.may is May.CALL
    return await store.breakers.record(server, RULE, leave, report, NINE)


async def opened(store: Store) -> Breaker:
    """The breaker of payments, open since nine."""
    for _ in range(3):
        assert not (await call(store, ILL)).open
    return await call(store, ILL)


def told(store: Store) -> list[dict[str, Any]]:
    """What auditors are told of breakers."""

    def work(connection: Connection) -> list[str]:
        of_breakers = select(AUDIT.c.payload).where(
            AUDIT.c.stream == GOVERNANCE, AUDIT.c.kind == AuditKind.BREAKER.value
        )
        return list(connection.scalars(of_breakers.order_by(AUDIT.c.seq)))

    return [json.loads(payload) for payload in store.at_one_moment(work)]


def rows(store: Store) -> int:
    """How many breakers are written down."""
    return len(store.at_one_moment(lambda connection: connection.execute(select(BREAKERS)).all()))


@contextmanager
def early(store_url: str, read: Breaker) -> Iterator[SqlBreakers]:
    """A worker that has read this of the breaker of payments before others changed it."""

    class Early(Database):
        async def read(self, work: Callable[[Connection], Any]) -> Any:
            return read

    database = Early(read_url(store_url))
    try:
        yield SqlBreakers(database)
    finally:
        database.close()


async def test_a_healthy_server_is_never_written(store: Store) -> None:
    for _ in range(3):
        await call(store, WELL)
    assert rows(store) == 0 and await store.breakers.standing() == {}
    await call(store, ILL)
    assert rows(store) == 1


async def test_every_field_comes_back_as_it_was_written(store: Store) -> None:
    breaker = await opened(store)
    assert await store.breakers.standing() == {"payments": breaker}
    assert breaker.open_until is not None
    won = await store.breakers.admit("payments", "me", breaker.open_until)
    assert (won.may, won.breaker.probe_until) == (May.PROBE, breaker.open_until + PROBE_LEASE)
    assert await store.breakers.standing() == {"payments": won.breaker}


async def test_what_one_worker_finds_all_of_them_know(store: Store, store_url: str) -> None:
    other = Store.open(store_url)
    try:
        for each in (store, other, store, other):
            await call(each, ILL)
        assert [(await each.breakers.admit("payments", "me", NINE)).may for each in (store, other)] == [May.WAIT] * 2
        assert (await other.breakers.admit("orders", "me", NINE)).may is May.CALL
    finally:
        other.close()


async def test_a_call_of_an_older_generation_writes_nothing(store: Store) -> None:
    slow = await store.breakers.admit("payments", "slow", NINE)
    breaker = await opened(store)
    assert await store.breakers.record("payments", RULE, slow, ILL, NINE) == breaker
    assert await store.breakers.standing() == {"payments": breaker}


async def test_opening_probing_and_closing_are_told_to_auditors_without_what_the_server_said(store: Store) -> None:
    due = (await opened(store)).open_until
    assert due is not None
    probe = await store.breakers.admit("payments", "me", due)
    assert (await store.breakers.record("payments", RULE, probe, ILL, due)).opens_in_a_row == 2
    again = (await store.breakers.standing())["payments"].open_until
    assert again is not None
    probe = await store.breakers.admit("payments", "me", again)
    await store.breakers.record("payments", RULE, probe, WELL, again)
    await call(store, WELL)

    records = told(store)
    assert {record["about"] for record in records} == {"payments"}
    facts = [record["facts"] for record in records]
    assert [(each["became"], each["generation"], each["problem"]) for each in facts] == [
        ("open", 1, "not reached"),
        ("probe", 1, ""),
        ("open", 2, "not reached"),
        ("probe", 2, ""),
        ("closed", 3, ""),
    ]
    assert facts[0]["until"] == rfc3339(due)
    assert "vault" not in json.dumps(records)


async def test_a_breaker_is_not_changed_without_its_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await call(store, ILL)

    def breaks(*_: object) -> None:
        raise RuntimeError("the chain cannot be written")

    monkeypatch.setattr("workers.resources.store.breakers.append", breaks)
    with pytest.raises(RuntimeError):
        await call(store, ILL)
    assert not (await store.breakers.standing())["payments"].open


async def test_of_eight_processes_one_looks_whether_the_server_is_back_and_three_get_the_three_tokens(
    store: Store, store_url: str
) -> None:
    await opened(store)

    said = " ".join(race("look", store_url, 8).elements()).split()

    assert Counter(said) == {"probe": 1, "wait": 7, "token": 3, "late": 5}
    assert [record["facts"]["became"] for record in told(store)] == ["open", "probe"]


async def test_of_rivals_with_a_failure_each_every_one_is_counted_until_it_opens(store: Store, store_url: str) -> None:
    others = [Store.open(store_url) for _ in range(3)]
    try:
        leave = await store.breakers.admit("payments", "me", NINE)
        rivals = (store, *others) * 2
        await asyncio.gather(*(each.breakers.record("payments", RULE, leave, ILL, NINE) for each in rivals))
    finally:
        for each in others:
            each.close()
    breaker = (await store.breakers.standing())["payments"]
    assert (breaker.open, breaker.generation, len(breaker.outcomes), breaker.opens_in_a_row) == (True, 1, 4, 1)


async def test_whoever_has_read_too_early_does_not_look_as_well(store: Store, store_url: str) -> None:
    breaker = await opened(store)
    assert breaker.open_until is not None
    with early(store_url, breaker) as late:
        assert (await store.breakers.admit("payments", "first", breaker.open_until)).may is May.PROBE
        assert (await late.admit("payments", "second", breaker.open_until)).may is May.WAIT
    assert (await store.breakers.standing())["payments"].probe_owner == "first"


async def test_whoever_has_read_too_early_takes_no_failure_away(store: Store, store_url: str) -> None:
    before = await call(store, ILL)
    leave = await store.breakers.admit("payments", "me", NINE)
    with early(store_url, before) as late:
        for each in (store.breakers, late, late):
            await each.record("payments", RULE, leave, ILL, NINE)
    assert (await store.breakers.standing())["payments"].open


async def test_a_rate_is_shared_by_all_workers_and_comes_back_with_time(store: Store, store_url: str) -> None:
    rate, other = Rate(calls=2, seconds=1), Store.open(store_url)
    try:
        taken = [await each.rates.take("payments", rate, NINE) for each in (store, other, store)]
        assert taken == [0.0, 0.0, 0.5]
        assert await other.rates.take("orders", rate, NINE) == 0
        assert await other.rates.take("payments", rate, NINE + timedelta(milliseconds=500)) == 0
        assert await store.rates.take("payments", rate, NINE + timedelta(milliseconds=500)) == 0.5
    finally:
        other.close()
    assert len(store.at_one_moment(lambda connection: connection.execute(select(RATES)).all())) == 2

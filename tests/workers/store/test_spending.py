"""What is spent: counted with the answer it was spent for, by day, run and requester; and what people add, once."""

import asyncio
from datetime import datetime, timedelta

import pytest

from activities.budgets import Account
from activities.conversations import RunKey
from contracts.audit import AuditKind
from contracts.budgets import Amounts
from contracts.canonical import parse_json
from contracts.claude import Usage
from contracts.decisions import Decision
from tests.workers.store.audited import decision
from tests.workers.store.samples import NINE, RUN, at, started
from workers.resources.store import Store
from workers.resources.store.spending import count_turn

USAGE = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=30, cache_write_tokens=4, cost_micros=500)
ONE = Amounts(turns=1, tokens=154, cost_micros=500)
OTHER = RunKey(workflow_id="refund/B-2", first_run_id="run-2")
TOMORROW = NINE + timedelta(days=1)


async def account(store: Store, run: RunKey = RUN, requester: str = "ada", day: str = "2026-11-20") -> Account:
    """What is counted of ada's refunds."""
    return await store.budgets.account(run, requester, "refund", day)


async def count(store: Store, run: RunKey = RUN, requester: str = "ada", moment: datetime = NINE, **more: str) -> None:
    """A turn is counted."""
    spender = (await account(store, run, requester)).spender.model_copy(update=more)
    await store._database.write(lambda connection: count_turn(connection, run, spender, USAGE, moment))


def times(number: int) -> Amounts:
    """So many turns."""
    return Amounts(turns=number, tokens=154 * number, cost_micros=500 * number)


async def test_a_run_that_has_asked_nothing_has_spent_nothing(store: Store) -> None:
    await store.starts.register(started(), at(3))

    found = await account(store)

    assert (found.run, found.day, found.additions) == (Amounts(), Amounts(), ())
    assert found.started_at == at(3)


async def test_turns_of_all_days_count_for_the_run_and_those_of_the_day_for_the_requester(store: Store) -> None:
    for run, moment in ((RUN, NINE), (RUN, at(1)), (RUN, TOMORROW), (OTHER, at(2))):
        await count(store, run, moment=moment)

    today, tomorrow = await account(store), await account(store, day="2026-11-21")
    assert (today.run, today.day) == (times(3), times(3))
    assert (tomorrow.run, tomorrow.day) == (times(3), ONE)


async def test_a_day_ends_at_midnight_utc_wherever_the_worker_stands(store: Store) -> None:
    midnight = NINE + timedelta(hours=15)
    await count(store, moment=midnight - timedelta(milliseconds=1))
    await count(store, moment=midnight)

    assert ((await account(store)).day, (await account(store, day="2026-11-21")).day) == (ONE, ONE)


async def test_nobody_pays_for_another_requester_or_another_automation(store: Store) -> None:
    await count(store, OTHER, requester="bea")
    await count(store, RunKey(workflow_id="errand/1", first_run_id="run-3"), automation="errand")

    assert (await account(store)).day == Amounts()
    assert (await account(store, requester="bea")).day == ONE


async def test_the_store_does_not_name_whoever_spends(store: Store) -> None:
    await count(store, requester="rita")  # a name that no hexadecimal pseudonym can hold by chance
    query = "SELECT requester FROM spent"
    names = store._database.read_now(lambda connection: connection.exec_driver_sql(query).scalars().all())

    assert names == [(await account(store, requester="rita")).spender.requester]
    assert "rita" not in names[0]


async def test_of_turns_that_are_counted_at_once_none_is_lost(store: Store) -> None:
    await asyncio.gather(*(count(store, RUN if number % 2 else OTHER) for number in range(20)))

    found = await account(store)
    assert (found.run, found.day) == (times(10), times(20))


async def test_what_is_not_committed_is_not_counted(store: Store) -> None:
    spender = (await account(store)).spender

    def lost(connection: object) -> None:
        count_turn(connection, RUN, spender, USAGE, NINE)  # type: ignore[arg-type]
        raise RuntimeError("the answer could not be written")

    with pytest.raises(RuntimeError):
        await store._database.write(lost)

    assert (await account(store)).run == Amounts()


async def test_somebody_who_is_recognised_takes_what_their_run_has_spent_today_along(store: Store) -> None:
    await count(store, requester="rita")
    await count(store, requester="r.stone")

    assert (await account(store, requester="r.stone")).day == times(2)
    assert (await account(store, requester="rita")).day == Amounts()


# What people add.

MORE = Amounts(turns=20, cost_micros=1_500_000)


def told(store: Store) -> list[object]:
    """What the chain says of extensions."""
    query = f"SELECT payload FROM audit WHERE kind = '{AuditKind.EXTENDED.value}'"
    rows = store._database.read_now(lambda connection: connection.exec_driver_sql(query).scalars().all())
    return [parse_json(row) for row in rows]


async def test_an_extension_is_added_once_and_auditors_are_told(store: Store) -> None:
    for minute in (1, 2):
        await store.budgets.extend(RUN, decision(), MORE, "dana", at(minute))

    found = await account(store)
    assert [(addition.amounts, addition.at) for addition in found.additions] == [(MORE, at(1))]
    assert (await account(store, OTHER)).additions == ()
    [record] = told(store)
    assert isinstance(record, dict)
    assert (record["who"], record["about"], record["workflow_id"]) == ("dana", "refund/A-17#1", "refund/A-17")
    assert record["facts"] == {"nonce": decision().nonce, "extension": MORE.model_dump()}


async def test_of_twenty_tries_at_once_to_extend_one_counts(store: Store) -> None:
    await asyncio.gather(*(store.budgets.extend(RUN, decision(), MORE, "dana", at(n)) for n in range(20)))

    assert len((await account(store)).additions) == len(told(store)) == 1


async def test_a_run_knows_which_decisions_have_extended_its_budget(store: Store) -> None:
    unsigned: Decision = decision().model_copy(update={"nonce": None})
    await store.budgets.extend(RUN, unsigned, MORE, "dana", at(1))

    assert await store.budgets.has_extended(RUN, unsigned)
    assert not await store.budgets.has_extended(RUN, unsigned.model_copy(update={"value": "{}"}))
    assert not await store.budgets.has_extended(OTHER, unsigned)

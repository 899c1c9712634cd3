"""The sweeper: whom it asks Temporal about, whom it leaves alone, and when it stops."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from activities.conversations import RunKey
from activities.ledger import LedgerState
from activities.notices import Route
from activities.orphans import Fate, Standing
from policies.engine import CedarRules
from tests.authority import FixedAuthority, Signer, roster_of
from tests.workers.store.samples import NINE, RUN, asked, at, claim, started
from tests.workers.swept import SetClock, ToldFates, sweeper_of
from workers.resources.store import Store
from workers.settings import Settings
from workers.sweeping import Bounds, Sweeper

AN_HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with a run that asked one request and claimed one call."""
    opened = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db", (Route(channel="m", personal=True),))
    await opened.starts.register(started(), NINE)
    await opened.inbox.open(asked(1))
    await opened.ledger.claim(claim(), NINE)
    yield opened
    await asyncio.to_thread(opened.close)


def ended(standing: Standing, closed_at: datetime | None = NINE) -> ToldFates:
    """Temporal says so of the run."""
    return ToldFates({RUN: Fate(standing=standing, temporal_run_id="run-1", closed_at=closed_at)})


async def left(store: Store) -> tuple[str, str, LedgerState]:
    """The ending of the run, what became of its request, and where its entry stands."""
    known = await store.starts.look_up("refund", "A-17", started().request)
    entry, request = await store.ledger.find("key-1"), await store.inbox.find("refund/A-17#1")
    assert entry is not None
    assert request is not None
    return known.ending, request.outcome, entry.state


UNTOUCHED = ("", "", LedgerState.CLAIMED)


@pytest.mark.parametrize("standing", [Standing.TERMINATED, Standing.FAILED, Standing.GONE])
async def test_a_run_that_is_over_gets_the_ending_that_temporal_tells(store: Store, standing: Standing) -> None:
    done = await sweeper_of(store, ended(standing), NINE + AN_HOUR).once()

    assert done is not None
    assert (done.swept, done.orphaned_requests) == (1, 1)
    assert await left(store) == (standing.value, "orphaned", LedgerState.ABANDONED)


async def test_a_running_run_is_never_touched(store: Store) -> None:
    await sweeper_of(store, ended(Standing.RUNNING, None), NINE + AN_HOUR).once()

    assert await left(store) == UNTOUCHED


async def test_a_run_that_temporal_cannot_tell_of_is_never_touched(store: Store) -> None:
    done = await sweeper_of(store, ToldFates({RUN: TimeoutError("no answer")}), NINE + AN_HOUR).once()

    assert done is not None
    assert done.failed == 1
    assert await left(store) == UNTOUCHED


async def test_a_run_is_left_alone_until_what_it_had_under_way_is_over(store: Store) -> None:
    just_closed = ended(Standing.TERMINATED, closed_at=NINE + AN_HOUR - timedelta(minutes=1))
    await sweeper_of(store, just_closed, NINE + AN_HOUR).once()
    assert await left(store) == UNTOUCHED

    await store.inbox.open(asked(2, opened_at=NINE + 2 * AN_HOUR - timedelta(minutes=1)))
    await sweeper_of(store, ended(Standing.GONE, None), NINE + 2 * AN_HOUR).once()
    assert await left(store) == UNTOUCHED


async def test_the_ending_that_a_run_has_recorded_itself_stays(store: Store) -> None:
    await store.starts.end(RUN, "rejected", at(1))

    await sweeper_of(store, ended(Standing.COMPLETED), NINE + AN_HOUR).once()

    assert await left(store) == ("rejected", "orphaned", LedgerState.ABANDONED)


async def test_one_worker_sweeps_for_all_and_another_one_when_it_is_gone(store: Store) -> None:
    one = sweeper_of(store, ended(Standing.RUNNING, None), NINE + AN_HOUR)
    two = sweeper_of(store, ended(Standing.RUNNING, None), NINE + AN_HOUR)
    later = sweeper_of(store, ended(Standing.RUNNING, None), NINE + AN_HOUR + timedelta(minutes=4))

    assert await one.once() is not None
    assert await two.once() is None
    assert await one.once() is not None
    assert await later.once() is not None
    assert await one.once() is None


async def test_rounds_go_through_all_runs_and_begin_again(store: Store) -> None:
    for number in range(2, 6):
        run = RunKey(workflow_id=f"refund/B-{number}", first_run_id=f"run-{number}")
        await store.starts.register(started(run, business_key=f"B-{number}"), at(number))
    fates = ToldFates()
    sweeper = sweeper_of(store, fates, NINE + AN_HOUR, bounds=Bounds(per_round=2, pace=timedelta(0)))

    for _ in range(4):
        await sweeper.once()

    asked_of = [run.first_run_id for run in fates.asked]
    assert asked_of == ["run-1", "run-2", "run-3", "run-4", "run-5", "run-1", "run-2"]


async def test_a_server_that_does_not_answer_ends_the_round(store: Store) -> None:
    runs = [RunKey(workflow_id=f"refund/B-{number}", first_run_id=f"run-{number}") for number in range(2, 12)]
    for number, run in enumerate(runs):
        await store.starts.register(started(run, business_key=run.workflow_id), at(number))
    fates = ToldFates(dict.fromkeys([RUN, *runs], ConnectionError("down")))

    await sweeper_of(store, fates, NINE + AN_HOUR).once()

    assert len(fates.asked) == 5


async def test_of_a_run_that_was_reset_what_it_no_longer_holds_is_closed(store: Store) -> None:
    await store.inbox.open(asked(2, opened_at=at(1)))
    fates = ToldFates({RUN: Fate(standing=Standing.RUNNING, reset=True)}, held={RUN: frozenset({"refund/A-17#2"})})

    done = await sweeper_of(store, fates, NINE + AN_HOUR).once()

    assert done is not None
    assert (done.swept, done.orphaned_requests, done.reopened_requests) == (0, 1, 0)
    assert [entry.request_id for entry in await store.inbox.waiting(10)] == ["refund/A-17#2"]
    assert await left(store) == ("", "orphaned", LedgerState.CLAIMED)


async def test_a_run_that_was_reset_and_is_busy_is_asked_again_later(store: Store) -> None:
    fates = ToldFates({RUN: Fate(standing=Standing.RUNNING, reset=True)}, begun={RUN.workflow_id: NINE + AN_HOUR})
    sweeper = sweeper_of(store, fates, NINE + AN_HOUR)

    await sweeper.once()
    busy = await store.inbox.waiting(10)
    fates.begun, fates.held = {}, {RUN: frozenset()}
    await sweeper.once()

    assert len(busy) == 1
    assert await store.inbox.waiting(10) == ()


async def test_a_run_that_had_ended_and_was_reset_is_found_by_when_it_began(store: Store) -> None:
    entry = asked(1)
    await store.inbox.close(entry, "rejected", "dana", at(1))
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(1))
    await store.orphans.settle(RUN, Fate(standing=Standing.COMPLETED), (), at(2), lambda _: ())
    await store.starts.end(RUN, "rejected", at(2))
    reset = Fate(standing=Standing.RUNNING, reset=True)
    fates = ToldFates({RUN: reset}, begun={RUN.workflow_id: at(30)}, held={RUN: frozenset({entry.request_id})})

    done = await sweeper_of(store, fates, NINE + AN_HOUR).once()

    assert done is not None
    assert done.reopened_requests == 1
    assert [waiting.request_id for waiting in await store.inbox.waiting(10)] == [entry.request_id]


async def test_a_run_whose_deadline_passed_unnoticed_is_asked_what_it_holds(store: Store) -> None:
    await store.inbox.open(asked(2, opened_at=at(1), deadline=at(10)))
    fates = ToldFates(held={RUN: frozenset({"refund/A-17#1"})})

    await sweeper_of(store, fates, NINE + AN_HOUR).once()

    assert [entry.request_id for entry in await store.inbox.waiting(10)] == ["refund/A-17#1"]


async def test_operators_learn_of_effects_that_nobody_knows_and_whoever_asked_of_the_request(store: Store) -> None:
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(1))
    omar, ada = Signer("omar", ("operator",), mail="omar@example.com"), Signer("ada", mail="ada@example.com")
    authority = FixedAuthority(CedarRules.load(Settings().policy_folders()), roster_of(omar, ada))

    await sweeper_of(store, ended(Standing.TERMINATED), NINE + AN_HOUR, authority).once()

    notices = {row.notice.recipient: row.notice for row in await store.outbox.waiting(10)}
    assert set(notices) == {"omar", "ada"}
    assert notices["ada"].subject == "Interlock: approval request orphaned: refund/A-17#1"
    assert notices["omar"].subject == "Interlock: nobody knows what refund/A-17 left behind"
    assert "payments.issue_credit at 2026-11-20 09:01 UTC" in notices["omar"].body
    assert "40.00" not in notices["omar"].body


async def test_inside_the_block_it_sweeps_again_and_again_and_lets_others_have_the_lease(store: Store) -> None:
    fates, clock = ToldFates(), SetClock(NINE + AN_HOUR)
    authority = FixedAuthority(CedarRules.load(Settings().policy_folders()))
    sweeper = Sweeper(store, fates, authority, clock, Bounds(pace=timedelta(0)))

    async with sweeper.sweeping(timedelta(milliseconds=5)), asyncio.timeout(5):
        while len(fates.asked) < 3:
            await asyncio.sleep(0.005)

    assert await store.leases.take("sweeper", "another", NINE + 2 * AN_HOUR, NINE + AN_HOUR)

"""What runs leave unsettled: found in order, settled once, and told to auditors and operators."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

from activities.conversations import RunKey
from activities.ledger import LedgerState
from activities.notices import NoticeEvent, Route
from activities.orphans import Effect, Fate, Place, Standing
from activities.totals import Spending
from contracts.audit import AuditKind
from contracts.tools import EffectClass, Share
from tests.workers.store.samples import NINE, RUN, asked, at, claim, issued, lost, notice, started
from tests.workers.swept import disagreements, told
from workers.resources.store import Store, unsettled
from workers.resources.store.address import read_url
from workers.resources.store.database import Database

TERMINATED = Fate(standing=Standing.TERMINATED, temporal_run_id="run-1")
COMPLETED = Fate(standing=Standing.COMPLETED, temporal_run_id="run-1")


def tell_nobody(_: tuple[Effect, ...]) -> tuple[()]:
    """No notice."""
    return ()


def run_number(number: int) -> RunKey:
    """One of many runs."""
    return RunKey(workflow_id=f"refund/B-{number}", first_run_id=f"run-{number}")


async def register(store: Store, number: int, minutes: int) -> RunKey:
    """A run that somebody asked for then."""
    run = run_number(number)
    await store.starts.register(started(run, business_key=f"B-{number}"), at(minutes))
    return run


async def names(store: Store, after: Place | None = None, limit: int = 10) -> list[str]:
    """The unsettled runs, as they stood an hour past nine."""
    return [place.run.workflow_id for place in await store.orphans.page(after, at(60), limit)]


async def entered(store: Store, key: str, state: LedgerState, effect_class: EffectClass = EffectClass.KEYED) -> None:
    """An entry of the run in this state."""
    await store.ledger.claim(claim(key).model_copy(update={"effect_class": effect_class}), at(1))
    if state is LedgerState.CLAIMED:
        return
    await store.ledger.mark_sent(key, 0, "worker-1", at(2))
    if state is not LedgerState.SENT:
        outcome = lost() if state is LedgerState.UNKNOWN else issued(b"{}")
        await store.ledger.finish(key, 1, state, outcome, b"{}" if state is LedgerState.DONE else None, at(3))


async def states(store: Store, *keys: str) -> list[LedgerState]:
    """Where these entries stand."""
    entries = [await store.ledger.find(key) for key in keys]
    return [entry.state for entry in entries if entry is not None]


async def test_runs_without_an_ending_are_unsettled_the_oldest_first(store: Store) -> None:
    for number, minutes in ((1, 5), (2, 3), (3, 4), (4, 61)):
        await register(store, number, minutes)
    await store.starts.end(run_number(3), "refunded", at(10))

    assert await names(store) == ["refund/B-2", "refund/B-1"]


async def test_a_page_goes_on_after_the_last_run_of_the_one_before(store: Store) -> None:
    for number in range(1, 6):
        await register(store, number, minutes=number // 2)

    seen, after = [], None
    while page := await store.orphans.page(after, at(60), 2):
        seen += [place.run.workflow_id for place in page]
        after = page[-1]

    assert seen == [f"refund/B-{number}" for number in range(1, 6)]


async def test_a_run_with_an_ending_is_unsettled_while_it_asks_or_has_not_ended_a_call(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await store.starts.end(RUN, "refunded", at(9))
    assert await names(store) == []

    await store.inbox.open(asked(1, opened_at=at(1)))
    assert await names(store) == [RUN.workflow_id]

    await store.inbox.close(asked(1, opened_at=at(1)), "approved", "dana", at(2))
    await entered(store, "key-1", LedgerState.SENT)
    assert await names(store) == [RUN.workflow_id]

    await store.ledger.finish("key-1", 1, LedgerState.UNKNOWN, lost(), None, at(3))
    assert await names(store) == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (unsettled._UNENDED, "ix_starts_unended"),
        (unsettled._STILL_CLAIMING, "ix_ledger_unfinished"),
        (unsettled._LEFT, "ix_ledger_unfinished"),
        (unsettled._WITHOUT_VERDICT, "ix_ledger_unfinished"),
        (unsettled._REPORTED, "ix_audit_orphans"),
    ],
)
def test_what_is_settled_is_not_read_to_find_what_is_not(query: Select[Any], index: str, tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/store.db").close()
    values: dict[str, Any] = {"before": NINE, "after": NINE, "at_most": 10}
    values |= dict.fromkeys(("after_workflow", "after_first", "of_workflow_id", "of_first_run_id"), "")
    wanted = {name: values[name] for name in query.compile().params if name in values}
    statement = query.params(**wanted).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})

    with sqlite3.connect(tmp_path / "store.db") as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()

    assert index in str(plan)


async def test_what_is_left_of_a_run_is_told_with_when_it_changed_last(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await store.inbox.open(asked(1, opened_at=at(1)))
    await store.inbox.close(asked(1, opened_at=at(1)), "approved", "dana", at(4))
    await store.inbox.open(asked(2, opened_at=at(2)))

    before = await store.orphans.of(RUN)
    await entered(store, "key-1", LedgerState.CLAIMED)
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(7))
    after = await store.orphans.of(RUN)

    assert before is not None
    assert after is not None
    assert [entry.request_id for entry in before.open_requests] == ["refund/A-17#2"]
    assert (before.ending, before.changed_at, after.changed_at) == ("", at(4), at(7))
    assert await store.orphans.of(run_number(1)) is None


async def test_what_was_never_sent_is_abandoned_and_what_was_sent_stays_unknown(store: Store) -> None:
    await store.starts.register(started(), NINE)
    keys = {
        "claimed": LedgerState.CLAIMED,
        "sent": LedgerState.SENT,
        "unknown": LedgerState.UNKNOWN,
        "done": LedgerState.DONE,
    }
    for key, state in keys.items():
        await entered(store, key, state)
    await entered(store, "reading", LedgerState.SENT, EffectClass.READ)

    swept = await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)

    assert await states(store, *keys) == ["abandoned", "unknown", "unknown", "done"]
    assert await states(store, "reading") == ["abandoned"]
    assert swept.abandoned == ("claimed", "reading")
    assert [(effect.key, effect.sent_at) for effect in swept.without_verdict] == [("sent", at(2)), ("unknown", at(2))]
    assert disagreements(store) == []


async def test_nothing_is_sent_for_a_call_that_was_abandoned(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await entered(store, "key-1", LedgerState.CLAIMED)
    await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)

    entry = await store.ledger.find("key-1")

    assert await store.ledger.mark_sent("key-1", 0, "worker-2", at(31)) is None
    assert entry is not None
    assert entry.final
    assert entry.outcome is not None


async def test_what_is_sent_at_this_very_moment_is_not_abandoned(store: Store, store_url: str) -> None:
    await store.starts.register(started(), NINE)
    await entered(store, "key-1", LedgerState.CLAIMED)
    database = Database(read_url(store_url))
    row = database.read_now(
        lambda connection: connection.execute(unsettled._LEFT, unsettled._named(RUN)).mappings().one()
    )
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(2))

    settled = database.write_now(lambda connection: unsettled._settled(connection, row, at(30)))
    database.close()

    assert settled is None
    assert await states(store, "key-1") == ["sent"]


async def test_an_answer_that_comes_after_all_is_recorded(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await entered(store, "key-1", LedgerState.SENT)
    await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)
    [unanswered] = await store.orphans.orphans(10)

    assert await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(), b'{"credit":"C-1"}', at(31))
    [answered] = await store.orphans.orphans(10)

    assert [effect.key for effect in unanswered.without_verdict] == ["key-1"]
    assert answered.without_verdict == ()


async def test_what_was_reserved_is_given_back_where_nothing_was_sent(store: Store) -> None:
    await store.starts.register(started(), NINE)
    for key in ("claimed", "sent", "never-claimed"):
        spending = Spending(key=key, action_digest=claim(key).action_digest, run=RUN)
        await store.totals.reserve(spending, (Share(total="requester", of="rita", amount=100),), at(1))
    await entered(store, "claimed", LedgerState.CLAIMED)
    await entered(store, "sent", LedgerState.SENT)

    await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)

    new = Spending(key="new", action_digest=claim("new").action_digest, run=RUN)
    reached = await store.totals.peek(new, (Share(total="requester", of="rita", amount=1),))
    given_back = told(store, RUN, AuditKind.GIVEN_BACK)
    assert reached == {"requester": 101}
    assert sorted(str(record.facts["key"]) for record in given_back) == ["claimed", "never-claimed"]
    assert disagreements(store) == []


async def test_a_call_that_people_gave_up_after_it_was_sent_goes_on_counting(store: Store) -> None:
    await store.starts.register(started(), NINE)
    spending = Spending(key="sent", action_digest=claim("sent").action_digest, run=RUN)
    await store.totals.reserve(spending, (Share(total="requester", of="rita", amount=100),), at(1))
    await entered(store, "sent", LedgerState.ABANDONED)

    await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)

    new = Spending(key="new", action_digest=claim("new").action_digest, run=RUN)
    assert await store.totals.peek(new, (Share(total="requester", of="rita", amount=1),)) == {"requester": 101}
    assert told(store, RUN, AuditKind.GIVEN_BACK) == []


async def test_one_record_tells_what_was_settled_however_often_it_is_tried(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await entered(store, "key-1", LedgerState.CLAIMED)
    await store.orphans.settle(RUN, TERMINATED, ("refund/A-17#1",), at(30), tell_nobody)
    await store.orphans.settle(RUN, TERMINATED, (), at(31), tell_nobody, ended_by_itself=True)

    [record] = told(store, RUN, AuditKind.ORPHANED)

    assert record.facts == {
        "fate": "terminated",
        "temporal_run": "run-1",
        "ended_by_itself": False,
        "requests": ["refund/A-17#1"],
        "abandoned": ["key-1"],
        "unknown": [],
    }


async def test_operators_are_told_of_effects_that_nobody_knows_and_once(store_url: str) -> None:
    store = Store.open(store_url, (Route(channel="mail", personal=True),))
    await store.starts.register(started(), NINE)
    await entered(store, "key-1", LedgerState.SENT)
    seen: list[tuple[Effect, ...]] = []

    def tell(effects: tuple[Effect, ...]) -> tuple[object, ...]:
        seen.append(effects)
        return (notice(1, "omar", NoticeEvent.ORPHANED),)

    for minutes in (30, 31):
        await store.orphans.settle(RUN, TERMINATED, (), at(minutes), tell)  # type: ignore[arg-type]
    waiting = await store.outbox.waiting(10)
    store.close()

    assert [[effect.key for effect in effects] for effects in seen] == [["key-1"], ["key-1"]]
    assert [row.notice.recipient for row in waiting] == ["omar"]


async def test_a_run_that_ended_as_it_should_is_not_reported_for_what_it_left_open(store: Store) -> None:
    await store.starts.register(started(), NINE)
    await store.starts.end(RUN, "cancelled", at(9))
    await entered(store, "key-1", LedgerState.CLAIMED)
    await store.orphans.settle(RUN, COMPLETED, (), at(30), tell_nobody, ended_by_itself=True)

    assert await states(store, "key-1") == ["abandoned"]
    assert await store.orphans.orphans(10) == ()


async def test_a_run_with_effects_that_nobody_knows_is_reported_first_and_until_it_is_acknowledged(
    store: Store,
) -> None:
    await store.starts.register(started(), NINE)
    other = await register(store, 1, 1)
    await entered(store, "key-1", LedgerState.SENT)
    await store.orphans.settle(RUN, TERMINATED, (), at(30), tell_nobody)
    await store.orphans.settle(other, TERMINATED, (), at(31), tell_nobody)

    both = await store.orphans.orphans(10)
    acknowledged = await store.orphans.acknowledge(RUN.workflow_id, "omar", "sha256:why", at(40))
    again = await store.orphans.acknowledge(RUN.workflow_id, "omar", "sha256:why", at(41))
    left = await store.orphans.orphans(10)
    [record] = told(store, RUN, AuditKind.ACKNOWLEDGED)

    assert [orphan.workflow_id for orphan in both] == [RUN.workflow_id, other.workflow_id]
    assert (acknowledged, again) == (1, 0)
    assert [orphan.workflow_id for orphan in left] == [other.workflow_id]
    assert (record.who, record.facts) == ("omar", {"note": "sha256:why"})
    assert await states(store, "key-1") == ["unknown"]


async def test_a_request_that_is_reopened_is_asked_again_and_auditors_know(store: Store) -> None:
    await store.starts.register(started(), NINE)
    entry = asked(1, opened_at=at(1))
    await store.inbox.open(entry)
    await store.inbox.close(entry, "rejected", "dana", at(2))
    closed = await store.inbox.find(entry.request_id)
    assert closed is not None

    for minutes in (3, 4):
        await store.orphans.reopen(closed, at(minutes))
    [waiting] = await store.inbox.waiting(10)

    assert waiting == entry
    assert [record.facts for record in told(store, RUN, AuditKind.REQUEST_REOPENED)] == [{"was": "rejected"}]
    assert disagreements(store) == []


async def test_one_of_any_number_of_workers_holds_a_lease(store: Store) -> None:
    assert await store.leases.take("sweeper", "one", at(3), at(0))
    assert not await store.leases.take("sweeper", "two", at(4), at(1))
    assert await store.leases.take("sweeper", "one", at(5), at(2))
    assert not await store.leases.take("sweeper", "two", at(7), at(4))
    assert await store.leases.take("another", "two", at(7), at(4))
    assert await store.leases.take("sweeper", "two", at(8), at(5))
    assert not await store.leases.take("sweeper", "one", at(9), at(6))


async def test_a_lease_that_is_given_back_is_free_at_once(store: Store) -> None:
    await store.leases.take("sweeper", "one", at(30), at(0))
    await store.leases.give_back("sweeper", "two", at(1))
    assert not await store.leases.take("sweeper", "two", at(30), at(1))

    await store.leases.give_back("sweeper", "one", at(2))
    assert await store.leases.take("sweeper", "two", at(30), at(2))

"""The audit chain: every change of the store is told in its own transaction, in one line without a gap or a fork."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import Connection

from activities.conversations import RunKey
from activities.inbox import CaseTaken
from activities.ledger import LedgerState
from contracts.audit import GENESIS, GOVERNANCE, AuditKind, AuditRecord, ChainLink, stream_of
from contracts.canonical import digest
from contracts.tools import EffectClass
from tests.workers.store.audited import call, ruling
from tests.workers.store.rival import APPENDS
from tests.workers.store.samples import NINE, RUN, asked, at, claim, issued, lost, started
from tests.workers.store.test_rivals import RIVALS, race
from workers.resources.audit import rows
from workers.resources.audit.links import LinkCheck
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.audit import append
from workers.resources.store.database import Database


def told(store: Store, run: RunKey = RUN) -> list[AuditRecord]:
    """What the chain tells of a run."""
    links = store.at_one_moment(lambda connection: list(rows.records_of_run(connection, run.workflow_id)))
    return [AuditRecord.model_validate_json(link.payload) for link in links]


def kinds(store: Store) -> list[str]:
    """The kinds of what is told of the run, in order."""
    return [record.kind.value for record in told(store)]


def whole(store: Store) -> Counter[str]:
    """The length of every stream, once all are known to be without a fault."""
    check = LinkCheck(SignedHeads())

    def walk(connection: Connection) -> Counter[str]:
        lengths: Counter[str] = Counter()
        for link, repeated in rows.links(connection):
            check.take(link, repeated)
            lengths[link.stream] += 1
        check.finish(rows.heads(connection))
        return lengths

    lengths = store.at_one_moment(walk)
    assert (check.precise, check.between) == ([], [])
    return lengths


def note(about: str, workflow_id: str = RUN.workflow_id, **more: Any) -> AuditRecord:
    """Something that happened."""
    return AuditRecord(kind=AuditKind.COMMAND, at=NINE, workflow_id=workflow_id, about=about, **more)


async def test_the_first_link_follows_nothing_and_each_other_one_the_link_before(store: Store) -> None:
    await store.audit.append(note("one"), note("two"))

    first, second = store.at_one_moment(lambda connection: list(rows.records_of_run(connection, RUN.workflow_id)))

    assert (first.seq, first.previous) == (1, GENESIS)
    assert (second.seq, second.previous) == (2, first.hash)
    assert first.hash == ChainLink.hash_of(stream_of(RUN.workflow_id), 1, GENESIS, first.payload)
    assert json.loads(first.payload)["about"] == "one"


async def test_what_concerns_no_run_stands_in_a_stream_of_its_own(store: Store) -> None:
    await store.audit.append(note("run"), note("rules", workflow_id=""))

    assert whole(store) == {stream_of(RUN.workflow_id): 1, GOVERNANCE: 1}


async def test_what_may_be_told_once_is_told_once_per_run_and_kind(store: Store) -> None:
    once = note("entered", once="1")
    for record in (once, once.model_copy(update={"about": "again"})):
        await store.audit.append(record)
    other_run = once.model_copy(update={"first_run_id": "run-2"})
    other_kind = once.model_copy(update={"kind": AuditKind.STATE_ENTERED})
    await store.audit.append(other_run, other_kind, once)

    assert [(record.first_run_id, record.kind.value) for record in told(store)] == [
        ("", "command"),
        ("run-2", "command"),
        ("", "state_entered"),
    ]
    assert whole(store).total() == 3


async def test_what_was_told_in_a_transaction_that_failed_was_never_told(store: Store, store_url: str) -> None:
    database = Database(read_url(store_url))

    def work(connection: Connection) -> None:
        append(connection, note("one"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write_now(work)
    database.close()

    await store.audit.append(note("two"))
    assert [record.about for record in told(store)] == ["two"]
    assert whole(store).total() == 1


async def test_eight_workers_append_to_one_stream_without_a_gap_or_a_fork(store_url: str) -> None:
    with ExitStack() as opened:
        rivals = [opened.enter_context(closing(Store.open(store_url))) for _ in range(8)]
        await asyncio.gather(
            *(rival.audit.append(note(f"{me}.{n}")) for me, rival in enumerate(rivals) for n in range(10))
        )

        assert whole(rivals[0]).total() == 80
        assert len({record.about for record in told(rivals[0])}) == 80


async def test_workers_that_append_to_several_streams_at_once_never_wait_for_each_other_in_a_ring(
    store_url: str,
) -> None:
    names = [f"run/{number}" for number in range(12)]
    with ExitStack() as opened:
        rivals = [opened.enter_context(closing(Store.open(store_url))) for _ in range(4)]
        batches = [[note("x", name) for name in _turned(names, by)] for by in range(8)]
        appending = (rivals[number % 4].audit.append(*batch) for number, batch in enumerate(batches))
        await asyncio.wait_for(asyncio.gather(*appending), 30)

        assert whole(rivals[0]).total() == 96


async def test_six_processes_append_without_a_gap_or_a_fork(store: Store, store_url: str) -> None:
    assert race("append", store_url).total() == RIVALS

    assert whole(store).total() == RIVALS * APPENDS
    assert len({record.about for record in told(store)}) == RIVALS * APPENDS


async def test_of_six_processes_that_tell_the_same_once_one_does(store: Store, store_url: str) -> None:
    race("append_once", store_url)

    assert whole(store).total() == 1


async def test_an_effect_is_told_as_claimed_sent_and_answered_and_only_by_name(store: Store) -> None:
    content = b'{"credit":"C-1"}'
    wanted = claim().model_copy(
        update={
            "requester": "ada",
            "policy_digest": digest(b"rules"),
            "rule_ids": ("large",),
            "roster_digest": digest(b"roster"),
            "evidence": ("n-1", "n-2"),
            "credential": "env:PAYMENTS",
        }
    )
    await store.ledger.claim(wanted, at(0))
    await store.ledger.claim(wanted, at(1))
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(2))
    assert await store.ledger.mark_sent("key-1", 0, "worker-2", at(3)) is None
    await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(content), content, at(4))
    await store.ledger.finish("key-1", 1, LedgerState.DONE, issued(content), content, at(5))

    claimed, sent, outcome = told(store)

    assert [record.kind.value for record in (claimed, sent, outcome)] == ["claimed", "sent", "outcome"]
    assert {record.about for record in (claimed, sent, outcome)} == {wanted.action_digest}
    assert claimed.who == "ada"
    assert claimed.facts["rules"] == ["large"]
    assert (claimed.facts["policy"], claimed.facts["roster"]) == (digest(b"rules"), digest(b"roster"))
    assert (claimed.facts["evidence"], claimed.facts["credential"]) == (["n-1", "n-2"], "env:PAYMENTS")
    assert (sent.facts["owner"], sent.facts["generation"], sent.at) == ("worker-1", 1, at(2))
    assert (outcome.facts["state"], outcome.facts["result"]) == ("done", digest(content))
    assert "40.00" not in str([claimed, sent, outcome])
    assert "C-1" not in str([claimed, sent, outcome])


async def test_a_send_that_reached_nobody_and_an_unknown_outcome_are_told(store: Store) -> None:
    await call(store, 8)
    await call(store, 9)

    assert kinds(store) == [
        *("claimed", "sent", "released"),
        *("claimed", "sent", "outcome", "sent", "released"),
    ]
    states = [record.facts["state"] for record in told(store)]
    assert states == ["claimed", "sent", "claimed", "claimed", "sent", "unknown", "sent", "unknown"]


async def test_reading_is_told_by_its_outcome_alone(store: Store) -> None:
    await store.ledger.claim(claim().model_copy(update={"effect_class": EffectClass.READ}), at(0))
    await store.ledger.mark_sent("key-1", 0, "worker-1", at(1))
    await store.ledger.release("key-1", 1, at(2))
    await store.ledger.mark_sent("key-1", 1, "worker-1", at(3))
    assert kinds(store) == []

    await store.ledger.finish("key-1", 2, LedgerState.DONE, issued(), b'{"credit":"C-1"}', at(4))

    assert kinds(store) == ["outcome"]


async def test_an_outcome_that_was_not_written_is_not_told(store: Store) -> None:
    await call(store, 9)
    before = kinds(store)

    assert not await store.ledger.finish("key-9", 1, LedgerState.DONE, lost(), None, at(9))

    assert kinds(store) == before


async def test_a_run_is_told_when_it_starts_and_each_time_it_ends_otherwise(store: Store) -> None:
    await store.starts.register(started(), at(0))
    await store.starts.register(started(), at(1))
    with pytest.raises(CaseTaken):
        await store.starts.register(started(RunKey(workflow_id="refund/B", first_run_id="run-2")), at(1))
    for ending in ("refunded", "refunded", "declined", "refunded"):
        await store.starts.end(RUN, ending, at(2))

    assert kinds(store) == ["run_started", "run_ended", "run_ended", "run_ended"]
    first = told(store)[0]
    assert (first.who, first.facts["input"]) == ("ada", started().start.input_digest)
    assert "A-17" not in str(first.facts)
    assert whole(store).total() == 4


async def test_a_request_is_told_when_it_opens_and_when_it_closes(store: Store) -> None:
    for _ in range(2):
        await store.inbox.open(asked(1))
    for _ in range(2):
        await store.inbox.close(asked(1), "approved", "dana", at(1))

    opened, closed = told(store)
    assert (opened.kind, opened.about) == (AuditKind.REQUEST_OPENED, "refund/A-17#1")
    assert (closed.kind, closed.who, closed.facts["outcome"]) == (AuditKind.REQUEST_CLOSED, "dana", "approved")


async def test_records_of_another_run_are_not_told_of_this_one(store: Store) -> None:
    await store.audit.append(ruling("x"))

    assert told(store) == []


def _turned(names: Sequence[str], by: int) -> list[str]:
    return [*names[by:], *names[:by]]


async def test_the_newest_record_is_that_of_the_latest_moment_whatever_stream_it_stands_in(store: Store) -> None:
    assert store.audit.newest_now() is None

    await store.audit.append(note("first").model_copy(update={"at": at(9)}))
    await store.audit.append(note("later", workflow_id="").model_copy(update={"at": at(7)}))

    assert store.audit.newest_now() == at(9)

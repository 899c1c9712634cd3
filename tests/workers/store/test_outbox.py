"""The outbox: entered once, leased to one sender at a time, sent for good or given up in the open."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select

from activities.notices import Notice, NoticeEvent, NoticeRow, NoticeState, Route
from contracts.audit import AuditKind
from tests.workers.store.samples import NINE, asked, at, notice
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database, insert_new
from workers.resources.store.outbox import put_notices
from workers.resources.store.schema import AUDIT, REQUESTS

MAIL = Route(channel="mail", personal=True)
CHAT = Route(channel="chat", personal=False)
PAGER = Route(channel="pager", personal=False, events=(NoticeEvent.BREAK_GLASS,))
ROUTES = (MAIL, CHAT, PAGER)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store, from which notices leave by mail, to a chat, and to a pager."""
    opened = Store.open(store_url, ROUTES)
    yield opened
    opened.close()


@pytest.fixture
def database(store: Store, store_url: str) -> Iterator[Database]:
    """The same, at statement level."""
    opened = Database(read_url(store_url))
    yield opened
    opened.close()


async def leased(store: Store, minute: int = 0, owner: str = "me", channel: str = "mail") -> tuple[NoticeRow, ...]:
    """What is due at that minute, for five minutes."""
    return await store.outbox.lease(channel, owner, at(minute + 5), at(minute), 10)


async def told(database: Database) -> list[dict[str, object]]:
    """The audit chain, in order."""

    def payloads(connection: Connection) -> list[str]:
        return list(connection.scalars(select(AUDIT.c.payload).order_by(AUDIT.c.stream, AUDIT.c.seq)))

    return [json.loads(payload) for payload in await database.read(payloads)]


async def test_a_notice_goes_to_the_channels_that_take_it(store: Store) -> None:
    nobody = notice(2, recipient="")
    alarm = notice(3, recipient="", event=NoticeEvent.BREAK_GLASS)
    await store.outbox.put((notice(1), nobody, alarm), NINE)

    found = [(row.notice, row.channel) for row in await store.outbox.waiting(10)]
    assert found == [(notice(1), "mail"), (nobody, "chat"), (alarm, "chat"), (alarm, "pager")]


async def test_entering_a_notice_again_changes_nothing_whatever_became_of_it(store: Store) -> None:
    await store.outbox.put((notice(1),), NINE)
    await store.outbox.put((notice(1),), at(1))
    (row,) = await leased(store)
    await store.outbox.sent(row, at(1))

    await store.outbox.put((notice(1),), at(2))

    assert await store.outbox.waiting(10) == () and await leased(store, 60) == ()


async def test_notices_are_entered_with_what_they_tell_of_or_not_at_all(store: Store, database: Database) -> None:
    row = {"request_id": "r", "first_run_id": "f", "workflow_id": "w", "entry": asked(1), "opened_at": NINE}

    def work(connection: Connection) -> None:
        insert_new(connection, REQUESTS, row)
        put_notices(connection, (notice(1),), ROUTES, NINE)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await database.write(work)
    assert await store.outbox.waiting(10) == ()


async def test_what_is_leased_is_nobody_elses_until_the_lease_is_over(store: Store) -> None:
    await store.outbox.put((notice(1),), NINE)

    (row,) = await leased(store)
    assert (row.notice, row.channel, row.state, row.attempts) == (notice(1), "mail", NoticeState.WAITING, 1)
    assert await leased(store, 4, "other") == ()

    (taken_over,) = await leased(store, 5, "other")
    assert taken_over.attempts == 2


async def test_a_lease_takes_what_is_due_of_its_channel_the_longest_due_first_and_no_more_than_asked(
    store: Store,
) -> None:
    await store.outbox.put((notice(1),), at(3))
    await store.outbox.put((notice(2), notice(4, recipient="")), at(1))
    await store.outbox.put((notice(3),), at(9))

    assert await leased(store, 0) == ()
    both = await store.outbox.lease("mail", "me", at(9), at(8), 10)
    assert sorted(row.notice.id for row in both) == ["n-1", "n-2"]
    (first,) = await store.outbox.lease("mail", "me", at(30), at(20), 1)
    assert first.notice.id == "n-2"


async def test_what_failed_is_due_again_at_the_moment_that_was_named(store: Store) -> None:
    await store.outbox.put((notice(1),), NINE)
    (row,) = await leased(store)

    assert await store.outbox.failed(row, "me", at(2), "no answer")

    assert await leased(store, 1) == ()
    (waiting,) = await store.outbox.waiting(10)
    assert (waiting.last_problem, waiting.next_at, waiting.entered_at) == ("no answer", at(2), NINE)
    (again,) = await leased(store, 2)
    assert again.attempts == 2


async def test_whoever_lost_the_lease_changes_nothing_but_what_was_sent_is_sent(
    store: Store, database: Database
) -> None:
    await store.outbox.put((notice(1),), NINE)
    (slow,) = await leased(store, 0, "slow")
    (row,) = await leased(store, 5, "other")

    assert not await store.outbox.failed(slow, "slow", at(99), "late")
    assert not await store.outbox.give_up(slow, "slow", at(6), "late")
    assert not await store.outbox.failed(slow, "other", at(99), "an attempt before this one")
    assert await told(database) == []

    await store.outbox.sent(slow, at(6))
    assert not await store.outbox.failed(row, "other", at(7), "refused as a double")
    assert await leased(store, 60) == ()


async def test_an_undeliverable_notice_is_in_the_audit_chain_by_names_of_ours_alone(
    store: Store, database: Database
) -> None:
    await store.outbox.put((notice(1), notice(2, "grace")), NINE)
    first, second = await leased(store)
    assert await store.outbox.give_up(first, "me", at(1), "550 no such person as fiona@example.com")
    assert await store.outbox.give_up(second, "me", at(2), "550")

    rows = await store.outbox.undeliverable(10)
    assert [row.notice.recipient for row in rows] == ["grace", "fiona"]
    assert rows[1].last_problem.startswith("550 no such")
    assert await store.outbox.undeliverable_since(at(2)) == 1
    assert await leased(store, 60) == ()
    record, _ = await told(database)
    assert record["kind"] == AuditKind.NOTICE_FAILED.value
    assert (record["workflow_id"], record["about"]) == ("refund/A-17", "refund/A-17#1")
    assert "example.com" not in json.dumps(record) and "550" not in json.dumps(record)


async def test_sent_anew_by_an_operator_it_has_all_its_attempts_again_and_the_audit_chain_says_who_asked(
    store: Store, database: Database
) -> None:
    await store.outbox.put((notice(1),), NINE)
    (row,) = await leased(store)
    await store.outbox.give_up(row, "me", at(1), "550")

    assert await store.outbox.again("n-1", "grace", at(90)) == 1

    (again,) = await leased(store, 90)
    assert (again.attempts, again.entered_at) == (1, at(90))
    commands = [record for record in await told(database) if record["kind"] == AuditKind.COMMAND.value]
    assert [(record["who"], record["about"]) for record in commands] == [("grace", "n-1")]


async def test_what_was_sent_or_never_entered_is_not_sent_anew(store: Store, database: Database) -> None:
    await store.outbox.put((notice(1),), NINE)
    (row,) = await leased(store)
    await store.outbox.sent(row, at(1))

    assert await store.outbox.again("n-1", "grace", at(2)) == 0
    assert await store.outbox.again("n-9", "grace", at(2)) == 0
    assert await told(database) == []


async def test_any_text_can_be_told(store: Store) -> None:
    strange = Notice.model_validate(notice(1).model_dump() | {"body": "a\x00b\ud800\u202e"})
    await store.outbox.put((strange,), NINE)
    (row,) = await leased(store)
    assert row.notice == strange


async def test_whoever_was_sending_when_it_was_sent_anew_has_lost_the_lease(store: Store) -> None:
    await store.outbox.put((notice(1),), NINE)
    (slow,) = await leased(store, 0, "slow")
    await store.outbox.again("n-1", "grace", at(1))
    (row,) = await leased(store, 1, "other")
    assert row.attempts == slow.attempts

    assert not await store.outbox.failed(slow, "slow", at(99), "late")
    assert await store.outbox.failed(row, "other", at(2), "no answer")

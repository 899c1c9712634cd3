"""The audit chain as it is written: each record after the one before, once where it must be, or nothing is done."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from activities.ledger import LedgerState
from contracts.audit import GENESIS, AuditKind, AuditRecord, ChainLink
from tests.workers.store.samples import NINE, RUN, at, claim, issued
from tests.workers.store.test_taints import audited
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.schema import AUDIT

KEY = claim().key
Move = Callable[[Store], Awaitable[Any]]


def ruling(once: str = "", run: str = RUN.workflow_id, minutes: int = 0) -> AuditRecord:
    """Policy has ruled."""
    return AuditRecord(kind=AuditKind.RULING, at=at(minutes), workflow_id=run, first_run_id=RUN.first_run_id, once=once)


async def test_every_record_follows_the_one_before_it(store: Store, store_url: str) -> None:
    for minutes in range(4):
        await store.audit.append(ruling(minutes=minutes))

    database = Database(read_url(store_url))
    rows = database.read_now(lambda connection: connection.execute(select(AUDIT).order_by(AUDIT.c.seq)).all())
    database.close()
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert [row.previous for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]
    assert store.audit.heads_now()[ruling().stream].hash == rows[-1].hash


async def test_what_is_to_stand_once_stands_once_however_often_it_is_told(store: Store, store_url: str) -> None:
    for _ in range(3):
        await store.audit.append(ruling("first"), ruling("second"), ruling())
    await store.audit.append(ruling("first", run="refund/A-18"))

    named = [(record.workflow_id, record.once) for record in audited(store_url) if record.once]
    assert sorted(named) == [(RUN.workflow_id, "first"), (RUN.workflow_id, "second"), ("refund/A-18", "first")]


async def claims(store: Store) -> Any:
    """Enter a claim."""
    await store.ledger.claim(claim(), NINE)


async def sends(store: Store) -> Any:
    """Send it."""
    await store.ledger.mark_sent(KEY, 0, "a worker", at(1))


async def answers(store: Store) -> Any:
    """Record that it is done."""
    await store.ledger.finish(KEY, 1, LedgerState.DONE, issued(), None, at(2))


async def takes_back(store: Store) -> Any:
    """Record that it reached nobody."""
    await store.ledger.release(KEY, 1, at(2))


@pytest.mark.parametrize(
    ("before", "move", "kind"),
    [
        pytest.param((), claims, AuditKind.CLAIMED, id="a claim"),
        pytest.param((claims,), sends, AuditKind.SENT, id="a send"),
        pytest.param((claims, sends), answers, AuditKind.OUTCOME, id="an outcome"),
        pytest.param((claims, sends), takes_back, AuditKind.RELEASED, id="a release"),
    ],
)
async def test_every_move_of_the_ledger_is_told_and_none_without(
    store: Store, store_url: str, before: tuple[Move, ...], move: Move, kind: AuditKind
) -> None:
    for earlier in before:
        await earlier(store)
    standing = await store.ledger.find(KEY)
    _take_the_next_place(store_url, len(before) + 1)
    with pytest.raises(Exception, match="audit"):
        await move(store)
    assert await store.ledger.find(KEY) == standing, "what auditors cannot be told of is not done"

    _clear_the_place(store_url)
    await move(store)
    told = [record.kind for record in audited(store_url)]
    assert (len(told), told[-1]) == (len(before) + 1, kind)


def _take_the_next_place(url: str, seq: int) -> None:
    link = ChainLink(stream=ruling().stream, seq=seq, previous="-", payload="{}", hash="-")
    row = link.model_dump() | {"workflow_id": "", "first_run_id": "", "kind": "", "once": None}
    database = Database(read_url(url))
    database.write_now(lambda connection: connection.execute(AUDIT.insert(), row))
    database.close()


def _clear_the_place(url: str) -> None:
    database = Database(read_url(url))
    database.write_now(lambda connection: connection.execute(AUDIT.delete().where(AUDIT.c.hash == "-")))
    database.close()

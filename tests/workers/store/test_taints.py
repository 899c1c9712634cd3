"""What runs have read: it stays, and auditors are told of it once, in the same transaction."""

import asyncio

import pytest
from sqlalchemy import select

from activities.conversations import RunKey
from contracts.audit import AuditKind, AuditRecord, ChainLink
from contracts.canonical import parse_json
from contracts.tools import Taint
from tests.workers.store.samples import RUN, at
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.schema import AUDIT

OTHER_RUN = RunKey(workflow_id=RUN.workflow_id, first_run_id="run-2")


def audited(url: str) -> list[AuditRecord]:
    """What auditors are told, in order."""
    database = Database(read_url(url))
    query = select(AUDIT.c.payload).order_by(AUDIT.c.stream, AUDIT.c.seq)
    payloads = database.read_now(lambda connection: connection.scalars(query).all())
    database.close()
    return [AuditRecord.model_validate(parse_json(payload)) for payload in payloads]


async def test_a_run_that_has_read_nothing_is_untainted(store: Store) -> None:
    assert await store.taints.of(RUN) == frozenset()


async def test_what_a_run_has_read_stays_and_is_its_own(store: Store) -> None:
    assert await store.taints.add(RUN, (Taint.PRIVATE,), "crm.find_customer", at(0))
    assert await store.taints.add(RUN, (Taint.UNTRUSTED,), "crm.read_complaint", at(1))

    assert await store.taints.of(RUN) == {Taint.PRIVATE, Taint.UNTRUSTED}
    assert await store.taints.of(OTHER_RUN) == frozenset()


async def test_reading_the_like_again_is_not_new(store: Store) -> None:
    assert await store.taints.add(RUN, (Taint.PRIVATE,), "crm.find_customer", at(0))

    assert not await store.taints.add(RUN, (Taint.PRIVATE,), "orders.find_order", at(1))
    assert await store.taints.add(RUN, (Taint.PRIVATE, Taint.UNTRUSTED), "crm.read_complaint", at(2))


async def test_a_read_that_taints_nothing_is_not_new(store: Store) -> None:
    assert not await store.taints.add(RUN, (), "orders.status", at(0))


async def test_auditors_are_told_of_each_taint_once_with_the_tool_that_brought_it(store: Store, store_url: str) -> None:
    await store.taints.add(RUN, (Taint.PRIVATE,), "crm.find_customer", at(0))
    await store.taints.add(RUN, (Taint.UNTRUSTED, Taint.PRIVATE, Taint.UNTRUSTED), "crm.read_complaint", at(1))

    assert audited(store_url) == [
        AuditRecord(
            kind=AuditKind.TAINTED,
            at=at(minutes),
            workflow_id=RUN.workflow_id,
            first_run_id=RUN.first_run_id,
            about=tool,
            facts={"taint": taint},
        )
        for minutes, tool, taint in ((0, "crm.find_customer", "private"), (1, "crm.read_complaint", "untrusted"))
    ]


async def test_a_taint_that_auditors_cannot_be_told_of_is_not_kept(store: Store, store_url: str) -> None:
    await store.taints.add(RUN, (Taint.PRIVATE,), "crm.find_customer", at(0))
    stream = AuditRecord(kind=AuditKind.TAINTED, at=at(0), workflow_id=RUN.workflow_id).stream
    link = ChainLink(stream=stream, seq=2, previous="-", payload="{}", hash="-")
    row = link.model_dump() | {"workflow_id": "", "first_run_id": "", "kind": "", "once": None}
    database = Database(read_url(store_url))
    database.write_now(lambda connection: connection.execute(AUDIT.insert(), row))  # takes the place of the next
    database.close()

    with pytest.raises(Exception, match="audit"):
        await store.taints.add(RUN, (Taint.UNTRUSTED,), "crm.read_complaint", at(1))

    assert await store.taints.of(RUN) == {Taint.PRIVATE}


async def test_of_concurrent_reads_that_taint_alike_one_is_new(store: Store, store_url: str) -> None:
    orders = ((Taint.PRIVATE, Taint.UNTRUSTED), (Taint.UNTRUSTED, Taint.PRIVATE))
    for n in range(20):
        run = RunKey(workflow_id=RUN.workflow_id, first_run_id=f"run-{n}")
        adding = (store.taints.add(run, orders[k % 2], "crm.read_complaint", at(0)) for k in range(8))
        assert sorted(await asyncio.wait_for(asyncio.gather(*adding), 30)) == [False] * 7 + [True]

    assert len(audited(store_url)) == 40

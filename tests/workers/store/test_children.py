"""Child runs in the store: an entry makes one child, taint and spending pass between it and what is around it."""

import asyncio

import pytest
from sqlalchemy import Connection, select, update

from activities.children import ChildEntry, NoChild
from activities.conversations import Delta, RunKey
from activities.inbox import CaseTaken, NameUsed, StartRecord
from contracts.audit import AuditKind
from contracts.budgets import Amounts, Spender
from contracts.canonical import digest
from contracts.claude import Usage
from contracts.runs import Ancestor, StartStatement
from contracts.tools import Taint
from tests.workers.store.kept import erasure, verified
from tests.workers.store.samples import NINE, answered, at
from tests.workers.store.test_taints import audited
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.schema import CHILDREN

CLAIM = RunKey(workflow_id="claim/C-1", first_run_id="claim-1")
REFUND = RunKey(workflow_id="refund/A-18~1", first_run_id="refund-1")
LETTER = RunKey(workflow_id="letter/L-1~1", first_run_id="letter-1")


def record(run: RunKey, *inside: Ancestor, **changes: object) -> StartRecord:
    """Rita asks, for the outermost of these runs."""
    automation = run.workflow_id.partition("/")[0]
    start = StartStatement(
        requester="rita",
        automation=automation,
        business_key=run.workflow_id,
        input_digest=digest({}),
        issued_at=NINE,
        workflow_id=run.workflow_id,
        inside=inside,
    )
    return StartRecord(run=run, start=start.model_copy(update=changes), request={})


def around(*runs: RunKey) -> tuple[Ancestor, ...]:
    """As a child names them."""
    return tuple(Ancestor(**run.model_dump(), automation=run.workflow_id.partition("/")[0]) for run in runs)


def entry(run: RunKey, *inside: RunKey) -> ChildEntry:
    """As the innermost of these runs enters its child."""
    return ChildEntry(start=record(run, *around(*inside)).start, step="credit", occurrence="1")


async def a_family(store: Store) -> None:
    """A claim, a refund inside it, and a letter inside that."""
    await store.starts.register(record(CLAIM), at(0))
    for number, (child, inside) in enumerate(((REFUND, (CLAIM,)), (LETTER, (CLAIM, REFUND))), start=1):
        await store.children.enter(entry(child, *inside), at(number))
        await store.starts.register(record(child, *around(*inside)), at(number))


async def test_a_child_is_entered_once_and_auditors_are_told(store: Store, store_url: str) -> None:
    await store.starts.register(record(CLAIM), at(0))
    later = entry(REFUND, CLAIM).model_copy(update={"step": "another"})
    first, second = entry(REFUND, CLAIM), await store.children.enter(entry(REFUND, CLAIM), at(1))
    third, found = await store.children.enter(later, at(2)), await store.children.find(REFUND.workflow_id)

    assert first == second == third == found
    assert await store.children.find(LETTER.workflow_id) is None
    told = [each for each in audited(store_url) if each.kind is AuditKind.CHILD_ENTERED]
    assert [(each.workflow_id, each.about, each.facts["step"]) for each in told] == [
        (CLAIM.workflow_id, REFUND.workflow_id, "credit")
    ]


async def test_an_entry_makes_one_child(store: Store) -> None:
    await a_family(store)
    second = RunKey(workflow_id=REFUND.workflow_id, first_run_id="refund-2")
    for problem, again in ((CaseTaken, ""), (NameUsed, "once more")):
        with pytest.raises(problem):
            await store.starts.register(record(second, *around(CLAIM), again=again), at(5))

    found = await store.children.find(REFUND.workflow_id)
    assert found is not None
    assert found.first_run_id == REFUND.first_run_id
    assert await store.starts.find(second) is None
    assert (await store.starts.register(record(REFUND, *around(CLAIM)), at(6))).run == REFUND, "a retry is no second"


async def test_of_rivals_one_becomes_the_child(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.children.enter(entry(REFUND, CLAIM), at(1))
    runs = [RunKey(workflow_id=REFUND.workflow_id, first_run_id=f"refund-{number}") for number in range(6)]
    tries = (store.starts.register(record(run, *around(CLAIM)), at(2)) for run in runs)
    outcomes = await asyncio.wait_for(asyncio.gather(*tries, return_exceptions=True), 30)

    registered = [each.run for each in outcomes if isinstance(each, StartRecord)]
    found = await store.children.find(REFUND.workflow_id)
    assert found is not None
    assert [run.first_run_id for run in registered] == [found.first_run_id]


@pytest.mark.parametrize(
    "changes", [{"requester": "erik"}, {"on_behalf_of": ("erik",)}, {"input_digest": digest({"more": 1})}]
)
async def test_a_child_is_exactly_as_it_was_entered(store: Store, changes: dict[str, object]) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.children.enter(entry(REFUND, CLAIM), at(1))
    with pytest.raises(NoChild, match="no run has entered this one as its child as it stands"):
        await store.starts.register(record(REFUND, *around(CLAIM), **changes), at(2))
    assert await store.starts.find(REFUND) is None
    assert not (await store.starts.look_up("refund", REFUND.workflow_id, {})).exists


async def test_a_parent_that_has_ended_or_was_erased_since_has_no_more_children(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.children.enter(entry(REFUND, CLAIM), at(1))
    await store.starts.end(CLAIM, "terminated", at(2))
    with pytest.raises(NoChild, match=r"claim/C-1, whose child this was to be, has ended since \(terminated\)"):
        await store.starts.register(record(REFUND, *around(CLAIM)), at(3))
    await store.erasing.erase(await erasure(store, CLAIM, subject="rita"), (CLAIM,), at(4))
    with pytest.raises(NoChild):
        await store.starts.register(record(REFUND, *around(CLAIM)), at(5))


async def test_a_parent_that_was_reset_after_its_ending_goes_on_to_a_child_that_it_enters_then(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.starts.end(CLAIM, "terminated", at(1))
    await store.children.enter(entry(REFUND, CLAIM), at(2))
    assert (await store.starts.register(record(REFUND, *around(CLAIM)), at(3))).run == REFUND


async def test_taint_passes_down_when_a_child_begins_and_up_before_it_reads(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    await store.taints.add(CLAIM, (Taint.UNTRUSTED,), "crm.read_complaint", at(1))
    for child, inside in ((REFUND, (CLAIM,)), (LETTER, (CLAIM, REFUND))):
        await store.children.enter(entry(child, *inside), at(2))
        await store.starts.register(record(child, *around(*inside)), at(2))
    begun = [await store.taints.of(run) for run in (REFUND, LETTER)]
    assert await store.taints.add(LETTER, (Taint.PRIVATE, Taint.UNTRUSTED), "orders.find_order", at(3))
    assert not await store.taints.add(LETTER, (Taint.PRIVATE,), "orders.find_order", at(4))

    assert begun == [{Taint.UNTRUSTED}] * 2
    for run in (LETTER, REFUND, CLAIM):
        assert await store.taints.of(run) == {Taint.PRIVATE, Taint.UNTRUSTED}
    assert verified(store).found == 0


async def test_what_a_parent_reads_later_its_child_has_not_read(store: Store) -> None:
    await a_family(store)
    await store.taints.add(CLAIM, (Taint.PRIVATE,), "orders.find_order", at(5))
    assert await store.taints.of(REFUND) == frozenset()


async def test_of_children_that_read_at_once_every_taint_reaches_their_parent(store: Store) -> None:
    await store.starts.register(record(CLAIM), at(0))
    children = [RunKey(workflow_id=f"refund/A-{n}~1", first_run_id=f"refund-{n}") for n in range(8)]
    for child in children:
        await store.children.enter(entry(child, CLAIM), at(1))
        await store.starts.register(record(child, *around(CLAIM)), at(1))
    orders = ((Taint.PRIVATE, Taint.UNTRUSTED), (Taint.UNTRUSTED, Taint.PRIVATE))
    reading = (store.taints.add(child, orders[n % 2], "crm.read", at(2)) for n, child in enumerate(children))
    assert await asyncio.wait_for(asyncio.gather(*reading), 30) == [True] * 8
    assert await store.taints.of(CLAIM) == {Taint.PRIVATE, Taint.UNTRUSTED}


async def test_what_is_spent_inside_a_run_counts_for_it_and_for_no_day_of_its_automation(store: Store) -> None:
    await a_family(store)
    pseudonym = (await store.budgets.account(LETTER, "rita", "letter", "2026-11-20")).spender.requester
    spender = Spender(requester=pseudonym, automation="letter", inside=around(CLAIM, REFUND))
    outcome = answered().model_copy(update={"usage": Usage(output_tokens=7, cost_micros=3)})
    for turn in range(2):
        await store.conversations.ask(LETTER, "c", Delta(turn=turn, user=["?"], system="", offered=""), at(5))
        for _ in range(2):  # an answer that stands is counted once
            await store.conversations.answer(LETTER, "c", turn, ["!"], outcome, at(6), spender)

    spent = Amounts(turns=2, tokens=14, cost_micros=6)
    for run in (LETTER, REFUND, CLAIM):
        automation = run.workflow_id.partition("/")[0]
        account = await store.budgets.account(run, "rita", automation, "2026-11-20")
        assert account.run == spent
        assert account.day == (spent if run == LETTER else Amounts())


@pytest.mark.parametrize("what", ["the step", "the statement", "whose it is", "which run it is", "a row of nobody's"])
async def test_whoever_changes_an_entry_is_found_out(store: Store, store_url: str, what: str) -> None:
    await a_family(store)
    assert verified(store).found == 0
    database = Database(read_url(store_url))

    def tamper(connection: Connection) -> None:
        of_refund = update(CHILDREN).where(CHILDREN.c.workflow_id == REFUND.workflow_id)
        changes: dict[str, dict[str, object]] = {
            "the step": {"step": "another"},
            "the statement": {"start": record(REFUND, *around(CLAIM), requester="erik").start},
            "whose it is": {"parent_first_run_id": "claim-2"},
            "which run it is": {"first_run_id": None},
        }
        if what in changes:
            connection.execute(of_refund.values(**changes[what]))
        else:
            row = connection.execute(select(CHILDREN).limit(1)).mappings().one()
            connection.execute(CHILDREN.insert(), {**row, "workflow_id": "refund/forged"})

    database.write_now(tamper)
    database.close()
    assert verified(store).found > 0

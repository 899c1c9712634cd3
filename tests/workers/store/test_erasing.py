"""Erasure by subject: what is about somebody is gone from every table, and what others and auditors need stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue
from sqlalchemy import Connection, Executable, select, text, update

from activities.conversations import ContentErased, Delta, RunKey
from activities.erasing import StillStands
from activities.inbox import CaseErased, CaseTaken
from activities.ledger import LedgerState
from activities.notices import NoticeState
from contracts.audit import AuditKind
from contracts.authority import DocumentKind
from contracts.canonical import canonical_json, digest, parse_json
from contracts.claude import StopReason, TurnOutcome
from tests.workers.store.kept import (
    BOB,
    ROUTES,
    SHARED,
    asked_for,
    entry_of,
    erasure,
    everything,
    keep,
    leave_unknown,
    run_number,
    verified,
)
from tests.workers.store.samples import at, claim
from workers.resources.audit.findings import Report
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.verification import verify_store
from workers.resources.store import Store
from workers.resources.store.address import read_url
from workers.resources.store.contents import put_content
from workers.resources.store.database import Database
from workers.resources.store.documents import next_activation
from workers.resources.store.errors import StoreUnreachable
from workers.resources.store.schema import AUDIT, CONTENTS, LEDGER, REQUESTS, STARTS
from workers.resources.store.sharing import stored_contents

ADA = "ada@example.com"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store, by which people are told."""
    opened = Store.open(store_url, ROUTES)
    yield opened
    opened.close()


async def erase(store: Store, *runs: RunKey) -> None:
    """Olga has them erased."""
    await store.erasing.erase(await erasure(store, *runs), runs, at(40))


def words(store: Store) -> str:
    """Everything that is kept."""
    return "\n".join(store.at_one_moment(lambda connection: list(everything(connection))))


class _Undone(Exception):
    """What was tampered with is as it was."""


def tampered(store: Store, *changes: Executable) -> Report:
    """The verification after changes behind the store's back; afterwards they are undone."""
    reports = []

    def work(connection: Connection) -> None:
        for change in changes:
            connection.execute(change)
        signed = SignedHeads(unverifiable="they are left out")
        reports.append(verify_store(connection, signed, at(99))[0])
        raise _Undone

    with pytest.raises(_Undone):
        store._database.write_now(work)
    return reports[0]


# What is found.


async def test_a_subject_is_found_by_who_asked_for_whom_and_by_whole_strings_of_the_input(store: Store) -> None:
    await store.starts.register(asked_for(1, BOB), at(0))
    await store.starts.register(asked_for(2, ADA, on_behalf_of=("carl",)), at(1))

    found = {
        subject: [each.run.first_run_id for each in (await store.erasing.traces(subject)).runs]
        for subject in (BOB, "rita", "carl", "E-2", "bob@example", "customer")
    }

    one, two = run_number(1).first_run_id, run_number(2).first_run_id
    assert found == {BOB: [one], "rita": [one, two], "carl": [two], "E-2": [two], "bob@example": [], "customer": []}


async def test_what_is_kept_of_a_run_is_counted_and_only_contents_that_nobody_else_refers_to(store: Store) -> None:
    await keep(store, 1)
    await keep(store, 2, ADA)

    found = await store.erasing.traces(BOB)

    [trace] = found.runs
    assert (trace.ending, trace.turns, trace.calls, trace.requests, trace.notices) == ("refunded", 1, 2, 1, 1)
    assert (trace.stands, trace.erased_at, trace.keyed) == ("", None, False)
    assert found.contents == 6, "an answer, two actions, a payment, a display and a note; neither system nor weather"


async def test_a_run_that_is_named_is_found_whatever_its_input_says(store: Store) -> None:
    await keep(store, 1)
    await keep(store, 2, ADA)

    found = await store.erasing.traces(BOB, ("refund/E-2",))

    assert [each.run for each in found.runs] == [run_number(1), run_number(2)]


async def test_a_business_key_that_is_the_subject_is_said_since_it_stays(store: Store) -> None:
    await keep(store, 1)

    [trace] = (await store.erasing.traces("E-1")).runs

    assert trace.keyed


# What goes, and what stays.


async def test_after_an_erasure_no_row_of_any_table_holds_a_word_of_the_subject(store: Store) -> None:
    run = await keep(store, 1)
    await keep(store, 2, ADA)
    assert words(store).count(BOB) > 12
    of_ada = words(store).count(ADA)

    await erase(store, run)

    assert BOB not in words(store)
    assert words(store).count(ADA) == of_ada


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_after_an_erasure_the_file_holds_no_word_of_the_subject_either(store: Store, tmp_path: Path) -> None:
    store._database.write_now(lambda connection: connection.exec_driver_sql("PRAGMA secure_delete = OFF").scalar())
    run = await keep(store, 1)
    files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
    assert any(BOB.encode() in file.read_bytes() for file in files)

    await erase(store, run)

    assert not any(BOB.encode() in file.read_bytes() for file in files)


async def test_what_was_done_stays_and_cannot_happen_again(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)

    entry = await store.ledger.find("pay-1")
    assert entry is not None and entry.outcome is not None
    assert (entry.state, entry.sends, entry.outcome.done) == (LedgerState.DONE, 1, True)
    assert await store.ledger.mark_sent("pay-1", 1, "worker-2", at(50)) is None
    delta = await store.conversations.find(run, "assessing", 0)
    assert delta is not None and delta.address
    assert delta == Delta(
        turn=0,
        user=[],
        assistant=[],
        outcome=TurnOutcome(stop_reason=StopReason.ANSWERED, model="a-model"),
        offered=digest(b"[]"),
        system=digest(b"You are of use."),
        address=delta.address,
    )
    assert await store.decided.deciders(run.first_run_id, f"{run.workflow_id}#1") == ("dana",)
    request = await store.inbox.find(f"{run.workflow_id}#1")
    assert request is not None
    assert (request.title, request.outcome, request.by) == ("", "approved", "dana")


async def test_a_later_start_of_an_erased_case_attaches_by_its_digest_and_is_refused_with_other_input(
    store: Store,
) -> None:
    run = await keep(store, 1)
    await erase(store, run)
    again = asked_for(1, BOB)

    same = await store.starts.look_up("refund", "E-1", again.request)
    other = await store.starts.look_up("refund", "E-1", {"order": "E-1"})

    assert (same.same_input, same.ending, same.erased_at) == (True, "refunded", at(40))
    assert (other.same_input, other.differing_fields, other.erased_at) == (False, (), at(40))
    with pytest.raises(CaseTaken):
        second = again.start.model_copy(update={"again": ""})
        await store.starts.register(again.model_copy(update={"run": run_number(9), "start": second}), at(50))


async def test_an_erased_run_has_no_start_record_and_is_not_registered_again_when_it_is_reset(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)

    assert await store.starts.find(run) is None
    with pytest.raises(CaseErased, match="start it anew with --again REASON"):
        await store.starts.register(asked_for(1, BOB), at(50))


async def test_contents_of_another_run_survive_until_that_one_is_erased_too(store: Store) -> None:
    one, other = await keep(store, 1), await keep(store, 2, ADA)

    await erase(store, one)
    assert await store.contents.get(digest(SHARED)) == SHARED
    assert await store.contents.get(digest(b"You are of use.")) == b"You are of use."
    assert await store.contents.get(digest(f"said of {ADA}".encode())) is not None

    await erase(store, other)
    with pytest.raises(ContentErased, match=r"was erased at 2026-11-20 09:40:00 UTC, and cannot be had any more"):
        await store.contents.get(digest(SHARED))


async def test_what_is_in_force_is_never_erased_even_where_a_tool_has_answered_with_it(store: Store) -> None:
    rules: JsonValue = {"rules.cedar": f"// {BOB}"}
    activation = next_activation(DocumentKind.POLICY, "here", None, rules, "first rules")
    await store.documents.activate(activation, rules, "olga", at(0))
    run = await keep(store, 1, ended=False)
    await store.ledger.claim(claim("rules").model_copy(update=run.model_dump()), at(9))
    await store.ledger.mark_sent("rules", 0, "worker-1", at(9))
    entry = await store.ledger.find("pay-1")
    assert entry is not None and entry.outcome is not None
    await store.ledger.finish("rules", 1, LedgerState.DONE, entry.outcome, canonical_json(rules), at(9))
    await store.starts.end(run, "refunded", at(30))

    await erase(store, run)

    found = await store.documents.in_force(DocumentKind.POLICY)
    assert found is not None and found.content == rules


async def test_what_is_put_anew_stands_again_for_whoever_has_put_it(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)

    assert await store.contents.put(SHARED) == digest(SHARED)

    assert await store.contents.get(digest(SHARED)) == SHARED
    assert verified(store).found == 0


async def test_an_erased_answer_serves_nobody_else_who_asks_the_same(store: Store) -> None:
    run = await keep(store, 1)
    assert await store.ledger.answered(digest(b"the weather"), at(0)) is not None

    await erase(store, run)

    assert await store.ledger.answered(digest(b"the weather"), at(0)) is None


async def test_a_notice_that_was_not_sent_yet_never_is_whoever_asks_for_it(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)

    [row] = await store.outbox.undeliverable(10)
    assert (row.state, row.notice.recipient, row.notice.body) == (NoticeState.UNDELIVERABLE, "fiona", "")
    assert await store.outbox.again(row.notice.id, "olga", at(50)) == 0
    assert await store.outbox.lease("mail", "pump", at(60), at(50), 10) == ()


# What is refused.


async def test_a_run_under_way_is_refused_and_then_nothing_is_erased_at_all(store: Store) -> None:
    over, under_way = await keep(store, 1), await keep(store, 2, ended=False)

    with pytest.raises(StillStands) as refused:
        await erase(store, over, under_way)

    assert str(refused.value) == "refund/E-2: it is under way; cancel it first, and wait for its ending"
    assert await store.starts.find(over) is not None
    [told] = [each for each in (await store.erasing.traces(BOB)).runs if each.stands]
    assert told.run == under_way


async def test_what_is_not_settled_yet_is_refused(store: Store) -> None:
    asking, calling = await keep(store, 1), await keep(store, 2)
    await store.inbox.open(entry_of(asking).model_copy(update={"request_id": "refund/E-1#2"}))
    await store.ledger.claim(claim("late").model_copy(update=calling.model_dump()), at(31))

    with pytest.raises(StillStands, match="a request of it is still open"):
        await erase(store, asking)
    with pytest.raises(StillStands, match="a call of it is under way"):
        await erase(store, calling)


async def test_an_effect_of_which_nobody_knows_keeps_its_run_until_somebody_has_seen_to_it(store: Store) -> None:
    run = await keep(store, 1, ended=False)
    assert await leave_unknown(store, run)

    with pytest.raises(StillStands, match="nobody knows whether an effect of it happened"):
        await erase(store, run)
    await store.orphans.acknowledge(run.workflow_id, "olga", await store.contents.put(f"{BOB} has it".encode()), at(20))
    await erase(store, run)

    assert BOB not in words(store)


async def test_erasing_again_changes_nothing_and_is_not_told_again(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)
    before = words(store)

    erased = await store.erasing.erase(await erasure(store, run), (run,), at(50))

    assert (erased.runs, erased.contents, words(store)) == ((), 0, before)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_whoever_puts_what_is_being_erased_waits_and_then_has_it(store: Store, store_url: str) -> None:
    address = await store.contents.put(SHARED)
    other = Database(read_url(store_url))

    def put(connection: Connection) -> str:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        return put_content(connection, SHARED)

    def meanwhile(connection: Connection) -> None:
        assert stored_contents(connection, {address}, lock=True) == {address}
        with pytest.raises(StoreUnreachable, match="lock timeout"):
            other.write_now(put)
        connection.execute(update(CONTENTS).values(content=b"", erased_at=at(1)))

    store._database.write_now(meanwhile)
    assert other.write_now(put) == address
    assert await store.contents.get(address) == SHARED
    other.close()


# What auditors are told, and what they find out.


async def test_auditors_are_told_who_erased_how_much_and_never_whom(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)

    query = select(AUDIT.c.payload).where(AUDIT.c.kind == AuditKind.ERASED.value).order_by(AUDIT.c.workflow_id)
    told = [parse_json(each) for each in store.at_one_moment(lambda each: each.execute(query).scalars().all())]
    whole, of_run = (each for each in told if isinstance(each, dict))

    pseudonym = await store.starts.pseudonym(BOB)
    assert (whole["who"], whole["about"], of_run["about"]) == ("olga", pseudonym, pseudonym)
    counts = {"runs": 1, "turns": 1, "calls": 2, "requests": 1, "notices": 1, "contents": 8}
    assert isinstance(whole["facts"], dict) and isinstance(of_run["facts"], dict)
    assert whole["facts"] | counts == whole["facts"]
    assert of_run["workflow_id"] == run.workflow_id
    contents = of_run["facts"]["contents"]
    assert isinstance(contents, list) and len(contents) == 8


async def test_what_was_erased_is_noted_by_a_verification_and_is_no_tampering(store: Store) -> None:
    run = await keep(store, 1)
    await keep(store, 2, ADA)
    assert verified(store).found == 0
    paid = digest(canonical_json({"paid": BOB}))

    await erase(store, run)

    report = verified(store)
    assert report.found == 0, report.findings
    assert any(f"{paid} was erased" in note for note in report.notes)


async def test_a_content_that_was_emptied_without_an_erasure_is_tampering(store: Store) -> None:
    run = await keep(store, 1)
    await keep(store, 2, ADA)
    await erase(store, run)
    paid = digest(canonical_json({"paid": ADA}))

    emptied = update(CONTENTS).where(CONTENTS.c.address == paid).values(content=b"", erased_at=at(40))
    report = tampered(store, emptied)

    assert [each.problem for each in report.findings] == [
        f"the content {paid} was emptied, and no record tells that it was erased"
    ]


async def test_a_result_that_is_gone_is_tampering(store: Store) -> None:
    await keep(store, 1)
    paid = digest(canonical_json({"paid": BOB}))
    no_longer_named = update(LEDGER).where(LEDGER.c.key == "pay-1").values(content=None)

    report = tampered(store, no_longer_named, CONTENTS.delete().where(CONTENTS.c.address == paid))

    assert any(f"{paid} that this names is gone" in each.problem for each in report.findings)


CHANGES = {
    "arguments": update(LEDGER).where(LEDGER.c.key == "pay-1").values(arguments={"to": "mallory"}),
    "outcome": update(LEDGER).where(LEDGER.c.key == "read-1").values(outcome={"status": "said_no"}),
    "request": update(REQUESTS).values(entry={}),
    "input": update(STARTS).values(request={"order": "E-9"}),
    "moment": update(STARTS).values(erased_at=at(41)),
    "state": update(LEDGER).where(LEDGER.c.key == "pay-1").values(state="said_no"),
}


async def test_what_an_erasure_has_left_may_be_changed_as_little_as_anything(store: Store) -> None:
    run = await keep(store, 1)
    await erase(store, run)
    assert verified(store).found == 0

    assert {name: tampered(store, change).found for name, change in CHANGES.items()} == dict.fromkeys(CHANGES, 1)


async def test_a_row_that_was_emptied_without_an_erasure_is_tampering(store: Store) -> None:
    await keep(store, 1)
    emptied = update(LEDGER).where(LEDGER.c.key == "pay-1").values(arguments={})

    assert tampered(store, emptied).found == 1
    assert tampered(store, update(STARTS).values(request={}, erased_at=at(40))).found == 1

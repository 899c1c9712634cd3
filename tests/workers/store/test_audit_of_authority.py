"""Whoever changes what authority rests on is found out: signatures, roles, starts, requests, taints, running totals."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from sqlalchemy import Table, insert, select, update

from activities.inbox import Passing, StartRecord
from activities.totals import Spending
from contracts.audit import GOVERNANCE, stream_of
from contracts.authority import BreakGlass, DocumentKind, Endorsement
from contracts.budgets import Amounts
from contracts.canonical import digest
from contracts.decisions import RequestEvent
from contracts.freezing import FreezeScope
from contracts.tools import Share, Taint
from tests.authority import Signer
from tests.stores import BOTH
from tests.workers.desk import OPERATOR, PRODUCTION, RULES, Desk
from tests.workers.store.audited import DEPLOYMENT, Audited, decision, new_store
from tests.workers.store.samples import NINE, RUN, asked, at, started
from workers.resources.audit.findings import Verdict
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.verification import verify_store
from workers.resources.checkpoints import Checkpoints
from workers.resources.freezes import StoredFreezes
from workers.resources.store import Store
from workers.resources.store.documents import next_activation
from workers.resources.store.schema import (
    ACTIVATIONS,
    AUDIT,
    CASES,
    ENDORSEMENTS,
    EXTENSIONS,
    FREEZES,
    GRANTS,
    META,
    REQUESTS,
    RESERVATIONS,
    START_NONCES,
    STARTS,
    TAINTS,
    TOTALS,
)

HERE = stream_of(RUN.workflow_id)
NONCE = "n-0123456789abcdef"
OLGA = Signer("olga", OPERATOR)


async def fill(audited: Audited) -> None:
    """One of everything that authority rests on."""
    store = Store.open(audited.url)
    start = started().start.model_copy(update={"nonce": NONCE, "on_behalf_of": ("bea",)})
    await store.starts.register(StartRecord(run=RUN, start=start, request=started().request), NINE)
    await store.taints.add(RUN, tuple(Taint), "crm.read_complaint", at(1))
    for number in (1, 2):
        await store.inbox.open(asked(number, at(number), at(600)))
    await store.inbox.pass_on(asked(1, at(1), at(600)), Passing(event=RequestEvent.REMINDED, at=at(3)))
    await store.inbox.close(asked(1, at(1), at(600)), "approved", "dana", at(4))
    for key in ("key-1", "key-2"):
        shares = (Share(total="requester", of="rita", amount=999), Share(total="customer", of="C-7", amount=999))
        await store.totals.reserve(spending(key), shares, at(5))
    await store.totals.release(spending("key-2"), at(6))
    rules: JsonValue = {"rules.cedar": "permit (principal, action, resource);"}
    activation = next_activation(DocumentKind.POLICY, DEPLOYMENT, None, rules, "first rules")
    signed = Endorsement(activation=activation, signer="olga", key_id="k-1", signed_at=NINE, signature="s")
    await store.documents.propose(activation, rules, signed, at(7))
    await store.documents.activate(activation, rules, "olga", at(7))
    await store.documents.grant(emergency(), at(8))
    await store.budgets.extend(RUN, decision(), Amounts(turns=20), "dana", at(8))
    for number in (1, 2):
        freeze = OLGA.freezes(DEPLOYMENT, at(8), FreezeScope.SERVER, "payments", nonce=f"{NONCE}-{number}")
        await store.freezes.freeze(freeze, (), at(8))
    await store.freezes.thaw(OLGA.thaws(freeze, at(8)), None, (), at(8))
    Checkpoints(store.audit, audited.file, audited.key, DEPLOYMENT, lambda: at(9)).take()
    store.close()


def spending(key: str) -> Spending:
    """The action of this key."""
    return Spending(key=key, action_digest=digest(key.encode()), run=RUN)


def emergency() -> BreakGlass:
    """Erik takes a role for an hour."""
    return BreakGlass(
        deployment=DEPLOYMENT,
        subject="erik",
        role="finance_manager",
        reason="everybody else is ill",
        key_id="k-2",
        nonce=NONCE,
        issued_at=NINE,
        expires_at=NINE + timedelta(hours=1),
    )


@pytest.fixture(scope="module", params=BOTH)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """A store that nobody has tampered with; every test leaves it so."""
    folder = tmp_path_factory.mktemp("authority")
    made = Audited(new_store(request, folder), folder / "checkpoints.jsonl", now=at(9))
    asyncio.run(fill(made))
    yield made
    assert made.verify().found == 0


def test_what_nobody_has_touched_is_whole(audited: Audited) -> None:
    report = audited.verify()

    assert (report.verdict, report.findings, report.uncovered) == (Verdict.OK, (), 0)


CHANGES: tuple[tuple[Table, str, Any, str], ...] = (
    (STARTS, "start", {"on_behalf_of": []}, "statement"),
    (STARTS, "start", {"requester": "mallory"}, "requester"),
    (STARTS, "request", {"amount": "4.00"}, "request"),
    (START_NONCES, "first_run_id", "run-9", "run"),
    (TAINTS, "tool", "orders.find_order", "tool"),
    (TAINTS, "tainted_at", at(30), "tainted_at"),
    (REQUESTS, "entry", {"obligations": []}, "entry"),
    (REQUESTS, "entry", {"requester": "nobody"}, "entry"),
    (REQUESTS, "opened_at", at(500), "opened_at"),
    (REQUESTS, "deadline", at(6000), "deadline"),
    (REQUESTS, "closed_at", None, "closed_at"),
    (REQUESTS, "closing", {"outcome": "rejected"}, "outcome"),
    (REQUESTS, "closing", {"by": "erik"}, "by"),
    (REQUESTS, "passed", {"handed_on_at": "2026-11-20T09:03:00.000Z"}, "passed"),
    (RESERVATIONS, "of", "another", "share"),
    (RESERVATIONS, "amount", 1, "share"),
    (RESERVATIONS, "reached", 1, "share"),
    (RESERVATIONS, "reserved_at", at(30), "reserved_at"),
    (RESERVATIONS, "released", True, "released"),
    (RESERVATIONS, "action_digest", "another", "action"),
    (ENDORSEMENTS, "signer", "mallory", "by mallory"),
    (ENDORSEMENTS, "endorsement", {"key_id": "k-9"}, "statement"),
    (ENDORSEMENTS, "endorsement", {"signature": "forged"}, "statement"),
    (ENDORSEMENTS, "endorsement", {"signed_at": "2020-01-01T00:00:00.000Z"}, "statement"),
    (ACTIVATIONS, "activation", {"deployment": "elsewhere"}, "statement"),
    (ACTIVATIONS, "activated_at", at(30), "activated_at"),
    (CASES, "business_key", "another", "case"),
    (CASES, "holding", 2, "case"),
    (META, "value", b"x" * 32, "value"),
    (ENDORSEMENTS, "endorsed_at", at(30), "endorsed_at"),
    (GRANTS, "grant", {"expires_at": "2026-11-21T09:00:00.000Z"}, "emergency role"),
    (GRANTS, "recorded_at", at(30), "recorded_at"),
    (FREEZES, "freeze", {"scope": "tool", "target": "payments.none"}, "freeze"),
    (FREEZES, "freeze", {"reason": "an exercise"}, "freeze"),
    (FREEZES, "freeze", {"signature": "forged"}, "freeze"),
    (FREEZES, "frozen_at", at(30), "frozen_at"),
    (FREEZES, "thaw", OLGA.thaws(OLGA.freezes(DEPLOYMENT, NINE), NINE).model_dump(mode="json"), "thaw"),
    (FREEZES, "thawed_at", at(9), "thawed_at"),
    (FREEZES, "nonce", "n-of-an-earlier-freeze", "which is not in the store"),
    (EXTENSIONS, "extension", {"turns": 20_000}, "extension"),
    (EXTENSIONS, "first_run_id", "run-9", "run"),
    (EXTENSIONS, "approver", "mallory", "approver"),
    (EXTENSIONS, "extended_at", at(30), "extended_at"),
)


@pytest.mark.parametrize(("table", "column", "value", "named"), CHANGES, ids=lambda each: getattr(each, "name", None))
def test_any_change_of_a_row_is_found_and_named(
    audited: Audited, table: Table, column: str, value: Any, named: str
) -> None:
    def change(connection: Any) -> None:
        row = connection.execute(select(table).order_by(*table.primary_key.columns).limit(1)).mappings().one()
        new = (row[column] or {}) | value if isinstance(value, dict) else value
        same = [key == row[key.name] for key in table.primary_key.columns]
        connection.execute(update(table).where(*same).values({column: new}))

    report = audited.verify(change)

    assert report.verdict is Verdict.TAMPERED
    assert named in " ".join(finding.problem for finding in report.findings)
    assert {finding.stream for finding in report.findings} & {HERE, GOVERNANCE}


OF_RUNS = (STARTS, START_NONCES, CASES, TAINTS, REQUESTS, RESERVATIONS, TOTALS, EXTENSIONS)
OF_THE_DEPLOYMENT = (ENDORSEMENTS, ACTIVATIONS, GRANTS, FREEZES, META)


@pytest.mark.parametrize(
    "table",
    [*OF_RUNS, *OF_THE_DEPLOYMENT],
    ids=lambda table: table.name,
)
def test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them(audited: Audited, table: Table) -> None:
    def take_out(connection: Any) -> None:
        if table is STARTS:
            connection.execute(CASES.delete())
        connection.execute(table.delete())

    report = audited.verify(take_out)

    assert report.verdict is Verdict.TAMPERED
    told = [finding.problem for finding in report.findings]
    assert all("which is not in the store" in each or "running total" in each for each in told)
    assert {finding.stream for finding in report.findings} <= {HERE, GOVERNANCE, "totals"}


@pytest.mark.parametrize("stream", [HERE, GOVERNANCE])
def test_whatever_record_is_taken_out_the_verification_comes_to_its_end_and_says_so(
    audited: Audited, stream: str
) -> None:
    length = audited.length(stream)
    assert length > 3
    for seq in range(1, length + 1):
        gone = AUDIT.delete().where(AUDIT.c.stream == stream, AUDIT.c.seq == seq)
        report = audited.verify(lambda connection, gone=gone: connection.execute(gone))  # type: ignore[misc]
        assert report.verdict is Verdict.TAMPERED
        assert (report.findings[0].stream, report.findings[0].covers(seq)) == (stream, True)


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        (TAINTS, {"first_run_id": "run-9"}),
        (REQUESTS, {"request_id": "refund/A-17#9"}),
        (RESERVATIONS, {"key": "key-9"}),
        (START_NONCES, {"nonce": "n-9"}),
        (ENDORSEMENTS, {"signer": "mallory"}),
        (FREEZES, {"nonce": "n-of-an-earlier-freeze"}),
        (EXTENSIONS, {"nonce": "n-9"}),
    ],
    ids=lambda each: each.name if isinstance(each, Table) else "",
)
def test_a_row_that_was_put_in_is_found(audited: Audited, table: Table, changes: dict[str, Any]) -> None:
    def forge(connection: Any) -> None:
        row = connection.execute(select(table).order_by(*table.primary_key.columns).limit(1)).mappings().one()
        connection.execute(insert(table), dict(row) | changes)

    report = audited.verify(forge)

    assert report.verdict is Verdict.TAMPERED
    assert "stands in the store, and no record tells of it" in report.findings[0].problem


async def test_a_document_that_was_dated_back_is_found(tmp_path: Path) -> None:
    """Whoever is no operator any more puts rules in force by the store's own means, at a time when they were one."""
    desk = Desk(Store.open(f"sqlite:///{tmp_path}/store.db"))
    mallory = Signer("mallory", OPERATOR)
    await desk.put(DocumentKind.ROSTER, desk.roster(mallory), desk.ada, desk.alan)
    first = desk.minutes
    desk.minutes += 60
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    desk.minutes = first
    await desk.put(DocumentKind.POLICY, RULES, mallory)
    assert await desk.authority().policy(), "believed, for she was entitled then"

    unsigned = SignedHeads(unverifiable="they are left out")
    report, _ = desk.store.at_one_moment(lambda connection: verify_store(connection, unsigned, NINE))
    desk.store.close()

    assert {finding.stream for finding in report.findings} == {GOVERNANCE}
    assert "is dated 2026-11-20T09:" in report.findings[0].problem


def test_a_thaw_that_was_taken_out_is_found(audited: Audited) -> None:
    """So that what somebody thawed holds people up once more."""
    stands_again = update(FREEZES).where(FREEZES.c.thaw.is_not(None)).values(thaw=None, thawed_at=None)

    [found] = audited.verify(lambda connection: connection.execute(stands_again)).findings

    assert found.problem == f"freeze '{NONCE}-2' was changed in the store: thaw, thawed_at is not as recorded"


async def test_a_thaw_that_was_dated_back_is_found(tmp_path: Path) -> None:
    """Whoever is no operator any more thaws by the store's own means, at a time when they were one."""
    desk = Desk(Store.open(f"sqlite:///{tmp_path}/store.db"))
    mallory = Signer("mallory", OPERATOR)
    await desk.put(DocumentKind.ROSTER, desk.roster(mallory), desk.ada, desk.alan)
    freeze = desk.omar.freezes("here", desk.now())
    await desk.store.freezes.freeze(freeze, (), freeze.issued_at)
    desk.minutes += 60
    await desk.put(DocumentKind.ROSTER, desk.roster(), desk.ada, desk.alan)
    await desk.store.freezes.thaw(mallory.thaws(freeze, freeze.issued_at), None, (), freeze.issued_at)
    stored = StoredFreezes(desk.store.freezes, desk.authority(), PRODUCTION)
    assert await stored.standing() == (), "believed, for she was entitled then"

    unsigned = SignedHeads(unverifiable="they are left out")
    report, _ = desk.store.at_one_moment(lambda connection: verify_store(connection, unsigned, NINE))
    desk.store.close()

    assert {finding.stream for finding in report.findings} == {GOVERNANCE}
    assert "is dated 2026-11-20T09:" in report.findings[0].problem


def test_a_running_total_that_is_not_what_is_reserved_of_it_is_found(audited: Audited) -> None:
    less = update(TOTALS).where(TOTALS.c.total == "customer").values(amount=0)

    [found] = audited.verify(lambda connection: connection.execute(less)).findings

    assert found.problem == "the running total 'customer' was changed in the store: it says 0, and 999 is reserved"

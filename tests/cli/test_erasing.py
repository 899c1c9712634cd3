"""`interlock store erase`: shows what is kept about somebody, and empties it once an operator has signed."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import select

from cli.main import run
from contracts.audit import AuditKind
from contracts.erasing import Erasure, digest_of_runs
from contracts.signing import SignedFor, is_signed_by
from tests.cli.enrolment import Done, Machine
from tests.workers.store.kept import BOB, ROUTES, everything, keep, run_number
from workers.resources.store import Store
from workers.resources.store.schema import AUDIT

T = TypeVar("T")
TEMPORAL = "  temporal workflow delete --reason erasure --query 'WorkflowId = \"refund/E-1\"'\n"


def in_store(work: Callable[[Store], Awaitable[T]]) -> T:
    """What becomes of the store that the commands find."""

    async def done() -> T:
        store = Store.open(os.environ["INTERLOCK_STORE"], ROUTES)
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(done())


def words() -> str:
    """Everything that is kept."""

    async def read(store: Store) -> str:
        return "\n".join(store.at_one_moment(lambda connection: list(everything(connection))))

    return in_store(read)


def erase(machine: Machine, *arguments: str) -> Done:
    """Run `interlock store erase ARGUMENTS`."""
    machine.capsys.readouterr()
    with ThreadPoolExecutor(1) as thread:
        code = thread.submit(run, ["store", "erase", *arguments]).result(timeout=60)
    out, err = machine.capsys.readouterr()
    return Done(code, out, err)


@pytest.fixture
def development(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A development deployment with a run about Bob that has ended."""
    machine = Machine.ready(tmp_path, capsys, monkeypatch, mode="development")
    in_store(lambda store: keep(store, 1))
    return machine


def test_without_confirm_nothing_is_erased_and_it_is_said_what_would_be(development: Machine) -> None:
    before = words()

    done = erase(development, BOB)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        "refund/E-1: refunded; 1 turns, 2 calls, 1 requests, 1 notices",
        "can be erased: 1 runs, 1 turns, 2 calls, 1 requests, 1 notices, 8 contents that nothing else refers to",
    ]
    assert done.out.endswith("next: the same with --confirm; it cannot be taken back\n")
    assert words() == before


def test_with_confirm_it_is_erased_and_what_is_left_to_do_elsewhere_is_said(development: Machine) -> None:
    done = erase(development, BOB, "--confirm", "--as", "olga")

    assert done.code == 0, done.err
    assert done.err == "development mode: this erasure is not signed\n"
    assert done.out.startswith("erased: 1 runs, 1 turns, 2 calls, 1 requests, 1 notices, 8 contents")
    assert TEMPORAL in done.out
    assert "backups" in done.out
    assert BOB not in words()
    assert "refund/E-1: was erased at " in erase(development, BOB, "--run", "refund/E-1").out
    again = erase(development, "rita", "--confirm", "--as", "olga")
    assert (again.code, "erased: " in again.out) == (0, False), "nothing is left to erase"


def test_a_run_under_way_is_named_and_then_nothing_is_erased(development: Machine) -> None:
    in_store(lambda store: keep(store, 2, ended=False))
    before = words()

    shown, refused = erase(development, BOB), erase(development, BOB, "--confirm", "--as", "olga")

    assert "refund/E-2: CANNOT BE ERASED NOW: it is under way; cancel it first" in shown.out
    assert "--confirm" not in shown.out
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("nothing was erased. refund/E-2: it is under way")
    assert "interlock runs cancel refund/E-2 --reason WHY" in refused.err
    assert words() == before


def test_a_subject_nobody_knows_and_a_run_nobody_knows_are_refused(development: Machine) -> None:
    unknown, misspelt = erase(development, "nobody"), erase(development, BOB, "--run", "refund/E-9")

    assert (unknown.code, "name the run with --run RUN" in unknown.err) == (1, True)
    assert (misspelt.code, "--run 'refund/E-9': no run of that name" in misspelt.err) == (2, True)
    assert erase(development, " ").code == 2


def test_a_run_that_is_named_is_erased_though_its_input_does_not_name_the_subject(development: Machine) -> None:
    in_store(lambda store: keep(store, 2, "ada@example.com"))

    done = erase(development, BOB, "--run", "refund/E-2", "--confirm", "--json")

    assert [each["run"]["workflow_id"] for each in json.loads(done.out)["runs"]] == ["refund/E-1", "refund/E-2"]
    assert "ada@example.com" not in words()


def test_in_production_an_operator_signs_it_and_nobody_else_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine.ready(tmp_path, capsys, monkeypatch)
    machine.well("enrol", "oscar", "--role", "operator")
    machine.two_admins()
    kept = in_store(lambda store: keep(store, 1))

    refused = erase(machine, BOB, "--confirm", "--as", "dana")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("'dana' may not sign this erasure: they do not hold the role 'operator'")
    assert BOB in words()

    done = erase(machine, BOB, "--confirm", "--as", "oscar")
    assert (done.code, done.err) == (0, "")
    assert BOB not in words()
    erasure = in_store(ordered)
    [key] = next(person for person in machine.roster().people if person.subject == "oscar").keys
    assert is_signed_by(key.public, SignedFor.ERASURE, erasure, erasure.signature or "")
    assert erasure.runs == digest_of_runs([(kept.workflow_id, kept.first_run_id)])
    assert kept == run_number(1)


async def ordered(store: Store) -> Erasure:
    """The statement as the audit chain has it."""
    from contracts.audit import AuditRecord
    from contracts.canonical import parse_json

    query = select(AUDIT.c.payload).where(AUDIT.c.kind == AuditKind.ERASED.value, AUDIT.c.workflow_id == "")
    [payload] = store.at_one_moment(lambda connection: connection.execute(query).scalars().all())
    record = AuditRecord.model_validate(parse_json(payload))
    return Erasure.model_validate(
        {
            "deployment": "acme",
            "subject": record.about,
            "runs": record.facts["digest_of_runs"],
            "by": record.who,
            **{name: record.facts[name] for name in ("key_id", "nonce", "issued_at", "signature")},
        }
    )

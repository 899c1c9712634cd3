"""`interlock audit show | verify | export`: the account of a run, whether it is whole, and a copy of it."""

import asyncio
import json
import stat
from pathlib import Path

import pytest
from sqlalchemy import update

from cli.main import run
from contracts.audit import stream_of
from contracts.signing import public_half
from tests.cli.conftest import Outcome
from tests.workers.store.audited import DEPLOYMENT, LEDGER_STREAM, Audited
from tests.workers.store.samples import RUN
from workers.resources.store.address import read_url
from workers.resources.store.database import Database
from workers.resources.store.schema import AUDIT


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Audited:
    """A deployment with something in its chain, and settings as its operators have them."""
    made = Audited(f"sqlite:///{tmp_path}/store.db", tmp_path / "audit-checkpoints.jsonl")
    asyncio.run(made.fill())
    monkeypatch.setenv("INTERLOCK_STORE", made.url)
    monkeypatch.setenv("INTERLOCK_DEPLOYMENT", DEPLOYMENT)
    monkeypatch.setenv("INTERLOCK_DATA", str(tmp_path))
    monkeypatch.delenv("INTERLOCK_APPROVER", raising=False)
    return made


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    """What a command leaves behind."""
    capsys.readouterr()
    code = run(["audit", *arguments])
    return Outcome(code, *capsys.readouterr())


def tamper(audited: Audited) -> None:
    """Change one record."""
    database = Database(read_url(audited.url))
    change = update(AUDIT).where(AUDIT.c.stream == LEDGER_STREAM, AUDIT.c.seq == 5).values(payload="{}")
    database.write_now(lambda connection: connection.execute(change))
    database.close()


def test_show_tells_in_order_what_happened_and_records_who_looked(
    audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    first = called(capsys, "show", RUN.workflow_id, "--as", "otto")
    assert first.code == 0
    told = [line for line in first.out.splitlines() if line and not line.startswith((" ", "next:"))]
    assert "run started by ada" in told[0]
    assert "decision by dana  approve refund/A-17#1" in told[1]
    assert "claimed by ada" in told[2]
    assert "run ended" in told[-1]
    assert "evidence" not in first.out, "what is empty is left out"

    second = called(capsys, "show", RUN.workflow_id, "--as", "erin", "--json").document

    assert (second[-1]["kind"], second[-1]["who"], second[-1]["stream"]) == (
        "read",
        "otto",
        stream_of(RUN.workflow_id),
    )
    assert [each["seq"] for each in second] == list(range(1, 35))


def test_show_of_a_run_that_nobody_knows_is_refused_and_recorded_nowhere(
    audited: Audited, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = called(capsys, "show", "refund/nothing")

    assert (outcome.code, outcome.out) == (1, "")
    assert "nothing is recorded of a run 'refund/nothing'" in outcome.err
    assert audited.verify().records == 64


def test_verify_ends_with_the_code_of_what_it_found(audited: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    key = ("--key", public_half(audited.key))
    whole = called(capsys, "verify", *key)
    assert (whole.code, whole.out.splitlines()[-1]) == (0, "the audit chain is whole")
    assert "64 records, 4 checkpoints" in whole.out

    unknown = called(capsys, "verify")
    assert unknown.code == 2
    assert "no key is known" in unknown.out

    tamper(audited)
    changed = called(capsys, "verify", *key)
    assert changed.code == 1
    assert f"WRONG {LEDGER_STREAM} 5: was changed" in changed.out
    document = called(capsys, "verify", *key, "--json").document
    assert (document["verdict"], document["findings"][0]["seq"]) == ("tampered", 5)


def test_verify_takes_the_key_that_signs_here_from_the_settings(
    audited: Audited, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    audited.write_key(tmp_path / "audit.key")
    assert called(capsys, "verify").code == 2, "outside development only a key that is named counts"
    monkeypatch.setenv("INTERLOCK_AUDIT_KEY_FILE", str(tmp_path / "audit.key"))
    assert called(capsys, "verify").code == 0
    monkeypatch.delenv("INTERLOCK_AUDIT_KEY_FILE")
    monkeypatch.setenv("INTERLOCK_MODE", "development")
    assert called(capsys, "verify").code == 0

    (tmp_path / "audit.key").chmod(0o644)
    refused = called(capsys, "verify")
    assert (refused.code, "chmod 600" in refused.err) == (2, True)


def test_verify_without_checkpoints_says_where_they_are_looked_for(
    audited: Audited, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    moved = audited.file.rename(tmp_path / "elsewhere")
    key = ("--key", public_half(audited.key))

    assert called(capsys, "verify", *key).code == 2
    assert called(capsys, "verify", *key, "--checkpoints", str(moved)).code == 0
    missing = called(capsys, "verify", *key, "--checkpoints", str(tmp_path / "missing"))
    assert (missing.code, "cannot be read" in missing.err) == (2, True)


def test_a_key_that_is_none_is_refused(audited: Audited, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = called(capsys, "verify", "--key", "nonsense")

    assert outcome.code == 2
    assert "--key takes a public key" in outcome.err


def test_an_export_verifies_where_there_is_no_store_and_shows_what_was_changed(
    audited: Audited, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    to = tmp_path / "chain.jsonl"
    written = called(capsys, "export", "--to", str(to), "--as", "otto")
    assert written.code == 0
    assert f"wrote 65 records and 4 checkpoints to {to}" in written.out
    assert "otto" in to.read_text()
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    again = called(capsys, "export", "--to", str(to))
    assert (again.code, again.err) == (2, f"--to {str(to)!r} is there already; name a file there is not\n")
    nowhere = called(capsys, "export", "--to", str(tmp_path / "no" / "chain.jsonl"))
    assert (nowhere.code, "the folder does not exist; make it, or name another" in nowhere.err) == (2, True)
    monkeypatch.setenv("INTERLOCK_STORE", "sqlite:////nowhere/store.db")
    key = ("--key", public_half(audited.key))

    whole = called(capsys, "verify", "--export", str(to), *key)
    assert (whole.code, whole.out.splitlines()[-1]) == (0, "the audit chain is whole")
    assert "where a loss would not show yet: 1 records" in whole.out

    lines = to.read_text().splitlines(keepends=True)
    document = json.loads(lines[20])
    document["link"]["previous"] = document["link"]["hash"]
    to.write_text("".join([*lines[:20], json.dumps(document) + "\n", *lines[21:]]))
    assert called(capsys, "verify", "--export", str(to), *key).code == 1
    assert called(capsys, "verify", "--export", str(to), "--with-history").code == 2

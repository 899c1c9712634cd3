"""An export verifies anywhere with nothing but a public key, and shows whatever was done to it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.signing import key_id_of, public_half
from tests.workers.store.audited import DEPLOYMENT, LEDGER_STREAM, Audited
from tests.workers.store.samples import DIGEST, at
from workers.resources.audit.export import ExportUnusable, verify_export, write_export
from workers.resources.audit.findings import Report, Verdict
from workers.resources.checkpoint_file import read_lines
from workers.resources.store import Store


@pytest.fixture
async def audited(store_url: str, tmp_path: Path) -> Audited:
    """A store with a chain and checkpoints."""
    made = Audited(store_url, tmp_path / "checkpoints.jsonl")
    await made.fill()
    return made


def exported(audited: Audited, to: Path, with_content: bool = False) -> list[dict[str, Any]]:
    """The lines of an export of the whole chain."""
    store, files = Store.open(audited.url), {audited.file.name: list(read_lines(audited.file))}
    with to.open("w") as out:
        store.at_one_moment(lambda connection: write_export(connection, files, DEPLOYMENT, at(0), out, with_content))
    store.close()
    return [json.loads(line) for line in to.read_text().splitlines()]


def verified(path: Path, key: Ed25519PrivateKey | None) -> Report:
    """What a verification says that knows this key, or none."""
    publics = [public_half(key)] if key is not None else []
    return verify_export(path, {key_id_of(public): public for public in publics})[1]


def rewrite(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace an export."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


async def test_an_export_is_whole_for_whoever_knows_the_public_key(audited: Audited, tmp_path: Path) -> None:
    lines = exported(audited, tmp_path / "chain.jsonl")

    report = verified(tmp_path / "chain.jsonl", audited.key)

    assert report.verdict is Verdict.OK, report.findings
    assert (report.records, report.checkpoints, report.uncovered) == (64, 4, 0)
    assert lines[0]["header"] == {
        "interlock_audit": 1,
        "deployment": DEPLOYMENT,
        "key_ids": [key_id_of(public_half(audited.key))],
        "exported_at": "2026-11-20T09:00:00.000Z",
    }


async def test_without_the_key_an_export_cannot_be_verified_and_a_wrong_one_is_told(
    audited: Audited, tmp_path: Path
) -> None:
    exported(audited, tmp_path / "chain.jsonl")

    assert verified(tmp_path / "chain.jsonl", None).verdict is Verdict.UNVERIFIABLE
    assert verified(tmp_path / "chain.jsonl", Ed25519PrivateKey.generate()).verdict is Verdict.TAMPERED


async def test_contents_go_along_when_they_are_wanted_and_are_checked(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "chain.jsonl"
    assert not any("content" in line for line in exported(audited, path))
    lines = exported(audited, path, with_content=True)
    contents = [line for line in lines if "content" in line]
    assert len(contents) == 8
    assert any(DIGEST in note for note in verified(path, audited.key).notes)

    contents[0]["content"]["base64"] = "b3RoZXI="
    rewrite(path, lines)

    report = verified(path, audited.key)
    assert report.verdict is Verdict.TAMPERED
    assert contents[0]["content"]["address"] in report.findings[0].problem


async def test_a_record_that_was_changed_in_an_export_is_found_where_it_stands(
    audited: Audited, tmp_path: Path
) -> None:
    path = tmp_path / "chain.jsonl"
    lines = exported(audited, path)
    (changed,) = [
        line["link"]
        for line in lines
        if line.get("link", {}).get("stream") == LEDGER_STREAM and line["link"]["seq"] == 9
    ]
    changed["payload"] = changed["payload"].replace("worker-1", "worker-2").replace("09:", "10:")
    rewrite(path, lines)

    report = verified(path, audited.key)

    assert (report.findings[0].stream, report.findings[0].seq) == (LEDGER_STREAM, 9)


async def test_an_export_that_was_cut_off_is_never_whole(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "chain.jsonl"
    lines = exported(audited, path)
    whole = path.read_bytes()

    rewrite(path, lines[:-1])
    assert verified(path, audited.key).verdict is Verdict.INCOMPLETE
    path.write_bytes(whole[:-3])
    assert verified(path, audited.key).verdict is Verdict.INCOMPLETE
    rewrite(path, [*lines[:-2], lines[-1]])
    assert verified(path, audited.key).verdict is Verdict.TAMPERED


async def test_a_line_that_means_nothing_is_found_by_its_number(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "chain.jsonl"
    lines = exported(audited, path)
    rewrite(path, [*lines[:9], {"strange": 1}, *lines[9:]])

    report = verified(path, audited.key)

    assert [(found.stream, found.seq) for found in report.findings] == [("chain.jsonl", 10)]


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    for text in ("", "hello\n", "{}\n"):
        path.write_text(text)
        with pytest.raises(ExportUnusable, match="does not begin like an export"):
            verified(path, None)
    with pytest.raises(ExportUnusable, match="cannot be read"):
        verified(tmp_path / "missing", None)

"""Whoever changes the chain, its checkpoints or what it tells of is found out, and where."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Table, insert, select, update

from contracts.audit import GENESIS
from contracts.canonical import digest
from tests.stores import BOTH
from tests.workers.store.audited import (
    LEDGER_STREAM,
    RULED_STREAM,
    Audited,
    call,
    link_rows,
    new_store,
    put_link_rows,
)
from tests.workers.store.samples import at
from tests.workers.store.tampering import WITH_TRACES, WITHOUT_TRACES, Tampering, swap_payloads, swap_rows, truncate
from workers.resources.audit.findings import Report, Verdict
from workers.resources.checkpoints import ChainWentBackwards, Checkpoints
from workers.resources.store import Store
from workers.resources.store.schema import (
    ACTIVATIONS,
    AUDIT,
    AUDIT_HEADS,
    CONTENTS,
    DECISIONS,
    LEDGER,
    STARTS,
)

pytestmark = pytest.mark.many

POSITIONS = 8
SWAPS = (swap_payloads, swap_rows)
"""The last row changes places with the first."""


@pytest.fixture(scope="module", params=BOTH)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """A store that nobody has tampered with; every test leaves it so."""
    folder = tmp_path_factory.mktemp("audited")
    made = Audited(new_store(request, folder), folder / "checkpoints.jsonl")
    asyncio.run(made.fill())
    yield made
    assert made.verify().found == 0


@pytest.fixture
def lines(audited: Audited) -> Iterator[list[dict[str, Any]]]:
    """The lines of the checkpoint file, which is afterwards as it was."""
    text = audited.file.read_text()
    yield [json.loads(line) for line in text.splitlines()]
    audited.file.write_text(text)


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    """Replace a file of checkpoints."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def tampered(kind: Tampering, stream: str, position: int, chance: Random) -> Callable[[Connection], None]:
    """The tampering, done to the rows of a stream."""

    def tamper(connection: Connection) -> None:
        put_link_rows(connection, stream, kind(link_rows(connection, stream), position, chance))

    return tamper


def places(seed: str) -> Iterator[tuple[Random, str, int]]:
    """Streams and positions, the first and the last always among them."""
    chance = Random(seed)
    lengths = {LEDGER_STREAM: 33, RULED_STREAM: 30}
    for stream, length in lengths.items():
        for position in (1, length, *(chance.randrange(2, length) for _ in range(POSITIONS - 2))):
            yield chance, stream, position


def test_what_nobody_has_touched_is_whole(audited: Audited) -> None:
    report = audited.verify()

    assert report.verdict is Verdict.OK, report.findings
    assert (report.records, report.checkpoints, report.uncovered) == (64, 4, 0)


@pytest.mark.parametrize("kind", [*WITH_TRACES, *WITHOUT_TRACES], ids=lambda kind: str(kind.__name__))
def test_every_kind_of_tampering_is_found_where_it_was_done(audited: Audited, kind: Tampering) -> None:
    for chance, stream, position in places(kind.__name__):
        report = audited.verify(tampered(kind, stream, position, chance))

        assert report.verdict is Verdict.TAMPERED, (stream, position)
        first = report.findings[0]
        assert first.stream == stream, (stream, position, first)
        assert first.covers(position) or (kind in SWAPS and first.covers(1)), (position, first)
        if kind in WITH_TRACES[:1]:
            assert (first.seq, first.through) == (position, 0)


@pytest.mark.parametrize("kind", WITHOUT_TRACES, ids=lambda kind: str(kind.__name__))
def test_without_checkpoints_a_chain_that_was_made_anew_looks_whole(audited: Audited, kind: Tampering) -> None:
    for chance, stream, position in places(kind.__name__):
        if stream == RULED_STREAM and position > 1:
            report = audited.verify(tampered(kind, stream, position, chance), with_checkpoints=False)

            assert report.found == 0, report.findings
            assert report.verdict is Verdict.UNVERIFIABLE


def test_a_head_row_that_says_something_else_than_its_stream_is_found(audited: Audited) -> None:
    for change, place in (({"seq": 29}, 30), ({"seq": 31}, 31), ({"hash": GENESIS}, 30)):
        report = audited.verify(lambda connection, change=change: change_head(connection, change))  # type: ignore[misc]

        assert [(found.stream, found.seq) for found in report.findings] == [(RULED_STREAM, place)]


def change_head(connection: Connection, change: dict[str, Any]) -> None:
    """Change the head row of the stream of rulings."""
    connection.execute(update(AUDIT_HEADS).where(AUDIT_HEADS.c.stream == RULED_STREAM).values(**change))


@pytest.mark.parametrize("column", ["workflow_id", "first_run_id", "kind", "once"])
def test_a_column_that_repeats_a_record_wrongly_is_found(audited: Audited, column: str) -> None:
    change = update(AUDIT).where(AUDIT.c.stream == RULED_STREAM, AUDIT.c.seq == 7).values({column: "something"})

    report = audited.verify(lambda connection: connection.execute(change))

    assert [(found.stream, found.seq) for found in report.findings] == [(RULED_STREAM, 7)]


CHANGES: dict[str, Any] = {
    "workflow_id": "refund/A-18",
    "first_run_id": "run-9",
    "step": "another",
    "occurrence": "2",
    "server": "bank",
    "tool": "pay",
    "pin": digest(b"other"),
    "effect_class": "read",
    "purpose": "compensation",
    "action_digest": digest(b"other"),
    "arguments": {"amount": "4000.00"},
    "claimed_at": at(59),
    "state": "said_no",
    "generation": 2,
    "sends": 2,
    "owner": "worker-9",
    "first_sent_at": at(59),
    "last_sent_at": at(59),
    "outcome": {"status": "done"},
    "content": None,
    "finished_at": at(59),
    "resource": digest(b"other"),
    "question": digest(b"other"),
    "lookups": 1,
    "looked_up_at": at(59),
}


def test_any_change_of_a_ledger_entry_is_found_at_its_last_record(audited: Audited) -> None:
    assert CHANGES.keys() | {"key"} == {column.name for column in LEDGER.columns}
    for column, value in CHANGES.items():
        report = audited.verify(changed(LEDGER, "key", "key-4", {column: value}))

        assert len(report.findings) == 1, (column, report.findings)
        assert (report.findings[0].stream, report.findings[0].seq) == (LEDGER_STREAM, 14), column
        assert column in report.findings[0].problem


def test_an_entry_that_was_put_in_or_taken_out_is_found(audited: Audited) -> None:
    def forge(connection: Connection) -> None:
        row = dict(connection.execute(select(LEDGER).where(LEDGER.c.key == "key-4")).mappings().one())
        connection.execute(insert(LEDGER), row | {"key": "key-99"})

    assert problems(audited.verify(forge)) == [
        (LEDGER_STREAM, 0, "ledger entry 'key-99' stands in the store, and no record tells of it")
    ]
    gone = audited.verify(lambda connection: connection.execute(LEDGER.delete().where(LEDGER.c.key == "key-4")))
    assert problems(gone) == [(LEDGER_STREAM, 14, "this tells of ledger entry 'key-4', which is not in the store")]


@pytest.mark.parametrize("column", ["statement", "approver", "approval_id", "first_run_id", "used_at"])
def test_any_change_of_a_decision_is_found_at_its_record(audited: Audited, column: str) -> None:
    nonce = "n-1234567890abcdef"
    value = at(50) if column == "used_at" else "mallory"

    report = audited.verify(changed(DECISIONS, "nonce", nonce, {column: value}))

    assert [(found.stream, found.seq) for found in report.findings] == [(LEDGER_STREAM, 2)]
    assert column in report.findings[0].problem


def test_a_decision_that_was_put_in_or_taken_out_is_found(audited: Audited) -> None:
    forged = {"nonce": "forged", "statement": "s", "approver": "mallory", "approval_id": "a", "first_run_id": "r"}

    put_in = audited.verify(lambda connection: connection.execute(insert(DECISIONS), forged | {"used_at": at(1)}))
    taken_out = audited.verify(lambda connection: connection.execute(DECISIONS.delete()))

    assert [found.stream for found in put_in.findings] == ["decisions"]
    assert [(found.stream, found.seq) for found in taken_out.findings] == [(LEDGER_STREAM, 2)]


def test_a_document_that_became_active_unrecorded_is_found(audited: Audited) -> None:
    def forge(connection: Connection) -> None:
        row = dict(connection.execute(select(ACTIVATIONS)).mappings().one())
        connection.execute(insert(ACTIVATIONS), row | {"version": 2})

    report = audited.verify(forge)

    assert [(found.stream, found.seq) for found in report.findings] == [("governance", 0)]


@pytest.mark.parametrize(
    ("column", "value"), [("automation", "errand"), ("ending", "declined"), ("registered_at", at(9))]
)
def test_a_start_record_that_was_changed_is_found(audited: Audited, column: str, value: Any) -> None:
    report = audited.verify(changed(STARTS, "first_run_id", "run-1", {column: value}))

    assert [found.stream for found in report.findings] == [LEDGER_STREAM]
    assert column in report.findings[0].problem


def test_a_content_that_was_changed_is_found_and_one_that_is_not_there_is_said(audited: Audited) -> None:
    def change(connection: Connection) -> None:
        address = connection.scalar(select(LEDGER.c.content).where(LEDGER.c.key == "key-4"))
        connection.execute(update(CONTENTS).where(CONTENTS.c.address == address).values(content=b"other"))

    assert [(found.stream, found.seq) for found in audited.verify(change).findings] == [(LEDGER_STREAM, 14)]
    untouched = audited.verify()
    assert untouched.found == 0
    assert any(f"{digest(b'something')} is not there" in note for note in untouched.notes)


@pytest.mark.parametrize("line", [1, 2, 4])
@pytest.mark.parametrize("field", ["v", "deployment", "number", "at", "heads", "previous", "key_id", "signature"])
def test_an_edited_checkpoint_is_found_at_its_line(
    audited: Audited, lines: list[dict[str, Any]], field: str, line: int
) -> None:
    edited = lines[line - 1]
    change: Any = f"{edited[field]}x"
    if field == "heads":
        change = edited[field] | {RULED_STREAM: {"seq": 1, "hash": GENESIS}}
    elif field in ("v", "number"):
        change = 7
    elif field == "at":
        change = "2026-11-20T09:00:00.001Z"
    edited[field] = change
    write(audited.file, lines)

    report = audited.verify()

    assert (report.findings[0].stream, report.findings[0].seq) == (audited.file.name, line)


def test_a_checkpoint_that_was_taken_out_doubled_or_moved_is_found(
    audited: Audited, lines: list[dict[str, Any]]
) -> None:
    for changed_lines, line in (
        (lines[1:], 1),
        ([lines[0], *lines[2:]], 2),
        ([lines[0], *lines], 2),
        ([lines[1], lines[0], *lines[2:]], 1),
    ):
        write(audited.file, changed_lines)
        found = audited.verify().findings[0]
        assert (found.stream, found.seq) == (audited.file.name, line)


def test_a_checkpoint_by_a_key_that_nobody_trusts_is_found(audited: Audited) -> None:
    stranger = Audited(audited.url, audited.file, Ed25519PrivateKey.generate())

    found = stranger.verify().findings[0]

    assert (found.stream, found.seq) == (audited.file.name, 1)
    assert "which was not given" in found.problem


@pytest.mark.usefixtures("lines")
def test_a_line_that_was_cut_off_while_it_was_written_is_said_and_the_next_one_continues(audited: Audited) -> None:
    with audited.file.open("a") as file:
        file.write('{"v":1,"deplo')
    report = audited.verify()
    assert report.verdict is Verdict.OK, report.findings
    assert any("cut off" in note for note in report.notes)

    with audited.file.open("a") as file:
        file.write("\n")
    assert audited.verify().verdict is Verdict.TAMPERED


def test_without_a_checkpoint_or_a_key_nothing_is_called_whole(audited: Audited, lines: list[dict[str, Any]]) -> None:
    assert lines
    audited.file.write_text("")

    report = audited.verify()

    assert (report.verdict, report.found) == (Verdict.UNVERIFIABLE, 0)
    assert "no checkpoint" in report.unverifiable


def test_nothing_is_signed_over_a_chain_that_went_backwards(audited: Audited, lines: list[dict[str, Any]]) -> None:
    for kind in WITHOUT_TRACES:
        heads = Rewritten(audited, kind)
        checkpoints = Checkpoints(heads, audited.file, audited.key, lines[0]["deployment"])
        with pytest.raises(ChainWentBackwards, match=RULED_STREAM):
            checkpoints.take()
    assert len(audited.file.read_text().splitlines()) == len(lines)


class Rewritten:
    """Heads of a store whose stream of rulings was rewritten, and grew afterwards."""

    def __init__(self, audited: Audited, kind: Tampering) -> None:
        self._audited, self._kind = audited, kind

    def heads_now(self) -> Any:
        """One more record than before in every stream."""
        store = Store.open(self._audited.url)
        heads = store.audit.heads_now()
        store.close()
        return {name: head.model_copy(update={"seq": head.seq + 1}) for name, head in heads.items()}

    def hashes_now(self, heads: Any) -> Any:
        """What the rewritten stream holds where its head was."""
        store = Store.open(self._audited.url)
        hashes = store.audit.hashes_now(heads)
        rows = store.at_one_moment(lambda connection: link_rows(connection, RULED_STREAM))
        store.close()
        rewritten = {row["seq"]: row["hash"] for row in self._kind(rows, 11, Random(1))}
        hashes.pop(RULED_STREAM)
        place = heads[RULED_STREAM].seq
        return hashes | ({RULED_STREAM: rewritten[place]} if place in rewritten else {})


def test_records_after_the_last_checkpoint_are_said_and_only_old_ones_are_missed(tmp_path: Path) -> None:
    audited = Audited(f"sqlite:///{tmp_path}/store.db", tmp_path / "checkpoints.jsonl")
    asyncio.run(audited.fill())
    store = Store.open(audited.url)
    asyncio.run(call(store, 11))
    store.close()

    audited.now = at(13)
    fresh = audited.verify()
    audited.now = at(20)
    late = audited.verify()

    assert (fresh.uncovered, fresh.verdict) == (3, Verdict.OK)
    assert (late.uncovered, late.verdict) == (3, Verdict.INCOMPLETE)
    cut = audited.verify(tampered(truncate, LEDGER_STREAM, 20, Random(1)))
    assert cut.verdict is Verdict.TAMPERED
    assert cut.findings[0].covers(20)
    assert "the stream ends at 19" in cut.findings[0].problem


def changed(table: Table, key: str, name: str, values: dict[str, Any]) -> Callable[[Connection], Any]:
    """Change one row."""
    return lambda connection: connection.execute(update(table).where(table.c[key] == name).values(**values))


def problems(report: Report) -> list[tuple[str, int, str]]:
    """What was found, and where."""
    return [(found.stream, found.seq, found.problem) for found in report.findings]

"""Checkpoints: signed statements over the heads of the chain, taken in time, appended and never rewritten."""

import asyncio
import fcntl
import logging
import os
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contracts.audit import Checkpoint, StreamHead
from contracts.canonical import digest
from contracts.signing import SignedFor, is_signed_by, key_id_of, public_half, sign
from workers.resources.audit.signed_heads import signed_heads
from workers.resources.checkpoint_file import CheckpointsBusy, CheckpointsUnusable, Line, appending, read_lines
from workers.resources.checkpoints import ChainWentBackwards, Checkpoints
from workers.resources.key_file import KeyFileUnusable, read_key, read_or_make_key

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
PATIENCE = 10
SOON = timedelta(milliseconds=10)
NEVER = timedelta(days=1)


class Growing:
    """A chain of one stream that grows when it is told to."""

    def __init__(self) -> None:
        self.hashes: list[str] = []
        self.looked = 0

    def grow(self, records: int) -> None:
        """So many more records."""
        start = len(self.hashes)
        self.hashes += [digest(str(number).encode()) for number in range(start, start + records)]

    def heads_now(self) -> dict[str, StreamHead]:
        """See workers.resources.checkpoints.Heads."""
        self.looked += 1
        return {"runs-1": StreamHead(seq=len(self.hashes), hash=self.hashes[-1])} if self.hashes else {}

    def hashes_now(self, heads: Mapping[str, StreamHead]) -> dict[str, str]:
        """See workers.resources.checkpoints.Heads."""
        return {name: self.hashes[head.seq - 1] for name, head in heads.items() if head.seq <= len(self.hashes)}


@pytest.fixture
def chain() -> Growing:
    """An empty chain."""
    return Growing()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where checkpoints go; it does not exist yet."""
    return tmp_path / "audit" / "checkpoints.jsonl"


KEY = Ed25519PrivateKey.generate()


def taken_by(chain: Growing, file: Path, now: Callable[[], datetime] = lambda: NINE) -> Checkpoints:
    """What a worker takes checkpoints with."""
    return Checkpoints(chain, file, KEY, "stories", now)


def in_file(file: Path) -> list[Checkpoint]:
    """The checkpoints in the file."""
    return [line.checkpoint for line in read_lines(file) if line.checkpoint is not None]


def test_a_checkpoint_names_every_head_continues_the_last_one_and_is_signed(chain: Growing, file: Path) -> None:
    checkpoints = taken_by(chain, file)
    for _ in range(3):
        chain.grow(5)
        checkpoints.take()

    first, second, third = in_file(file)
    assert [each.heads["runs-1"].seq for each in (first, second, third)] == [5, 10, 15]
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert (first.previous, second.previous, third.previous) == ("", digest(first), digest(second))
    assert is_signed_by(public_half(KEY), SignedFor.CHECKPOINT, third, third.signature)
    assert third.key_id == key_id_of(public_half(KEY))
    assert stat.S_IMODE(file.stat().st_mode) & 0o022 == 0


def test_no_checkpoint_is_taken_while_nothing_is_new(chain: Growing, file: Path) -> None:
    checkpoints = taken_by(chain, file)
    assert checkpoints.take() is None
    chain.grow(1)
    assert checkpoints.take() is not None
    assert checkpoints.take() is None
    assert len(in_file(file)) == 1


def test_a_checkpoint_is_due_after_a_hundred_records_or_a_minute_whichever_comes_first(
    chain: Growing, file: Path
) -> None:
    now = [NINE]
    checkpoints = taken_by(chain, file, lambda: now[0])
    due = {"records": 100, "every": timedelta(seconds=60)}
    chain.grow(1)
    assert checkpoints.take(**due) is not None  # type: ignore[arg-type]
    chain.grow(99)
    now[0] += timedelta(seconds=59)
    assert checkpoints.take(**due) is None  # type: ignore[arg-type]
    chain.grow(1)
    assert checkpoints.take(**due) is not None  # type: ignore[arg-type]
    chain.grow(1)
    now[0] += timedelta(seconds=60)
    assert checkpoints.take(**due) is not None  # type: ignore[arg-type]


def test_workers_that_share_a_file_continue_each_other(chain: Growing, file: Path) -> None:
    rivals = [taken_by(chain, file) for _ in range(3)]
    for number in range(9):
        chain.grow(1)
        rivals[number % 3].take()

    signed = signed_heads({"file": read_lines(file)}, {key_id_of(public_half(KEY)): public_half(KEY)})
    assert (signed.count, signed.findings) == (9, [])


def test_a_file_that_another_worker_holds_is_left_alone(chain: Growing, file: Path) -> None:
    chain.grow(1)
    with appending(file), pytest.raises(CheckpointsBusy):
        taken_by(chain, file).take()
    assert taken_by(chain, file).take() is not None


def test_nothing_is_signed_over_a_head_that_is_gone_or_has_become_another(chain: Growing, file: Path) -> None:
    chain.grow(5)
    checkpoints = taken_by(chain, file)
    checkpoints.take()
    chain.hashes = chain.hashes[:4]
    with pytest.raises(ChainWentBackwards, match="'runs-1' no longer holds record 5"):
        checkpoints.take()
    chain.hashes = [digest(b"other")] * 9
    with pytest.raises(ChainWentBackwards):
        checkpoints.take()
    assert len(in_file(file)) == 1


def test_a_file_of_another_deployment_is_refused(chain: Growing, file: Path) -> None:
    chain.grow(1)
    taken_by(chain, file).take()
    chain.grow(1)
    with pytest.raises(CheckpointsUnusable, match="of deployment 'stories', not of 'other'"):
        Checkpoints(chain, file, KEY, "other").take()


def test_after_a_line_that_was_cut_off_the_last_whole_one_is_continued(chain: Growing, file: Path) -> None:
    chain.grow(1)
    taken_by(chain, file).take()
    with file.open("a") as torn:
        torn.write('{"v":1,"depl')
    chain.grow(1)

    taken_by(chain, file).take()

    assert [each.number for each in in_file(file)] == [1, 2]
    signed = signed_heads({"file": read_lines(file)}, {key_id_of(public_half(KEY)): public_half(KEY)})
    assert (signed.findings, signed.notes) == ([], ["line 2 of file was cut off while it was written"])


def test_a_file_that_nobody_may_append_to_is_said_with_its_way_out(chain: Growing, tmp_path: Path) -> None:
    with pytest.raises(CheckpointsUnusable, match="INTERLOCK_AUDIT_CHECKPOINTS"):
        taken_by(chain, tmp_path).take()


async def test_while_a_worker_runs_checkpoints_are_taken_and_one_more_when_it_stops(chain: Growing, file: Path) -> None:
    checkpoints = taken_by(chain, file)
    async with checkpoints.kept(records=10, every=NEVER, looks_every=SOON):
        chain.grow(1)
        await until(lambda: file.exists() and len(in_file(file)) == 1)
        chain.grow(10)
        await until(lambda: len(in_file(file)) == 2)
        chain.grow(3)
        looked = chain.looked
        await until(lambda: chain.looked > looked + 2)
        assert len(in_file(file)) == 2

    assert [each.heads["runs-1"].seq for each in in_file(file)] == [1, 11, 14]


async def test_the_last_checkpoint_waits_for_a_worker_that_is_appending(chain: Growing, file: Path) -> None:
    chain.grow(1)
    async with taken_by(chain, file).kept(every=NEVER, looks_every=SOON):
        await until(lambda: file.exists() and len(in_file(file)) == 1)
        chain.grow(1)
        handle = os.open(file, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        asyncio.get_running_loop().call_later(0.1, os.close, handle)

    assert len(in_file(file)) == 2


async def test_a_chain_that_went_backwards_is_logged_and_the_worker_goes_on(
    chain: Growing, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain.grow(5)
    with caplog.at_level(logging.ERROR):
        async with taken_by(chain, file).kept(every=NEVER, looks_every=SOON):
            await until(lambda: file.exists() and len(in_file(file)) == 1)
            chain.hashes = chain.hashes[:3]
            await until(lambda: "audit_chain_went_backwards" in caplog.text)
            chain.grow(2)
            chain.grow(1)

    assert len(in_file(file)) == 2


async def until(reached: Callable[[], bool]) -> None:
    """Once it is so. Raises AssertionError after a bounded wait."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not reached():
        assert asyncio.get_running_loop().time() < deadline, "it did not come about"
        await asyncio.sleep(0.005)


def test_development_makes_a_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.key"

    made = read_or_make_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_half(read_or_make_key(path)) == public_half(made)
    assert [each.name for each in path.parent.iterdir()] == ["audit.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_key_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit.key"
    read_or_make_key(path)
    path.chmod(mode)

    with pytest.raises(KeyFileUnusable, match="chmod 600"):
        read_key(path)


def test_a_file_without_such_a_key_is_refused_and_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"secret", b"", other):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileUnusable, match="holds no Ed25519 key") as refused:
            read_key(path)
        assert "secret" not in str(refused.value)
    with pytest.raises(KeyFileUnusable, match="cannot be read"):
        read_key(tmp_path / "missing")


HEADS = {"runs-1": StreamHead(seq=5, hash=digest(b"5")), "runs-2": StreamHead(seq=7, hash=digest(b"7"))}
FIRST = Checkpoint(deployment="stories", number=1, at=NINE, heads=HEADS, key_id=key_id_of(public_half(KEY)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"number": 3}, "is checkpoint 3, after checkpoint 1"),
        ({"previous": digest(b"other")}, "does not continue the checkpoint before it"),
        ({"heads": HEADS | {"runs-1": StreamHead(seq=4, hash=digest(b"4"))}}, "goes back in stream 'runs-1'"),
        ({"heads": {"runs-1": HEADS["runs-1"]}}, "goes back in stream 'runs-2'"),
        ({"deployment": "other"}, "is of deployment 'other', not of 'stories'"),
    ],
)
def test_a_checkpoint_that_was_signed_and_still_does_not_continue_the_last_one_is_found(
    changes: dict[str, Any], problem: str
) -> None:
    first = signed_by_us(FIRST)
    second = FIRST.model_copy(update={"number": 2, "previous": digest(first)} | changes)
    lines = [Line(1, first), Line(2, signed_by_us(second))]

    signed = signed_heads({"file": lines}, {FIRST.key_id: public_half(KEY)}, "stories")

    assert [(found.seq, found.problem) for found in signed.findings] == ([(2, problem)] if problem else [])


def test_a_record_that_two_files_sign_differently_is_found() -> None:
    other = FIRST.model_copy(update={"heads": {"runs-1": StreamHead(seq=5, hash=digest(b"other"))}})
    files = {"one": [Line(1, signed_by_us(FIRST))], "two": [Line(1, signed_by_us(other))]}

    signed = signed_heads(files, {FIRST.key_id: public_half(KEY)}, "stories")

    assert [(found.stream, found.seq) for found in signed.findings] == [("runs-1", 5)]


def signed_by_us(checkpoint: Checkpoint) -> Checkpoint:
    """With a genuine signature."""
    return checkpoint.model_copy(update={"signature": sign(KEY, SignedFor.CHECKPOINT, checkpoint)})

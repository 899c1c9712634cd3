"""Checkpoints with a genuine signature that cannot be what a worker has signed: whoever has the key may still lie."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.audit import Checkpoint, StreamHead
from contracts.canonical import digest
from contracts.signing import SignedFor, key_id_of, public_half, sign
from tests.workers.store.samples import at
from workers.resources.audit.signed_heads import SignedHeads, signed_heads
from workers.resources.checkpoint_file import Line

KEY = Ed25519PrivateKey.generate()


def checkpoint(number: int, seq: int, before: Checkpoint | None, **changes: Any) -> Checkpoint:
    """The stream `runs-1` reaches as far as `seq`."""
    unsigned = Checkpoint(
        deployment="here",
        number=number,
        at=at(number),
        heads={"runs-1": StreamHead(seq=seq, hash=digest(str(seq).encode()))},
        previous=digest(before) if before else "",
        key_id=key_id_of(public_half(KEY)),
    ).model_copy(update=changes)
    return unsigned.model_copy(update={"signature": sign(KEY, SignedFor.CHECKPOINT, unsigned)})


def read(*checkpoints: Checkpoint) -> SignedHeads:
    """What a file with these says."""
    lines = [Line(number, each) for number, each in enumerate(checkpoints, start=1)]
    public = public_half(KEY)
    return signed_heads({"file": lines}, {key_id_of(public): public}, "here")


FIRST = checkpoint(1, 10, None)


def test_checkpoints_that_continue_each_other_are_believed() -> None:
    signed = read(FIRST, checkpoint(2, 20, FIRST))
    assert (signed.findings, signed.count, signed.reach("runs-1")) == ([], 2, 20)


def test_a_checkpoint_that_does_not_name_the_one_before_it_is_found() -> None:
    (found,) = read(FIRST, checkpoint(2, 20, checkpoint(1, 11, None))).findings
    assert (found.seq, found.problem) == (2, "does not continue the checkpoint before it")


def test_a_number_that_was_left_out_is_found() -> None:
    (found,) = read(FIRST, checkpoint(3, 20, FIRST)).findings
    assert (found.seq, found.problem) == (2, "is checkpoint 3, after checkpoint 1")


def test_a_genuine_checkpoint_that_goes_back_is_found() -> None:
    (found,) = read(FIRST, checkpoint(2, 9, FIRST)).findings
    assert (found.seq, found.problem) == (2, "goes back in stream 'runs-1'")


def test_a_checkpoint_that_leaves_a_stream_out_is_found() -> None:
    (found,) = read(FIRST, checkpoint(2, 20, FIRST, heads={})).findings
    assert (found.seq, found.problem) == (2, "goes back in stream 'runs-1'")


def test_a_genuine_checkpoint_of_another_deployment_is_found() -> None:
    (found,) = read(checkpoint(1, 10, None, deployment="elsewhere")).findings
    assert (found.seq, found.problem) == (1, "is of deployment 'elsewhere', not of 'here'")

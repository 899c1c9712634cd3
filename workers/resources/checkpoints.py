"""Checkpoints of the audit chain: signed statements over all heads, taken while a worker runs, outside the store."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.audit import Checkpoint, StreamHead
from contracts.canonical import digest
from contracts.signing import SignedFor, key_id_of, public_half, sign
from workers.resources.checkpoint_file import CheckpointsBusy, CheckpointsUnusable, appending

RECORDS = 100
EVERY = timedelta(seconds=60)
LOOKS_EVERY = timedelta(seconds=1)
LAST_ONE_WITHIN = timedelta(seconds=10)

logger = logging.getLogger(__name__)


def is_overdue(uncovered: int, newest: datetime, now: datetime) -> bool:
    """Whether a checkpoint over so many records, the last of them of `newest`, should have been there long ago."""
    return uncovered > 2 * RECORDS or (uncovered > 0 and now - newest > 2 * EVERY + timedelta(seconds=10))


class Heads(Protocol):
    """What checkpoints need of the store. Both block."""

    def heads_now(self) -> dict[str, StreamHead]:
        """How far each stream reaches, at one moment."""

    def hashes_now(self, heads: Mapping[str, StreamHead]) -> dict[str, str]:
        """The hash that stands where each of these heads was; a stream whose link is gone is left out."""


class ChainWentBackwards(Exception):
    """The chain in the store is not a continuation of what the last checkpoint signed: nothing is signed over it."""

    def __init__(self, stream: str, signed: StreamHead) -> None:
        super().__init__(
            f"stream {stream!r} no longer holds record {signed.seq} as the last checkpoint signed it; "
            "somebody has changed the store: run `interlock audit verify`"
        )


class Checkpoints:
    """One file, to which this worker appends, alone or with others. Numbers grow by one; heads never go backwards."""

    def __init__(
        self,
        heads: Heads,
        file: Path,
        key: Ed25519PrivateKey,
        deployment: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._heads, self._file, self._key, self._deployment, self._now = heads, file, key, deployment, now
        self._key_id = key_id_of(public_half(key))

    def take(self, records: int = 1, every: timedelta = timedelta(0)) -> Checkpoint | None:
        """Append a checkpoint when so many records are new, or fewer and the last one is so old. Blocks.

        Raises ChainWentBackwards, CheckpointsBusy, CheckpointsUnusable, StoreUnreachable.
        """
        with appending(self._file) as held:
            last = held.last()
            if last is not None and last.deployment != self._deployment:
                raise CheckpointsUnusable(
                    f"{str(self._file)!r} holds checkpoints of deployment {last.deployment!r}, not of "
                    f"{self._deployment!r}; name another file in INTERLOCK_AUDIT_CHECKPOINTS"
                )
            heads = self._heads.heads_now()  # after the lock: later than what any rival has signed
            new = self._new_records(heads, last)
            is_old = last is None or self._now() - last.at >= every
            if new == 0 or (new < records and not is_old):
                return None
            checkpoint = self._signed(heads, last)
            held.append(checkpoint)
            return checkpoint

    def _new_records(self, heads: Mapping[str, StreamHead], last: Checkpoint | None) -> int:
        signed = last.heads if last is not None else {}
        standing = self._heads.hashes_now(signed)
        for stream, head in signed.items():
            if standing.get(stream) != head.hash or stream not in heads or heads[stream].seq < head.seq:
                raise ChainWentBackwards(stream, head)
        return sum(head.seq for head in heads.values()) - sum(head.seq for head in signed.values())

    def _signed(self, heads: dict[str, StreamHead], last: Checkpoint | None) -> Checkpoint:
        checkpoint = Checkpoint(
            deployment=self._deployment,
            number=last.number + 1 if last is not None else 1,
            at=self._now(),
            heads=heads,
            previous=digest(last) if last is not None else "",
            key_id=self._key_id,
        )
        signature = sign(self._key, SignedFor.CHECKPOINT, checkpoint)
        return checkpoint.model_copy(update={"signature": signature})

    @asynccontextmanager
    async def kept(
        self, records: int = RECORDS, every: timedelta = EVERY, looks_every: timedelta = LOOKS_EVERY
    ) -> AsyncIterator[None]:
        """Inside the block one is taken every `records` or `every`, whichever comes first; one more when it ends."""
        stopped = asyncio.Event()
        keeping = asyncio.create_task(self._keep(stopped, records, every, looks_every))
        try:
            yield
        finally:
            stopped.set()
            await asyncio.wait({keeping}, timeout=LAST_ONE_WITHIN.total_seconds())
            keeping.cancel()

    async def _keep(self, stopped: asyncio.Event, records: int, every: timedelta, looks_every: timedelta) -> None:
        while not stopped.is_set():
            await self._try(records, every)
            await _set_within(stopped, looks_every)
        stopped.clear()
        while not await self._try(1, timedelta(0)):
            await _set_within(stopped, looks_every / 10)

    async def _try(self, records: int, every: timedelta) -> bool:
        """Whether there is nothing left to wait for."""
        try:
            await asyncio.to_thread(self.take, records, every)
        except CheckpointsBusy:
            return False
        except ChainWentBackwards as backwards:
            logger.error("audit_chain_went_backwards", extra={"problem": str(backwards)})
        except Exception as problem:  # noqa: BLE001 - whatever stands in the way now may be gone at the next look
            logger.warning("checkpoint_not_taken", extra={"problem": str(problem)})
        return True


async def _set_within(event: asyncio.Event, within: timedelta) -> None:
    try:
        await asyncio.wait_for(event.wait(), within.total_seconds())
    except TimeoutError:
        return

"""The pump: sends what stands in the outbox, again and again per recipient, until it is sent or given up."""

import asyncio
import logging
import math
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from activities.clock import Clock
from activities.notices import NoticeRow
from workers.resources.notifying.channel import Channel, NotNow, NotSent, Undeliverable
from workers.resources.store.outbox import SqlOutbox

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""Longer than any channel may take for the notices it sends at once; a dead worker's notices are free after it."""
AT_ONCE = 8
EVERY = timedelta(seconds=2)
STOPS_WITHIN = timedelta(seconds=5)
AFTER_TROUBLE = timedelta(seconds=10)
"""Between two looks at a store that cannot be used."""


@dataclass(frozen=True)
class Backoff:
    """When a notice is tried again, and when it is given up."""

    first: timedelta = timedelta(seconds=5)
    factor: float = 4
    longest: timedelta = timedelta(hours=1)
    attempts: int = 10
    within: timedelta = timedelta(hours=24)
    draw: Callable[[], float] = random.random
    """Between 0 and 1: shortens a wait by up to a fifth, so that not everything comes back at once."""

    def next_at(self, row: NoticeRow, now: datetime, not_before: timedelta) -> datetime | None:
        """The moment of the next attempt; None: it is given up."""
        wait = min(self.first * math.pow(self.factor, row.attempts - 1), self.longest) * (1 - 0.2 * self.draw())
        following = now + max(wait, not_before)
        if row.attempts >= self.attempts or following > row.entered_at + self.within:
            return None
        return following


class Pump:
    """Sends inside its `async with` block. Several workers may pump one outbox."""

    def __init__(
        self,
        outbox: SqlOutbox,
        channels: Sequence[Channel],
        clock: Clock,
        backoff: Backoff | None = None,
        every: timedelta = EVERY,
        after_trouble: timedelta = AFTER_TROUBLE,
    ) -> None:
        self._outbox, self._channels, self._clock = outbox, tuple(channels), clock
        self._backoff = backoff or Backoff()
        self._every, self._after_trouble = every, after_trouble
        self._owner = f"pump-{uuid.uuid4().hex}"
        self._stopping = asyncio.Event()
        self._loops: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        self._loops = tuple(asyncio.create_task(self._keep_sending(channel)) for channel in self._channels)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=STOPS_WITHIN.total_seconds())
            for loop in late:  # what they were sending is free again when the lease is over
                loop.cancel()
            if late:
                await asyncio.wait(late, timeout=STOPS_WITHIN.total_seconds())
        for channel in self._channels:
            await channel.aclose()

    async def once(self, now: datetime) -> int:
        """Send what is due at `now`, at most AT_ONCE per channel; how many notices were tried."""
        return sum(await asyncio.gather(*(self._round(channel, now) for channel in self._channels)))

    async def _keep_sending(self, channel: Channel) -> None:
        while not self._stopping.is_set():
            pause = self._every
            try:
                if await self._round(channel, await self._clock.now()):
                    continue
            except Exception as failure:  # noqa: BLE001 - telling people must go on when the store is back
                logger.warning("notices_held_up", extra={"channel": channel.name, "error": type(failure).__name__})
                pause = self._after_trouble
            await self._paused(pause)

    async def _paused(self, pause: timedelta) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({stopping}, timeout=pause.total_seconds())
        stopping.cancel()

    async def _round(self, channel: Channel, now: datetime) -> int:
        due = await self._outbox.lease(channel.name, self._owner, now + LEASE, now, AT_ONCE)
        told = await asyncio.gather(*(self._tell(channel, row, now) for row in due), return_exceptions=True)
        for failure in told:  # of the store: every other notice has been tried by now
            if failure is not None:
                raise failure
        return len(due)

    async def _tell(self, channel: Channel, row: NoticeRow, now: datetime) -> None:
        try:
            await channel.send(row.notice)
        except Undeliverable as problem:
            await self._give_up(row, now, str(problem))
        except NotSent as problem:
            await self._not_now(row, now, problem)
        except Exception as failure:  # a defect of one channel must not hold up the others
            logger.exception("notice_sender_failed", extra={"channel": channel.name, "notice": row.notice.id})
            await self._not_now(row, now, NotNow(f"unforeseen {type(failure).__name__}; see the worker's log"))
        else:
            await self._outbox.sent(row, now)
            logger.info("notice_sent", extra=_fields(row))

    async def _not_now(self, row: NoticeRow, now: datetime, problem: NotSent) -> None:
        not_before = problem.not_before if isinstance(problem, NotNow) else timedelta(0)
        following = self._backoff.next_at(row, now, not_before)
        if following is None:
            await self._give_up(row, now, f"after {row.attempts} attempts: {problem}")
        elif await self._outbox.failed(row, self._owner, following, str(problem)):
            logger.warning("notice_not_sent", extra=_fields(row) | {"problem": str(problem)})

    async def _give_up(self, row: NoticeRow, now: datetime, problem: str) -> None:
        if await self._outbox.give_up(row, self._owner, now, problem):
            logger.error("notice_undeliverable", extra=_fields(row) | {"problem": problem})


def _fields(row: NoticeRow) -> dict[str, str | int]:
    return {"notice": row.notice.id, "channel": row.channel, "attempt": row.attempts}

"""The sweeper: settles what runs leave behind that were terminated, reset or deleted; one worker does it for all.

It sends nothing, undoes nothing, and says of nothing that was sent whether it happened.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.conversations import RunKey
from activities.inbox import Inbox, InboxEntry, Starts
from activities.notices import Notice, NoticeEvent
from activities.orphans import ORPHANED, Effect, Fate, Fates, Place, Standing, Unsettled
from activities.telling import notices_of, orphaned_of
from contracts.roster import Roster
from workers.resources.store import Store
from workers.resources.store.leases import SqlLeases
from workers.resources.store.unsettled import SqlUnsettled

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "sweeper"
LEASE: Final = timedelta(minutes=3)
RENEWED_EVERY: Final = timedelta(minutes=1)
GRACE: Final = timedelta(minutes=2)
"""What was under way when a run ended has come to its end by then, or will be refused."""
PER_ROUND: Final = 1000
PACE: Final = timedelta(milliseconds=50)
"""Between two runs: Temporal is asked about at most twenty a second."""
LOOKED_BACK: Final = timedelta(days=1)
"""A worker that begins to sweep looks so far back for resets."""
LISTS_LAG: Final = timedelta(minutes=5)
FAILURES_IN_A_ROW: Final = 5
STOPS_WITHIN: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class Bounds:
    """How much a sweeper does, and how gently."""

    grace: timedelta = GRACE
    per_round: int = PER_ROUND
    pace: timedelta = PACE


@dataclass
class Round:
    """What one round came to."""

    looked_at: int = 0
    swept: int = 0
    orphaned_requests: int = 0
    reopened_requests: int = 0
    without_verdict: int = 0
    failed: int = 0


class Sweeper:
    """Any number of workers have one; whoever holds the lease sweeps."""

    def __init__(
        self,
        store: Store,
        fates: Fates,
        authority: Authority,
        clock: Clock,
        bounds: Bounds | None = None,
    ) -> None:
        self._unsettled: SqlUnsettled = store.orphans
        self._leases: SqlLeases = store.leases
        self._inbox: Inbox = store.inbox
        self._starts: Starts = store.starts
        self._fates, self._authority, self._clock = fates, authority, clock
        self._bounds = bounds or Bounds()
        self._owner = f"sweeper-{uuid.uuid4().hex}"
        self._stopped = asyncio.Event()
        self._after: Place | None = None
        """Where the next round goes on; None: from the beginning."""
        self._looked_at: datetime | None = None
        self._to_be_asked: set[RunKey] = set()
        """Runs that may have been reset, and have not yet said what they wait for."""

    @asynccontextmanager
    async def sweeping(self, every: timedelta) -> AsyncIterator[None]:
        """Sweep again and again inside the block."""
        self._stopped.clear()
        loop = asyncio.create_task(self._keep_sweeping(every))
        try:
            yield
        finally:
            self._stopped.set()
            await asyncio.wait({loop}, timeout=STOPS_WITHIN.total_seconds())
            loop.cancel()

    async def once(self) -> Round | None:
        """One round; None when another worker holds the lease."""
        now = await self._clock.now()
        if not await self._hold(now):
            return None
        done, held_since, in_a_row = Round(), now, 0
        again = await self._begun_again(now)
        places = await self._unsettled.page(self._after, now - self._bounds.grace, self._bounds.per_round)
        for run, place in [*((run, None) for run in again), *((place.run, place) for place in places)]:
            now = await self._clock.now()
            if now - held_since > RENEWED_EVERY:
                if not await self._hold(now):
                    return done
                held_since = now
            # Runs that may have been reset are asked themselves, and may not answer: that says nothing of Temporal.
            in_a_row = 0 if await self._tried(run, done) else in_a_row + (place is not None)
            self._after = place or self._after
            if in_a_row >= FAILURES_IN_A_ROW or await self._stopped_within(self._bounds.pace):
                return done
        if len(places) < self._bounds.per_round:
            self._after = None
        return done

    async def _begun_again(self, now: datetime) -> tuple[RunKey, ...]:
        """Runs that may have been reset since the last look, ended ones included: they began after they registered."""
        since = (self._looked_at or now - LOOKED_BACK) - LISTS_LAG
        try:
            begun = await self._fates.begun_since(since, self._bounds.per_round)
        except Exception as failure:  # noqa: BLE001 - Temporal's lists may be down while it knows every run
            logger.warning("resets_not_listed", extra={"error": type(failure).__name__})
            begun = {}
        else:
            self._looked_at = now
        registered = await self._unsettled.registered(begun)
        self._to_be_asked |= {run for run, at in registered.items() if begun[run.workflow_id] > at}
        return tuple(sorted(self._to_be_asked, key=lambda run: (run.workflow_id, run.first_run_id)))

    async def _keep_sweeping(self, every: timedelta) -> None:
        while not await self._stopped_within(every):
            try:
                done = await self.once()
            except Exception as failure:  # noqa: BLE001 - whatever stands in the way now may be gone at the next look
                logger.warning("sweep_not_done", extra={"error": type(failure).__name__})
                continue
            if done is not None and (done.swept or done.reopened_requests or done.orphaned_requests or done.failed):
                logger.info("swept", extra=vars(done))
        await self._leases.give_back(LEASE_NAME, self._owner, await self._clock.now())

    async def _hold(self, now: datetime) -> bool:
        return await self._leases.take(LEASE_NAME, self._owner, now + LEASE, now)

    async def _stopped_within(self, span: timedelta) -> bool:
        stopping = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait({stopping}, timeout=span.total_seconds())
        stopping.cancel()
        return self._stopped.is_set()

    async def _tried(self, run: RunKey, done: Round) -> bool:
        done.looked_at += 1
        try:
            await self._sweep(run, done)
        except Exception as failure:  # noqa: BLE001 - one run must not hold up the others
            done.failed += 1
            extra = {"run": run.workflow_id, "error": type(failure).__name__, "problem": str(failure)[:200]}
            logger.warning("run_not_swept", extra=extra)
            return False
        return True

    async def _sweep(self, run: RunKey, done: Round) -> None:
        fate = await self._fates.fate(run)
        left = await self._unsettled.of(run)  # after Temporal was asked: what a run has recorded itself is seen
        if left is None:
            return
        now = await self._clock.now()
        if fate.standing is Standing.RUNNING:
            await self._sweep_living(run, fate, left, now, done)
        else:
            self._to_be_asked.discard(run)
            await self._sweep_ended(run, fate, left, now, done)

    async def _sweep_ended(self, run: RunKey, fate: Fate, left: Unsettled, now: datetime, done: Round) -> None:
        if max(left.changed_at, fate.closed_at or left.changed_at) > now - self._bounds.grace:
            return
        roster = await self._roster()
        for entry in left.open_requests:
            await self._orphan(entry, roster, now)

        def operators_told(effects: tuple[Effect, ...]) -> tuple[Notice, ...]:
            return orphaned_of(run, fate.standing, effects, roster, now)

        swept = await self._unsettled.settle(
            run,
            fate,
            tuple(entry.request_id for entry in left.open_requests),
            now,
            operators_told,
            ended_by_itself=bool(left.ending),
        )
        if not left.ending:  # last: until then the run is found again, should this be interrupted
            await self._starts.end(run, fate.standing.value, now)
        done.swept += 1
        done.orphaned_requests += len(swept.requests)
        done.without_verdict += len(swept.without_verdict)
        logger.info("run_swept", extra={"run": run.workflow_id, "fate": fate.standing.value})

    async def _sweep_living(self, run: RunKey, fate: Fate, left: Unsettled, now: datetime, done: Round) -> None:
        """A living run settles its own affairs; but it does not know of what it asked before it was reset."""
        overdue = any(entry.deadline and entry.deadline < now - self._bounds.grace for entry in left.open_requests)
        if not (fate.reset or overdue) or not left.requests:
            self._to_be_asked.discard(run)
            return
        held = await self._fates.held_requests(run)
        if held is None:
            return
        self._to_be_asked.discard(run)
        roster = await self._roster()
        for entry in left.requests:
            if entry.closed_at is None and entry.request_id not in held:
                await self._orphan(entry, roster, now)
                done.orphaned_requests += 1
            elif entry.closed_at is not None and entry.request_id in held:
                notices = notices_of(entry, NoticeEvent.REQUEST, roster, now, counter=int(now.timestamp()))
                await self._unsettled.reopen(entry, now, notices)
                done.reopened_requests += 1

    async def _orphan(self, entry: InboxEntry, roster: Roster, now: datetime) -> None:
        told = entry.model_copy(update={"outcome": ORPHANED})
        notices = notices_of(told, NoticeEvent.DECIDED, roster, now)
        await self._inbox.close(entry, ORPHANED, "", now, notices)

    async def _roster(self) -> Roster:
        """Settling must go on while nothing is in force; then nobody in particular is told."""
        try:
            return await self._authority.roster()
        except NothingInForce:
            return Roster()

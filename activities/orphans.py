"""Runs that ended without an ending of their own: what Temporal says of them, what is unsettled, and what is reported.

The sweeper in a worker settles them. Nothing is sent again, and of what was sent nothing is said that nobody knows.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import Clock
from activities.conversations import Contents, RunKey
from activities.inbox import InboxEntry
from activities.ledger import LedgerState
from activities.notices import Notice
from contracts.model import Model, Moment

ORPHANED = "orphaned"
"""What became of a request whose run no longer holds it."""
MAX_ORPHANS = 200


class Standing(StrEnum):
    """What Temporal says of a run. All but `running` are the ending of a run that has none of its own."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    """Temporal's Canceled: nothing of ours undid anything, as our own `cancelled` says."""
    TERMINATED = "terminated"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    GONE = "gone"
    """Deleted, or past Temporal's retention."""


class Fate(Model):
    """What became of a run, by Temporal's word."""

    standing: Standing
    temporal_run_id: str = ""
    """Of the last link that Temporal knows; empty when it knows none."""
    closed_at: Moment | None = None
    reset: bool = False
    """Running, and begun by a reset: what the store has of it may be of the life before."""


class Fates(Protocol):
    """What the Temporal server says of runs. Raises whatever stands in the way; it never guesses."""

    async def fate(self, run: RunKey) -> Fate:
        """What became of the run of exactly this chain, whoever else bears its workflow id now."""

    async def begun_since(self, since: Moment, limit: int) -> dict[str, Moment]:
        """Workflow id -> when its current link began, of runs under way: new ones, and those that were reset."""

    async def held_requests(self, run: RunKey) -> frozenset[str] | None:
        """The requests that a running run waits for; None while it does anything else, or does not answer."""


class Place(Model):
    """A run that may be unsettled, where it stands among them: the longest unsettled first."""

    since: Moment
    run: RunKey


class Effect(Model):
    """An effect that was sent and of which nobody knows whether it happened."""

    key: str
    server: str
    tool: str
    step: str
    occurrence: str
    sent_at: Moment


class Unsettled(Model):
    """What stands in the store of one run."""

    ending: str = ""
    """Empty: it has recorded none."""
    changed_at: Moment
    """When anything of it changed last."""
    requests: tuple[InboxEntry, ...] = ()
    """Open and closed."""

    @property
    def open_requests(self) -> tuple[InboxEntry, ...]:
        """Those that people are still asked."""
        return tuple(entry for entry in self.requests if entry.closed_at is None)


class Swept(Model):
    """What was settled of one run."""

    requests: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    """Keys that were claimed and never sent."""
    without_verdict: tuple[Effect, ...] = ()


class Orphan(Model):
    """A run that was swept, as it is reported."""

    workflow_id: str
    first_run_id: str
    ending: str
    swept_at: Moment
    requests: tuple[str, ...] = ()
    """Requests that were closed."""
    abandoned: int = 0
    """Calls that were never sent and no longer will be."""
    without_verdict: tuple[Effect, ...] = ()
    """As it is now: what was answered late is no longer among them."""


class Orphans(Protocol):
    """Runs that were swept and that nobody has acknowledged."""

    async def orphans(self, limit: int) -> tuple[Orphan, ...]:
        """Those with effects without a verdict first, then the latest."""

    async def acknowledge(self, workflow_id: str, by: str, note: str, at: Moment) -> int:
        """Take a run out of the report; how many runs of this name that were. `note`: content address of why."""


OperatorsTold = Callable[[tuple[Effect, ...]], tuple[Notice, ...]]
"""The notices to operators of effects without a verdict."""


class OrphansQuery(Model):
    """Asks for runs that were swept."""

    limit: int = Field(default=MAX_ORPHANS, ge=1, le=MAX_ORPHANS)


class OrphansPage(Model):
    """Runs that were swept, and not acknowledged."""

    orphans: tuple[Orphan, ...]
    cut: bool = False
    """There are more."""


class Acknowledgement(Model):
    """An operator has seen to what a swept run left behind."""

    workflow_id: str = Field(min_length=1, max_length=400)
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=1000)


class OrphanActivities:
    """What operators ask a worker of swept runs; standalone activities, outside any workflow."""

    def __init__(self, orphans: Orphans, contents: Contents, clock: Clock) -> None:
        self._orphans, self._contents, self._clock = orphans, contents, clock

    @activity.defn
    async def list_orphans(self, query: OrphansQuery) -> OrphansPage:
        """Runs that were swept, with the effects of which nobody knows."""
        found = await self._orphans.orphans(query.limit + 1)
        return OrphansPage(orphans=found[: query.limit], cut=len(found) > query.limit)

    @activity.defn
    async def acknowledge_orphan(self, acknowledged: Acknowledgement) -> str:
        """Take a run out of the report, and name it; who did and why is recorded.

        Raises ApplicationError(type="NoOrphan") when nothing is reported of it.
        """
        note = await self._contents.put(acknowledged.reason.encode())
        run, now = acknowledged.workflow_id, await self._clock.now()
        if not await self._orphans.acknowledge(run, acknowledged.by, note, now):
            message = f"nothing is reported of {run!r}; `interlock runs orphans` lists what is"
            raise ApplicationError(message, type="NoOrphan", non_retryable=True)
        return run


UNANSWERED = (LedgerState.SENT, LedgerState.UNKNOWN)
"""Of an effect in such a state nobody knows whether it happened."""

"""Child runs: entered in the store under their parent's own run before they start, and found again after a reset.

Whoever may write to the namespace can start a workflow and call it a child. What makes one is the entry that its
parent has made, from an activity of which Temporal says whose it is, and that Temporal names the same parent.
"""

from datetime import timedelta
from typing import Protocol

from pydantic import JsonValue
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.budgets import Budgeting
from activities.clock import Clock
from activities.conversations import RunKey
from activities.freezes import Freezes, hold_if_frozen
from activities.identity import CurrentRun
from activities.inbox import StartRecord, Starts
from contracts.budgets import BUDGET_SPENT, OUTER_BUDGET_SPENT
from contracts.canonical import canonical_json, digest
from contracts.children import UNDER_WAY, ChildToFind, ChildToStart, EnteredChild
from contracts.deployment import Deployment
from contracts.model import Model, Moment
from contracts.runs import MAX_INPUT_BYTES, MOST_AROUND, Ancestor, Ending, StartStatement

LONGEST_KEY = 280
"""So that the child's own id fits what ids may have."""
NO_ENDING = "NoEnding"
"""Type of the error that says that a child will have no ending."""
LOOKS_AGAIN = timedelta(seconds=30)
"""So seldom, at last, a child is looked for that is under way."""

MayStart = dict[str, tuple[str, ...]]
"""Automation -> those that its runs may start. From the worker's own catalog: no caller says what it may."""


class ChildEntry(Model):
    """A child run, as its parent has entered it."""

    start: StartStatement
    """By which it begins; its last `inside` is the parent."""
    step: str
    occurrence: str
    first_run_id: str = ""
    """Of the one run that was registered for the entry; empty before."""

    @property
    def parent(self) -> RunKey:
        """The run that has entered it."""
        return key_of(self.start.inside[-1])


class Children(Protocol):
    """What runs have entered of their children, kept for good."""

    async def enter(self, entry: ChildEntry, at: Moment) -> ChildEntry:
        """Enter a child, and tell auditors; when one of this workflow id was entered before, that one."""

    async def find(self, workflow_id: str) -> ChildEntry | None:
        """The entry of the child with this workflow id, or None."""


class NoChild(Exception):
    """The run is not the child that was entered, or may no longer become it; the message says why."""


class Relative(Model):
    """What Temporal says of the latest run of a workflow id."""

    run: RunKey
    parent: RunKey | None = None
    """The run that has started it as its child, by first run id."""
    closed: bool = False
    ending: Ending | None = None
    """Its result, where it has one."""


class Families(Protocol):
    """What the Temporal server says of parents and children."""

    async def parent_of(self, workflow_id: str, run_id: str) -> RunKey | None:
        """The run that has started this Temporal run as its child; None where nobody has, or it is gone."""

    async def latest(self, workflow_id: str) -> Relative | None:
        """The latest run of this workflow id; None where Temporal knows none."""


class ChildActivities:
    """What a parent asks of the store and of Temporal."""

    def __init__(
        self,
        children: Children,
        families: Families,
        starts: Starts,
        freezes: Freezes,
        budgeting: Budgeting,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
        may_start: MayStart,
    ) -> None:
        self._children, self._families, self._starts = children, families, starts
        self._freezes, self._budgeting, self._may_start = freezes, budgeting, may_start
        self._current, self._clock, self._deployment = current, clock, deployment

    @activity.defn
    async def enter_child(self, wanted: ChildToStart) -> EnteredChild:
        """Enter a child run of the calling run, and say by which statement it begins; or why it may not.

        Again for the same step and occurrence: the entry that stands. The child has the requester of its parent,
        and everybody who may not decide for the parent may not decide for it. Raises ApplicationError while a freeze
        is over either of them, while nothing is in force, and for good when the parent's budget is spent.
        """
        parent = await self._started()
        workflow_id = _name_of(parent.run, wanted)
        standing = await self._children.find(workflow_id)
        if standing is None:
            if refused := self._not_allowed(parent, wanted):
                return EnteredChild(refused=refused[:400])
            await self._hold_or_stop(parent, wanted)
            again, refused = await self._again(parent.run, wanted)
            if refused:
                return EnteredChild(refused=refused[:400])
            standing = await self._enter(parent, wanted, workflow_id, again)
        if (standing.start.automation, standing.start.input_digest) != (wanted.automation, digest(wanted.request)):
            refused = f"the step {wanted.step!r} has started {workflow_id} with other input; it starts one child only"
            return EnteredChild(refused=refused[:400], another=True)
        return EnteredChild(start=standing.start, begun=bool(standing.first_run_id))

    @activity.defn
    async def find_ending(self, wanted: ChildToFind) -> Ending:
        """How a child of the calling run ended that was started before.

        Raises ApplicationError while it is under way, and for good where it will have no ending.
        """
        parent, entry = await self._current.key(), await self._children.find(wanted.workflow_id)
        found = await self._families.latest(wanted.workflow_id)
        if entry is None or entry.parent != parent or found is None or not _is_it(found, entry, parent):
            raise _no_ending(f"{wanted.workflow_id} is no child of this run that Temporal knows")
        if not found.closed:
            delay = min(LOOKS_AGAIN, timedelta(seconds=activity.info().attempt))
            message = f"the child run {wanted.workflow_id} is under way"
            raise ApplicationError(message, type=UNDER_WAY, next_retry_delay=delay)
        if found.ending is None:
            raise _no_ending(f"{wanted.workflow_id} ended without an ending of its own")
        return found.ending

    async def _started(self) -> StartRecord:
        start = await self._starts.find(await self._current.key())
        if start is None:
            message = "this run has no start record; it starts no other"
            raise ApplicationError(message, type="NoStartRecord", non_retryable=True)
        return start

    def _not_allowed(self, parent: StartRecord, wanted: ChildToStart) -> str:
        """What in the nature of the two keeps the one from starting the other."""
        automation = parent.start.automation
        if wanted.automation not in self._may_start.get(automation, ()):
            return f"runs of {automation!r} may not start {wanted.automation!r}; its class names those with may_start"
        around = (*(each.automation for each in parent.start.inside), automation)
        if wanted.automation in around:
            return f"a run may not stand inside its own kind: {' > '.join((*around, wanted.automation))}"
        if len(around) > MOST_AROUND:
            return f"at most {MOST_AROUND + 1} runs stand inside each other: {' > '.join((*around, wanted.automation))}"
        if not 0 < len(wanted.business_key) <= LONGEST_KEY:
            return f"the business key of {wanted.automation!r} has {len(wanted.business_key)} characters, not 1 to 280"
        size = len(canonical_json(wanted.request))
        return f"the input has {size} bytes; at most {MAX_INPUT_BYTES} are taken" if size > MAX_INPUT_BYTES else ""

    async def _hold_or_stop(self, parent: StartRecord, wanted: ChildToStart) -> None:
        """Nothing begins for a frozen automation, or once the budget of the parent is spent."""
        for automation in (parent.start.automation, wanted.automation):
            await hold_if_frozen(self._freezes, automation, "", "")
        try:
            standing = await self._budgeting.standing(parent.run, parent, await self._clock.now())
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        if standing.exhausted:
            raise ApplicationError(standing.exhausted, type=BUDGET_SPENT, non_retryable=True)
        if standing.exhausted_around:
            raise ApplicationError(standing.exhausted_around, type=OUTER_BUDGET_SPENT, non_retryable=True)

    async def _again(self, parent: RunKey, wanted: ChildToStart) -> tuple[str, str]:
        """Why the case is started anew, and why it may not be started.

        Held by an earlier child of this very step that is over, it is started anew; held by any other run, it is not.
        """
        known = await self._starts.look_up(wanted.automation, wanted.business_key, wanted.request)
        if not known.exists:
            return "", ""
        holder = await self._children.find(known.workflow_id)
        if holder is None or (holder.parent, holder.step) != (parent, wanted.step):
            held_by = f"{known.workflow_id} ({known.first_run_id})"
            return "", f"{wanted.automation} {wanted.business_key!r} was started before: {held_by}"
        if not known.ending:
            return "", f"{known.workflow_id} has no ending yet; a worker gives one to a stopped run within minutes"
        return f"tried again by {parent.workflow_id}"[:300], ""

    async def _enter(self, parent: StartRecord, wanted: ChildToStart, workflow_id: str, again: str) -> ChildEntry:
        asked, now = parent.start, await self._clock.now()
        start = StartStatement(
            requester=asked.requester,
            on_behalf_of=asked.on_behalf_of,
            signer=asked.signer,
            automation=wanted.automation,
            business_key=wanted.business_key,
            input_digest=digest(wanted.request),
            issued_at=now,
            again=again,
            deployment=self._deployment.id,
            workflow_id=workflow_id,
            inside=(*asked.inside, Ancestor(**parent.run.model_dump(), automation=asked.automation)),
        )
        entry = ChildEntry(start=start, step=wanted.step, occurrence=wanted.occurrence)
        return await self._children.enter(entry, now)


async def unproved_child(start: StartStatement, children: Children, families: Families) -> str:
    """Why the calling run is not the child that its statement says; empty when it is.

    What Temporal says of the run counts, and what the parent has entered, not what the caller says.
    """
    info = activity.info()
    entry = await children.find(info.workflow_id or "")
    if entry is None or entry.start != start:
        return "no run has entered this one as its child; start it with `interlock runs start`"
    parent = await families.parent_of(info.workflow_id or "", info.workflow_run_id or "")
    if parent != entry.parent:
        return f"it was not started by {entry.parent.workflow_id}, whose child it says it is"
    return ""


def key_of(ancestor: Ancestor) -> RunKey:
    """The name of a run around another one in the store."""
    return RunKey(workflow_id=ancestor.workflow_id, first_run_id=ancestor.first_run_id)


def _name_of(parent: RunKey, wanted: ChildToStart) -> str:
    """The same for the same step and occurrence of the same run, whatever was reset."""
    named: list[JsonValue] = [parent.workflow_id, parent.first_run_id, wanted.step, wanted.occurrence]
    return f"{wanted.automation}/{wanted.business_key}~{digest(named).removeprefix('sha256:')[:10]}"


def _is_it(found: Relative, entry: ChildEntry, parent: RunKey) -> bool:
    """Whether the latest run of the name is the child: the one that was registered, or still to be."""
    return found.run.first_run_id == entry.first_run_id if entry.first_run_id else found.parent == parent


def _no_ending(why: str) -> ApplicationError:
    return ApplicationError(why, type=NO_ENDING, non_retryable=True)

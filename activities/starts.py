"""Register who asked for a run, once that is proved, and record how it ended."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import Authority, NothingInForce
from activities.children import Children, Families, NoChild, unproved_child
from activities.clock import Clock
from activities.evidence import SKEW
from activities.identity import CurrentRun
from activities.inbox import CaseErased, CaseTaken, NameUsed, NonceUsed, StartRecord, Starts, TooManyActive
from activities.taints import Taints
from contracts.canonical import digest
from contracts.deployment import Deployment, Mode
from contracts.model import Moment
from contracts.roster import Roster
from contracts.runs import Registered, RunEnded, RunsFound, RunsToFind, RunToRegister, StartStatement
from contracts.signing import SignedFor, is_signed_by

REGISTERED_WITHIN = timedelta(days=1)
"""A signed start statement that is older starts nothing."""


class StartActivities:
    """The first and the last step of every run."""

    def __init__(
        self,
        starts: Starts,
        children: Children,
        families: Families,
        taints: Taints,
        authority: Authority,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
        most_active_runs: int,
    ) -> None:
        self._starts, self._authority, self._most_active = starts, authority, most_active_runs
        self._children, self._families, self._taints = children, families, taints
        self._current, self._clock, self._deployment = current, clock, deployment

    @activity.defn
    async def register_run(self, wanted: RunToRegister) -> Registered:
        """Store the start record of the calling run; without it the gate lets nothing through.

        A child run takes the place of its parent, which waits: it is registered however many are active.
        Raises ApplicationError while no roster is in force to check the statement by.
        """
        pseudonym = await self._starts.pseudonym(wanted.start.requester)
        now = await self._clock.now()
        record = StartRecord(run=await self._current.key(), start=wanted.start, request=wanted.request)
        refused = _does_not_fit(wanted) or await self._unproved(wanted.start, now)
        if refused and await self._starts.find(record.run) == record:
            return Registered(requester_pseudonym=pseudonym)  # it comes again, after a task that was lost
        if refused:
            return Registered(requester_pseudonym=pseudonym, refused=refused[:400])
        try:
            await self._starts.register(record, now, 0 if wanted.start.inside else self._most_active)
        except CaseTaken as taken:
            refused = f"{taken}; start it anew with --again REASON"
        except (NonceUsed, NameUsed, TooManyActive, CaseErased, NoChild) as reason:
            refused = str(reason)
        taint = sorted(await self._taints.of(record.run)) if wanted.start.inside else []
        return Registered(requester_pseudonym=pseudonym, refused=refused[:400], taint=tuple(taint))

    @activity.defn
    async def record_ending(self, ended: RunEnded) -> None:
        """Record the ending of the calling run beside its business key."""
        await self._starts.end(await self._current.key(), ended.state, await self._clock.now())

    @activity.defn
    async def find_runs(self, wanted: RunsToFind) -> RunsFound:
        """Which runs of an automation have these names or business keys, and what became of them; nothing changes."""
        return await self._starts.find_runs(wanted)

    async def _unproved(self, start: StartStatement, now: Moment) -> str:
        """Why the statement does not prove who asks; empty when it does."""
        if start.inside:
            return await unproved_child(start, self._children, self._families)
        if start.signature is None:
            return "" if self._deployment.mode is Mode.DEVELOPMENT else _unsigned(self._deployment)
        if start.deployment != self._deployment.id:
            return f"the start statement is for deployment {start.deployment!r}, not for {self._deployment.id!r}"
        if not now - REGISTERED_WITHIN <= start.issued_at <= now + SKEW:
            return f"the start statement was issued at {start.issued_at:%Y-%m-%d %H:%M:%S} UTC; sign a new one"
        try:
            return _not_signed_by_the_requester(start, await self._authority.roster(), now)
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing


def _unsigned(deployment: Deployment) -> str:
    mode = deployment.mode.value
    return (
        f"unsigned start statements count in development only; this deployment runs in {mode}: "
        "make a key with `interlock approvers enrol` and have it put in force"
    )


def _does_not_fit(wanted: RunToRegister) -> str:
    """Why the statement is not for this run; what Temporal says of the run counts, not what the caller says."""
    start, info = wanted.start, activity.info()
    if start.input_digest != digest(wanted.request):
        return "the start statement names another input than this one; start the run with `interlock runs start`"
    if start.automation != info.workflow_type:
        return f"the start statement is for {start.automation!r}, not for {info.workflow_type!r}"
    if start.signature is not None and start.workflow_id != info.workflow_id:
        return f"the start statement is for the run {start.workflow_id!r}, not for {info.workflow_id!r}"
    return ""


def _not_signed_by_the_requester(start: StartStatement, roster: Roster, now: Moment) -> str:
    found = roster.owner_of_key(start.key_id)
    if found is None:
        return f"key {start.key_id!r} is in nobody's name; enrol it with `interlock approvers enrol`"
    person, key = found
    if start.signer != person.subject:
        return f"key {start.key_id!r} is not {start.signer!r}'s"
    if not person.service and (roster.subject_of(start.requester) != person.subject or start.on_behalf_of):
        return f"{person.subject!r} cannot ask in the name of {start.requester!r}; only a service can"
    if problem := key.problem_at(now) or key.problem_at(start.issued_at) or person.problem_at(now):
        return problem
    if not start.nonce or not is_signed_by(key.public, SignedFor.START, start, start.signature or ""):
        return f"the start statement was not signed by {start.signer!r} as it stands; sign a new one"
    return ""

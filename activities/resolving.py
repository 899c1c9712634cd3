"""Take a person's word for what came of a call that was sent and never answered. It is verified as at the gate."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.conversations import RunKey
from activities.decided import Decided
from activities.evidence import Circumstances, approver_of, problem_with
from activities.identity import CurrentRun
from activities.inbox import Inbox, InboxEntry, StartRecord, Starts
from activities.keys import idempotency_key
from activities.ledger import Ledger, LedgerEntry, LedgerState
from activities.totals import Spending, Totals
from contracts.decisions import DEFAULT_ESCALATION_WITHIN, Decision, RequestKind, Verdict
from contracts.deployment import Deployment
from contracts.model import Moment
from contracts.policy import Obligation
from contracts.runs import Resolution
from contracts.tools import CallStatus, ToolOutcome

OwnerRoles = Mapping[str, str]
"""Automation -> the role whose holders say what came of its calls."""
_STANDS_AS = {
    Verdict.HAPPENED: (LedgerState.ADOPTED, CallStatus.DONE),
    Verdict.DID_NOT_HAPPEN: (LedgerState.NOT_HAPPENED, CallStatus.NOT_HAPPENED),
    Verdict.ABANDON: (LedgerState.ABANDONED, CallStatus.ABANDONED),
}
_SAYS = {
    Verdict.HAPPENED: "it happened",
    Verdict.DID_NOT_HAPPEN: "it did not happen",
    Verdict.ABANDON: "nobody finds out whether it happened",
}
_AGAIN = timedelta(seconds=2)


class NotResolved(Exception):
    """The word given does not count; the message says why."""


class ResolvingActivities:
    """What people found out becomes what the ledger says, once, and nothing is sent."""

    def __init__(
        self,
        ledger: Ledger,
        starts: Starts,
        inbox: Inbox,
        decided: Decided,
        totals: Totals,
        authority: Authority,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
        owner_roles: OwnerRoles,
    ) -> None:
        self._ledger, self._starts, self._inbox = ledger, starts, inbox
        self._decided, self._totals, self._authority = decided, totals, authority
        self._current, self._clock, self._deployment = current, clock, deployment
        self._owner_roles = owner_roles

    @activity.defn
    async def resolve_call(self, resolution: Resolution) -> ToolOutcome:
        """The outcome that stands from now on: done, not happened or abandoned; unknown when the word does not count.

        Raises ApplicationError while nothing is in force to verify it by.
        """
        run = await self._current.key()
        decision = resolution.decision
        try:
            entry = await self._unanswered(run, resolution)
            if not entry.final:
                await self._verify(run, entry, decision)
                return await self._resolve(run, entry, decision)
        except NotResolved as problem:
            return ToolOutcome(
                status=CallStatus.UNKNOWN,
                action_digest=resolution.unanswered.action_digest,
                message=f"the word of {decision.approver!r} does not count: {problem}"[:400],
            )
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        assert entry.outcome is not None  # whatever is final has one
        return entry.outcome

    async def _unanswered(self, run: RunKey, resolution: Resolution) -> LedgerEntry:
        call = resolution.unanswered.call
        entry = await self._ledger.find(idempotency_key(self._deployment.id, run, call.step, call.occurrence))
        if entry is None:
            raise NotResolved("no such call of this run was ever sent")
        if entry.state is LedgerState.SENT:
            raise ApplicationError("the call is under way again", type="AlreadySent", next_retry_delay=_AGAIN)
        if not entry.final and not entry.sends:
            raise NotResolved("the call was never sent; there is nothing to find out")
        return entry

    async def _verify(self, run: RunKey, entry: LedgerEntry, decision: Decision) -> None:
        start = await self._starts.find(run)
        if start is None:
            raise NotResolved("this run has no start record")
        about = Circumstances(
            deployment=self._deployment,
            roster=await self._authority.roster(),
            grants=await self._authority.break_glass(),
            run=run,
            start=start.start,
            request=await self._request(run, start, decision),
            action_digest=entry.action_digest,
            now=await self._clock.now(),
        )
        taken_at = await self._decided.taken_at(decision)
        if problem := problem_with(decision, replace(about, taken_at=taken_at)):
            raise NotResolved(problem.sentence)
        if decision.verdict is Verdict.HAPPENED and not decision.note.strip():
            raise NotResolved("it says that it happened, and gives no proof; say in the note how that is known")
        if not await self._decided.use(decision, approver_of(decision, about.roster), about.now):
            raise NotResolved("its nonce was used before")

    async def _request(self, run: RunKey, start: StartRecord, decision: Decision) -> InboxEntry | None:
        """The request that it answers, if that asked just this; who may answer it is not for the run to say."""
        request = await self._inbox.find(decision.approval_id, run.first_run_id)
        if request is None or request.kind is not RequestKind.OUTCOME:
            return None
        role = self._owner_roles.get(start.start.automation)
        if role is None:
            raise NotResolved(f"this worker does not know the automation {start.start.automation!r}")
        owner = Obligation(role=role, within=DEFAULT_ESCALATION_WITHIN, rule_id="escalation")
        as_known: dict[str, object] = {"automation": start.start.automation, "obligations": (owner,), "hand_ons": {}}
        if request.outcome == decision.verdict.value:  # closed by this answer, which is still to be given here
            as_known["closed_at"] = None
        return request.model_copy(update=as_known)

    async def _resolve(self, run: RunKey, entry: LedgerEntry, decision: Decision) -> ToolOutcome:
        state, status = _STANDS_AS[decision.verdict]
        said = f"{decision.approver} says: {_SAYS[decision.verdict]}" + (f"; {decision.note}" if decision.note else "")
        outcome = ToolOutcome(status=status, action_digest=entry.action_digest, message=said[:400])
        now = await self._clock.now()
        await self._commit(entry, state, outcome, decision, now)
        if state is LedgerState.NOT_HAPPENED:
            await self._totals.release(Spending(key=entry.key, action_digest=entry.action_digest, run=run), now)
        return outcome

    async def _commit(
        self, entry: LedgerEntry, state: LedgerState, outcome: ToolOutcome, decision: Decision, now: Moment
    ) -> None:
        evidence = decision.nonce or decision.statement_digest()
        finished = await self._ledger.finish(
            entry.key, entry.generation, state, outcome, None, now, who=decision.approver, evidence=evidence
        )
        if not finished:
            raise ApplicationError("an answer has come meanwhile", type="Overtaken", next_retry_delay=_AGAIN)

"""Take a person's word for what came of a call that was sent and never answered. It is verified as at the gate."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.clock import Clock
from activities.conversations import RunKey
from activities.identity import CurrentRun
from activities.keys import idempotency_key
from activities.ledger import Ledger, LedgerEntry, LedgerState
from activities.owners import DoesNotCount, Owners
from activities.totals import Spending, Totals
from contracts.decisions import Decision, RequestKind, Verdict
from contracts.deployment import Deployment
from contracts.model import Moment
from contracts.runs import Resolution
from contracts.tools import CallStatus, ToolOutcome

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


class ResolvingActivities:
    """What people found out becomes what the ledger says, once, and nothing is sent."""

    def __init__(
        self,
        ledger: Ledger,
        owners: Owners,
        totals: Totals,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._ledger, self._owners, self._totals = ledger, owners, totals
        self._current, self._clock, self._deployment = current, clock, deployment

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
        except DoesNotCount as problem:
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
            raise DoesNotCount("no such call of this run was ever sent")
        if entry.state is LedgerState.SENT:
            raise ApplicationError("the call is under way again", type="AlreadySent", next_retry_delay=_AGAIN)
        if not entry.final and not entry.sends:
            raise DoesNotCount("the call was never sent; there is nothing to find out")
        return entry

    async def _verify(self, run: RunKey, entry: LedgerEntry, decision: Decision) -> None:
        about = await self._owners.verified(run, decision, RequestKind.OUTCOME, entry.action_digest)
        if decision.verdict is Verdict.HAPPENED and not decision.note.strip():
            raise DoesNotCount("it says that it happened, and gives no proof; say in the note how that is known")
        await self._owners.used(decision, about)

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

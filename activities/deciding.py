"""Check the decisions that have arrived at a run: everything a decision must pass, in one batch, in their order."""

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.audit import Audit
from activities.authority import Authority, NothingInForce
from activities.clock import Clock
from activities.decided import Decided
from activities.evidence import Circumstances, Problem, approver_of, problem_with
from activities.identity import CurrentRun
from activities.inbox import Inbox, Starts
from activities.quorum import fulfilled, tally
from contracts.audit import AuditKind, AuditRecord
from contracts.decisions import (
    APPROVED,
    Check,
    CheckedDecision,
    CheckedDecisions,
    Decision,
    DecisionsToCheck,
    Verdict,
)
from contracts.deployment import Deployment

AN_HOUR = timedelta(hours=1)
PASSING = frozenset(
    {Check.EXPIRED, Check.RATE, Check.KEY, Check.KEY_VALIDITY, Check.PERSON, Check.OWNER, Check.ABSENT, Check.ROLE}
)
"""Checks that a decision passes today and not tomorrow: time goes on, and another roster is put in force."""


class DecisionActivities:
    """Whether decisions count."""

    def __init__(
        self,
        inbox: Inbox,
        starts: Starts,
        decided: Decided,
        authority: Authority,
        audit: Audit,
        current: CurrentRun,
        clock: Clock,
        deployment: Deployment,
    ) -> None:
        self._inbox, self._starts, self._decided = inbox, starts, decided
        self._authority, self._audit = authority, audit
        self._current, self._clock, self._deployment = current, clock, deployment

    @activity.defn
    async def check_decisions(self, check: DecisionsToCheck) -> CheckedDecisions:
        """One answer for each decision that arrived. Raises ApplicationError while nothing is in force to check by."""
        try:
            answers = await self._check_all(check)
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        await self._note_refusals(check.arrived, answers)
        return CheckedDecisions(checked=answers)

    async def _check_all(self, check: DecisionsToCheck) -> tuple[CheckedDecision, ...]:
        counted = list(check.counted)
        answers: list[CheckedDecision] = []
        for decision in check.arrived:
            beside = tuple(each for each in counted if each.approval_id == decision.approval_id)
            answer = await self._check(decision, beside)
            if answer.counts and decision.verdict is Verdict.APPROVE:
                counted.append(decision)
            answers.append(answer)
        return tuple(answers)

    async def _check(self, decision: Decision, counted: tuple[Decision, ...]) -> CheckedDecision:
        about = await self._circumstances(decision)
        if about is None:
            return _refused(Problem(Check.RUN, "this run has no start record; nothing can be decided for it"))
        problem = (
            problem_with(decision, about) or _beside(decision, counted, about) or await self._used(decision, about)
        )
        if problem is not None and problem.check in PASSING and await self._has_closed(decision, about):
            return CheckedDecision(counts=True, fulfilled=True)
        if problem is not None:
            return _refused(problem)
        return CheckedDecision(
            counts=True,
            fulfilled=decision.verdict is not Verdict.APPROVE or fulfilled((*counted, decision), about),
        )

    async def _circumstances(self, decision: Decision) -> Circumstances | None:
        run = await self._current.key()
        record = await self._starts.find(run)
        if record is None:
            return None
        request = await self._inbox.find(decision.approval_id, run.first_run_id)
        return Circumstances(
            deployment=self._deployment,
            roster=await self._authority.roster(),
            grants=await self._authority.break_glass(),
            run=run,
            start=record.start,
            request=request,
            action_digest=request.action_digest if request else "",
            now=await self._clock.now(),
        )

    async def _has_closed(self, decision: Decision, about: Circumstances) -> bool:
        """Whether this very approval was taken, and the request was closed, by a workflow task that was lost then.

        Refused now, because time has passed, it would leave a run waiting that nobody can answer any more. The gate
        looks at it again before anything is done, and asks anew when it does not count there.
        """
        if decision.verdict is not Verdict.APPROVE or about.request is None or about.request.outcome != APPROVED:
            return False
        return await self._decided.taken_at(decision) is not None

    async def _used(self, decision: Decision, about: Circumstances) -> Problem | None:
        """Nobody decides without end, and a nonce counts for one statement."""
        approver = approver_of(decision, about.roster)
        cap = about.roster.decisions_per_hour
        recently = await self._decided.count_since(approver, about.now - AN_HOUR, besides=decision)
        if not about.freely and recently >= cap:
            return Problem(
                Check.RATE, f"{approver!r} has decided {cap} times within an hour; wait, or let somebody else look"
            )
        if not await self._decided.use(decision, approver, about.now):
            return Problem(Check.NONCE, "its nonce was used by another decision; sign it anew")
        return None

    async def _note_refusals(self, arrived: tuple[Decision, ...], answers: tuple[CheckedDecision, ...]) -> None:
        run, now = await self._current.key(), await self._clock.now()
        refused = (
            AuditRecord(
                kind=AuditKind.DECISION_REFUSED,
                at=now,
                workflow_id=run.workflow_id,
                first_run_id=run.first_run_id,
                about=decision.approval_id,
                facts={"check": answer.check.value, "statement": decision.statement_digest()},
                once=decision.statement_digest(),
            )
            for decision, answer in zip(arrived, answers, strict=True)
            if answer.check is not None
        )
        await self._audit.append(*refused)


def _beside(decision: Decision, counted: tuple[Decision, ...], about: Circumstances) -> Problem | None:
    """What is wrong with an approval beside those that count already."""
    if decision.verdict is not Verdict.APPROVE:
        return None
    people = {approver_of(each, about.roster) for each in counted}
    if approver_of(decision, about.roster) in people:
        return Problem(Check.ALREADY_DECIDED, "this approver has approved already; a quorum counts people")
    before, after = tally(counted, about), tally((*counted, decision), about)
    if sum(after.values()) <= sum(before.values()):
        return Problem(
            Check.QUORUM,
            "this approval fills no place of the quorum: whoever lends a role and whoever borrows it count as one, "
            "and an emergency role for none; another person must approve",
        )
    return None


def _refused(problem: Problem) -> CheckedDecision:
    return CheckedDecision(counts=False, check=problem.check, reason=problem.sentence[:300])

"""Take a person's word for how much more a run may spend. It is verified as at the gate, and counts once."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.authority import NothingInForce
from activities.budgets import Budgeting, Budgets, to_add
from activities.conversations import RunKey
from activities.identity import CurrentRun
from activities.inbox import Starts
from activities.owners import DoesNotCount, Owners
from contracts.budgets import Amounts, BudgetExtended, BudgetToExtend, read_extension
from contracts.decisions import Decision, RequestKind, Verdict
from contracts.model import Moment


class ExtendingActivities:
    """What people add to budgets."""

    def __init__(
        self, owners: Owners, starts: Starts, budgets: Budgets, budgeting: Budgeting, current: CurrentRun
    ) -> None:
        self._owners, self._starts = owners, starts
        self._budgets, self._budgeting, self._current = budgets, budgeting, current

    @activity.defn
    async def extend_budget(self, request: BudgetToExtend) -> BudgetExtended:
        """Add to the budget of this run what the decision says, or say why it does not count.

        Again for the same decision: nothing more is added. Raises ApplicationError while nothing is in force to
        verify it by.
        """
        run = await self._current.key()
        try:
            if not await self._budgets.has_extended(run, request.decision):
                await self._extend(run, request.decision)
        except DoesNotCount as problem:
            return BudgetExtended(refused=f"the word of {request.decision.approver!r} does not count: {problem}"[:400])
        except NothingInForce as nothing:
            raise ApplicationError(str(nothing), type="NothingInForce") from nothing
        return BudgetExtended()

    async def _extend(self, run: RunKey, decision: Decision) -> None:
        about = await self._owners.verified(run, decision, RequestKind.ESCALATION)
        if decision.verdict is not Verdict.EXTEND:
            raise DoesNotCount(f"it says {decision.verdict.value!r}, and nothing of the budget")
        amounts = await self._amounts(run, decision, about.now)
        approver = await self._owners.used(decision, about)
        await self._budgets.extend(run, decision, amounts, approver, about.now)

    async def _amounts(self, run: RunKey, decision: Decision, now: Moment) -> Amounts:
        start = await self._starts.find(run)
        assert start is not None  # else nothing would have been verified
        try:
            return to_add(await self._budgeting.standing(run, start, now), read_extension(decision.value))
        except ValueError as problem:
            raise DoesNotCount(str(problem)) from problem

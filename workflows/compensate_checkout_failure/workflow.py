"""Compensation: what a guest checkout has left is found and undone, for managers, and not while that checkout runs."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

    from contracts.policy import Ruling, RulingEffect
    from contracts.runs import Ending, RunsToFind
    from contracts.tools import Scalar, ToolCall
    from workflows.books import Arguments, check_outcome, this_run
    from workflows.compensate_checkout_failure.case import CHECKOUT, CompensationCase, Paid, Remains
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import KeepTrying
    from workflows.steps import (
        StepFailed,
        ask_policy,
        call_tool,
        done,
        known,
        make_call,
        read_facts,
        tool_call,
    )
    from workflows.store_steps import find_runs


class State(StrEnum):
    """Where a compensation can be."""

    LOOKING = "looking"  # what the checkout has left; while it is under way, later
    RULING = "ruling"  # policy rules on giving the money back
    AWAITING_APPROVAL = "awaiting_approval"
    RELEASING = "releasing"  # void what is reserved, or refund what was taken
    RESTORING = "restoring"  # booking, room, task, opportunity, compliance log
    VERIFYING = "verifying"  # read the systems of record back

    COMPENSATED = "compensated"
    NOTHING_LEFT = "nothing_left"  # nothing of the checkout stands any more; nothing was touched
    REFUSED = "refused"  # there is no such payment of this guest, or its checkout ended well and was paid back
    DECLINED = "declined"  # by policy: managers alone
    REJECTED = "rejected"  # by an approver
    EXPIRED = "expired"  # nobody answered


COMPENSATION = Machine(
    State,
    initial=State.LOOKING,
    waiting=(State.AWAITING_APPROVAL,),
    final=(
        State.COMPENSATED,
        State.NOTHING_LEFT,
        State.REFUSED,
        State.DECLINED,
        State.REJECTED,
        State.EXPIRED,
    ),
    good=(State.COMPENSATED, State.NOTHING_LEFT),
)
WHILE_IT_RUNS = KeepTrying(times=3, every=timedelta(minutes=10))
"""A checkout that is under way holds the case; it is not fought, but waited for."""

PAYMENT_FACTS = {"payments": "/count", "made_by": "/payments/0/reference"} | {
    name: f"/payments/0/{name}" for name in ("guest_email", "booking_number", "cents", "currency", "status")
}
BOOKING_FACTS = {
    "booking_status": "/bookings/0/status",
    "checked_out_by": "/bookings/0/checked_out_by",
    "room_number": "/bookings/0/room_number",
}
ROOM_FACTS = {"room_status": "/status", "sent_to_cleaning_by": "/sent_to_cleaning_by"}
OPPORTUNITY_FACTS = {
    "opportunity_id": "/opportunities/0/opportunity_id",
    "opportunity_closed_by": "/opportunities/0/closed_by",
}


@workflow.defn(name="compensate_checkout_failure")
class CompensationWorkflow(Automation[CompensationCase]):
    """One payment, and everything else that its checkout has left."""

    machine = COMPENSATION
    name = "compensate_checkout_failure"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: CompensationCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: CompensationCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @COMPENSATION.state(State.LOOKING, fails=WHILE_IT_RUNS)
    async def look(self) -> Literal[State.RULING, State.NOTHING_LEFT, State.REFUSED]:
        """Find the payment, the checkout that has made it, and what of it stands in every system."""
        self.note(paid=await self._find_payment(), found=Remains())
        if problem := self.case.not_this_guests:
            return self._ends_refused(problem)
        self.note(found=await self._find_remains())
        if not self.case.left:
            self.note(reason=f"nothing of {self.case.checkout} stands any more")
            return State.NOTHING_LEFT
        if self.case.ended_well and not self.case.stands:
            return self._ends_refused(f"the checkout ended well and its payment is {self.case.paid.status}")
        return State.RULING

    @COMPENSATION.state(State.RULING, retry=State.LOOKING)
    async def rule(self) -> Literal[State.RELEASING, State.RESTORING, State.AWAITING_APPROVAL, State.DECLINED]:
        """Policy rules on exactly the call that would come first."""
        self._means_it_anew()
        first = self._release() if self.case.stands else self._first_restore()
        ruling = await ask_policy(self, first)
        self.note(release=first if self.case.stands else None, ruling=ruling, reason=ruling.reason)
        if ruling.effect is RulingEffect.PERMIT:
            return State.RELEASING if self.case.stands else State.RESTORING
        if ruling.effect is RulingEffect.NEEDS_APPROVAL and self.case.stands:
            return State.AWAITING_APPROVAL
        self.note(reason=_said(ruling))
        return State.DECLINED

    @COMPENSATION.state(State.AWAITING_APPROVAL, retry=State.LOOKING)
    async def await_approval(self) -> Literal[State.RELEASING, State.LOOKING, State.REJECTED, State.EXPIRED]:
        """People approve exactly this refund; a returned one is looked at anew, and so is one whose facts changed."""
        ruling, release = known(self.case.ruling, "the ruling"), known(self.case.release, "the refund")
        answer = await self.ask_people(ruling, self.case.question, self.case.context())
        match answer.outcome:
            case "approved":
                self.note(release=release.model_copy(update={"evidence": answer.evidence}))
                return await self._unless_changed()
            case "returned":
                return self._looks_again(f"returned by {answer.approver}: {answer.note}")
            case "rejected":
                self.note(reason=f"rejected by {answer.approver}: {answer.note}"[:400])
                return State.REJECTED
            case _:
                self.note(reason="nobody decided in time")
                return State.EXPIRED

    @COMPENSATION.state(State.RELEASING, retry=State.LOOKING)
    async def release(self) -> Literal[State.RESTORING]:
        """The provider gives up what is reserved, or gives back what was taken."""
        release = known(self.case.release, "the release of the payment")
        done(await make_call(self, release), release.step)
        return State.RESTORING

    @COMPENSATION.state(State.RESTORING, retry=State.LOOKING, take_over=State.VERIFYING)
    async def restore(self) -> Literal[State.VERIFYING]:
        """Take back what that checkout, and nobody else, has done to booking, room, task, opportunity and log."""
        self._means_it_anew()
        for _, server, tool, named in self.case.restores:
            done(await call_tool(self, server, tool, named), f"{server}.{tool}")
        return State.VERIFYING

    @COMPENSATION.state(State.VERIFYING, retry=State.LOOKING, take_over=State.COMPENSATED)
    async def verify(self) -> Literal[State.COMPENSATED]:
        """Read every system of record back: nothing of that checkout stands."""
        self.note(paid=await self._find_payment(), found=await self._find_remains())
        check_outcome([f"{what} still stands" for what in self.case.left])
        self.note(reason=f"nothing of {self.case.checkout} stands any more; the payment is {self.case.paid.status}")
        return State.COMPENSATED

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"Compensation for payment {self.case.request.payment_intent_id}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        paid = self.case.paid
        if paid.payments != 1:
            return {}
        shown = {"booking": str(paid.booking_number), "payment": f"{self.case.money} {paid.status}"}
        return shown | {"checkout": f"{self.case.checkout}, ended {self.case.found.ending or 'not yet'}"}

    async def _find_payment(self) -> Paid:
        return Paid(**(await read_facts(self, "payments", "find_payment", self.case.payment, PAYMENT_FACTS)).facts)

    async def _find_remains(self) -> Remains:
        """What stands in every other system, by the checkout's name. Raises StepFailed while one holds the case."""
        booking = await self._facts("property", "find_bookings", self._guest | self.case.booking, BOOKING_FACTS)
        self.note(found=Remains(**booking))
        ending = await self._ending_of_checkout()
        number: Arguments = {"room_number": booking["room_number"]}
        theirs: Arguments = {"reference": self.case.checkout}
        won = self._guest | self.case.booking | {"closed_by": self.case.checkout}
        room = await self._facts("property", "find_room", number, ROOM_FACTS)
        tasks = await self._facts("housekeeping", "tasks_of_room", number | theirs, {"open_tasks": "/open_count"})
        hoped = await self._facts("crm", "opportunities_of_guest", won, OPPORTUNITY_FACTS)
        written = {"standing_entries": "/standing_count"}
        entries = await self._facts("compliance", "entries_of", self.case.booking | theirs, written)
        return Remains(ending=ending, **booking, **room, **tasks, **hoped, **entries)

    @property
    def _guest(self) -> Arguments:
        return {"guest_email": self.case.request.guest_email}

    async def _facts(self, server: str, tool: str, named: Arguments, wanted: dict[str, str]) -> dict[str, Scalar]:
        return (await read_facts(self, server, tool, named, wanted)).facts

    async def _ending_of_checkout(self) -> str:
        """How the checkout ended that has made the payment; no checkout of this stay may be under way."""
        names, checkout = self.case.names_of_the_case, self.case.checkout
        runs = await find_runs(RunsToFind(automation=CHECKOUT, workflow_ids=(checkout,), business_keys=names))
        if runs.under_way:
            problem = f"{runs.under_way[0]} is under way for this booking and holds the case: wait until it has ended"
            raise StepFailed("the checkout's case", problem)
        ending = runs.ending_of(checkout)
        if ending is None:
            raise StepFailed("the checkout's case", f"nobody here knows the run {checkout} that has made the payment")
        return ending

    def _release(self) -> ToolCall:
        """Giving back what was taken, or giving up what is reserved."""
        named = self.case.payment | {"reason": self.case.why, "reference": this_run()}
        if self.case.paid.status == "captured":
            return tool_call(self, "payments", "refund_payment", named | {"cents": self.case.paid.cents})
        return tool_call(self, "payments", "void_payment", named)

    def _means_it_anew(self) -> None:
        """What still stands though it was done, or said to be, is taken back once more: under keys of this visit."""
        steps = ("payments.void_payment", "payments.refund_payment", *(f"{s}.{t}" for _, s, t, _ in self.case.restores))
        self.note(occurrences=self.case.occurrences | dict.fromkeys(steps, self.case.visits))

    def _first_restore(self) -> ToolCall:
        _, server, tool, named = self.case.restores[0]
        return tool_call(self, server, tool, named)

    async def _unless_changed(self) -> Literal[State.RELEASING, State.LOOKING]:
        """After a wait the facts that people were shown are read again; a change voids the approval."""
        before = self.case
        changes = before.changes_to(await self._find_payment(), await self._find_remains())
        self.note(found=before.found)
        return self._looks_again(f"it changed meanwhile: {changes}") if changes else State.RELEASING

    def _looks_again(self, why: str) -> Literal[State.LOOKING]:
        self.note(asked_again=why[:400], reason=why[:400])
        return State.LOOKING

    def _ends_refused(self, why: str) -> Literal[State.REFUSED]:
        self.note(reason=why[:400])
        return State.REFUSED


def _said(ruling: Ruling) -> str:
    return f"{ruling.reason} {ruling.allowing_rule}".strip()[:400]


COMPENSATION.check()

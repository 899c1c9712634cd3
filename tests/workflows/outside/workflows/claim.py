"""Claim: what a customer wants back is noted, and credited by a refund inside it."""

import asyncio
from enum import StrEnum
from typing import ClassVar, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from contracts.model import Model
    from contracts.runs import BuiltIn, Case, Ending
    from workflows.children import run_child
    from workflows.machine import compensation
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.refund.case import RefundRequest
    from workflows.steps import StepFailed, ask_claude, call_tool, done, read_facts


class State(StrEnum):
    """Where a claim can be."""

    SETTLING = "settling"

    SETTLED = "settled"
    UNSETTLED = "unsettled"  # nothing was credited


class ClaimRequest(Model):
    """Which claim, about which order; what comes before the refund."""

    business_key: ClassVar[tuple[str, ...]] = ("claim",)

    claim: str
    order_id: str
    limit_cents: int = 500_000
    reads: bool = False
    """What the customer wrote is read first."""
    asks: bool = False
    """Claude is asked first."""
    rings: bool = False
    """The customer is rung up beside the refund."""
    notes: bool = True
    """A note is taken first, and struck when the claim is cancelled."""


class ClaimCase(Case):
    """A claim's whole state."""

    request: ClaimRequest

    @property
    def claim(self) -> dict[str, JsonValue]:
        """The claim, as every tool names it."""
        return {"claim": self.request.claim}


CLAIM = Machine(
    State,
    initial=State.SETTLING,
    final=(State.SETTLED, State.UNSETTLED),
    good=(State.SETTLED,),
)


@workflow.defn(name="claim")
class ClaimWorkflow(Automation[ClaimCase]):
    """One claim."""

    machine = CLAIM
    name = "claim"
    owner_role = "support_lead"
    may_start = ("refund",)

    @workflow.init
    def __init__(self, case: ClaimCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: ClaimCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @CLAIM.state(State.SETTLING)
    async def settle(self) -> Literal[State.SETTLED, State.UNSETTLED]:
        """A refund that was cancelled says nothing of the claim: people choose."""
        await self._hear()
        if self.case.request.notes:
            compensation.register(self, "the note", "desk", "strike_note", self.case.claim)
            done(await call_tool(self, "desk", "take_note", self.case.claim), "desk.take_note")
        wanted = RefundRequest(order_id=self.case.request.order_id, limit_cents=self.case.request.limit_cents)
        refund = await self._refund(wanted)
        self.note(reason=f"the refund ended as {refund.state}: {refund.reason}"[:400])
        if refund.state in (BuiltIn.CANCELLED, BuiltIn.UNDO_INCOMPLETE):
            raise StepFailed("credit", self.case.reason, renew=True)
        return State.SETTLED if refund.state == "refunded" else State.UNSETTLED

    async def _refund(self, wanted: RefundRequest) -> Ending:
        child = run_child(self, "refund", wanted, step="credit")
        if not self.case.request.rings:
            return await child
        ended, _ = await asyncio.gather(child, self._ring())
        return ended

    async def _ring(self) -> None:
        done(await call_tool(self, "desk", "ring", self.case.claim), "desk.ring")

    async def _hear(self) -> None:
        order: dict[str, JsonValue] = {"order_id": self.case.request.order_id}
        if self.case.request.reads:
            await read_facts(self, "crm", "read_complaint", order, {"text": "/text"})
        if self.case.request.asks:
            await ask_claude(self, "claim/hearing", variables={"claim": self.case.request.claim})


CLAIM.check()

"""Payday: one step after the other at the bank, each once; a payday that fails on purpose takes its steps back."""

from enum import StrEnum
from typing import ClassVar, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from contracts.model import Model
    from contracts.runs import Case, Compensation, Ending
    from contracts.tools import Purpose, ToolCall
    from workflows.machine import compensation
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.steps import done, make_call

BANK = "bank"
UNDONE_BY = {"transfer": "reverse_transfer", "place_order": "cancel_order"}


class Step(Model):
    """One call of the bank."""

    tool: str
    account: str
    cents: int = 0


class PaydayRequest(Model):
    """What is to be done, in order."""

    business_key: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    steps: tuple[Step, ...]
    fails_at: int | None = None
    """Before this step the payday fails, and takes back what it did."""


class PaydayCase(Case):
    """A payday's whole state."""

    request: PaydayRequest
    next_step: int = 0


class State(StrEnum):
    """Where a payday can be."""

    PAYING = "paying"
    TAKING_BACK = "taking_back"

    PAID = "paid"
    TAKEN_BACK = "taken_back"


PAYDAY = Machine(
    State,
    initial=State.PAYING,
    final=(State.PAID, State.TAKEN_BACK),
    good=(State.PAID,),
)


@workflow.defn(name="payday")
class PaydayWorkflow(Automation[PaydayCase]):
    """One payday."""

    machine = PAYDAY
    name = "payday"

    @workflow.init
    def __init__(self, case: PaydayCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: PaydayCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @PAYDAY.state(State.PAYING)
    async def pay(self) -> Literal[State.PAID, State.TAKING_BACK]:
        """Every step that is left, in order."""
        for number in range(self.case.next_step, len(self.case.request.steps)):
            if number == self.case.request.fails_at:
                return State.TAKING_BACK
            await self._pay_step(number)
            self.note(next_step=number + 1)
        return State.PAID

    @PAYDAY.state(State.TAKING_BACK)
    async def take_back(self) -> Literal[State.TAKEN_BACK]:
        """Undo every step that has an undo, newest first."""
        await compensation.undo(self)
        return State.TAKEN_BACK

    async def _pay_step(self, number: int) -> None:
        tool = self.case.request.steps[number].tool
        if tool in UNDONE_BY and self.case.request.fails_at is not None:
            self._remember_undo(number)
        call = self._worded(number, tool, f"step {number}", Purpose.FORWARD)
        done(await make_call(self, call), call.step)

    def _remember_undo(self, number: int) -> None:
        undoes = f"step {number}"
        if all(undoes != known.undoes for known in self.case.compensations):
            tool = UNDONE_BY[self.case.request.steps[number].tool]
            call = self._worded(number, tool, f"undo {number}", Purpose.COMPENSATION)
            self.note(compensations=(*self.case.compensations, Compensation(call=call, undoes=undoes)))

    def _worded(self, number: int, tool: str, step: str, purpose: Purpose) -> ToolCall:
        wanted = self.case.request.steps[number]
        arguments: dict[str, JsonValue] = {
            "account_id": wanted.account,
            "memo": f"{workflow.info().workflow_id} {number}",
        }
        if tool in ("set_limit", "transfer", "place_order"):
            arguments["cents"] = wanted.cents
        return ToolCall(
            server=BANK,
            tool=tool,
            arguments=arguments,
            step=step,
            occurrence=str(self.case.occurrences.get(step, 1)),
            state=self.case.state,
            purpose=purpose,
        )


PAYDAY.check()

"""Early refund: the money goes back before the goods do; what is not here in two weeks is charged again."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field, JsonValue
from temporalio import workflow

from contracts.model import Model
from contracts.policy import Ruling
from contracts.runs import Case, Ending
from contracts.tools import CallStatus, ToolCall
from workflows.machine import compensation
from workflows.machine.automation import Automation
from workflows.machine.definition import Machine
from workflows.machine.failing import UndoAll
from workflows.steps import advice, ask_claude, done, known, make_call, read_facts, tool_call


class EarlyRefundRequest(Model):
    business_key: ClassVar[tuple[str, ...]] = ("order_id",)
    order_id: str = Field(min_length=1, max_length=40)
    cents: int = Field(gt=0)


class Letter(Model):
    body: str = Field(max_length=800)


class EarlyRefundCase(Case):
    request: EarlyRefundRequest
    credit: ToolCall | None = None
    mail: ToolCall | None = None
    ruling: Ruling | None = None
    intact: bool | None = None  # None until the warehouse has the goods


class State(StrEnum):
    WRITING = "writing"
    CREDITING = "crediting"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_GOODS = "awaiting_goods"
    CHARGING_AGAIN = "charging_again"
    RETURNED = "returned"
    REJECTED = "rejected"
    REVERSED = "reversed"


EARLY_REFUND = Machine(
    State,
    initial=State.WRITING,
    waiting=(State.AWAITING_APPROVAL, State.AWAITING_GOODS),
    final=(State.RETURNED, State.REJECTED, State.REVERSED),
    good=(State.RETURNED,),
)


@workflow.defn(name="early_refund")
class EarlyRefundWorkflow(Automation[EarlyRefundCase]):
    machine = EARLY_REFUND
    name = "early_refund"
    owner_role = "finance_manager"

    @workflow.init
    def __init__(self, case: EarlyRefundCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: EarlyRefundCase) -> Ending:
        return await self.drive()

    @workflow.signal
    def arrived(self, intact: bool) -> None:
        self.note(intact=intact)

    @EARLY_REFUND.state(State.WRITING)
    async def write(self) -> Literal[State.CREDITING]:
        wanted = {"id": "/customer_id", "name": "/customer_name", "email": "/customer_email", "currency": "/currency"}
        order = (await read_facts(self, "orders", "find_order", {"order_id": self.case.request.order_id}, wanted)).facts
        variables = {"order_id": self.case.request.order_id, "name": str(order["name"])}
        outcome = await ask_claude(self, "early_refund/writing", variables=variables, answer=Letter)
        letter = advice(outcome, Letter, "early_refund/writing")
        mail: dict[str, JsonValue] = {"to": order["email"], "subject": "Your refund", "body": letter.body}
        paid: dict[str, JsonValue] = {"customer_id": order["id"], "currency": order["currency"]}
        paid |= self._mine() | {"cents": self.case.request.cents, "reason": "refunded before the goods are back"}
        self.note(credit=tool_call(self, "payments", "issue_credit", paid))
        self.note(mail=tool_call(self, "mail", "send_mail", mail))
        return State.CREDITING

    @EARLY_REFUND.state(State.CREDITING, fails=UndoAll(to=State.REVERSED))
    async def issue(self) -> Literal[State.AWAITING_GOODS, State.AWAITING_APPROVAL]:
        compensation.register(self, "the credit", "payments", "reverse_credit", self._mine())
        issued = await make_call(self, known(self.case.credit, "the credit"))
        if issued.status is CallStatus.NEEDS_APPROVAL:
            self.note(ruling=issued.ruling)
            return State.AWAITING_APPROVAL
        done(issued, "payments.issue_credit")
        done(await make_call(self, known(self.case.mail, "the mail")), "mail.send_mail")
        return State.AWAITING_GOODS

    @EARLY_REFUND.state(State.AWAITING_APPROVAL)
    async def await_approval(self) -> Literal[State.CREDITING, State.REJECTED]:
        ruling, credit = known(self.case.ruling, "the ruling"), known(self.case.credit, "the credit")
        answer = await self.ask_people(ruling, f"Refund order {self.case.request.order_id} before it is back?", ())
        if answer.outcome != "approved":
            return State.REJECTED
        self.note(credit=credit.model_copy(update={"evidence": answer.evidence}))
        return State.CREDITING

    @EARLY_REFUND.state(State.AWAITING_GOODS)
    async def await_goods(self) -> Literal[State.RETURNED, State.CHARGING_AGAIN]:
        await self.wait_until(self.entered_at + timedelta(weeks=2), "the goods", lambda: self.case.intact is not None)
        if self.case.intact:
            return State.RETURNED
        self.note(reason="the goods did not come back" if self.case.intact is None else "the goods came back damaged")
        return State.CHARGING_AGAIN

    @EARLY_REFUND.state(State.CHARGING_AGAIN)
    async def charge_again(self) -> Literal[State.REVERSED]:
        await compensation.undo(self)
        return State.REVERSED

    def _mine(self) -> dict[str, JsonValue]:  # the run's own id tells its credit from every other one
        return {"order_id": self.case.request.order_id, "reference": workflow.info().workflow_id}


EARLY_REFUND.check()

"""Refund: Claude reads complaint and order and advises, policy rules, people sign, and failure is undone."""

from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from contracts.policy import RulingEffect
    from contracts.runs import Ending
    from contracts.tools import CallStatus, ToolOutcome
    from workflows.books import by_this_run, check_outcome, this_run
    from workflows.conversation import converse
    from workflows.machine import compensation
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.refund.case import CreditAdvice, OrderFacts, RefundCase
    from workflows.steps import (
        StepFailed,
        advice,
        ask_policy,
        call_tool,
        done,
        known,
        make_call,
        read_facts,
        renew,
        supplied,
        tool_call,
    )


class State(StrEnum):
    """Where a refund can be. The same words in the Web UI, the CLI and the lists."""

    INTAKE = "intake"
    ASSESSING = "assessing"
    RULING = "ruling"
    AWAITING_APPROVAL = "awaiting_approval"
    ISSUING = "issuing"
    VERIFYING = "verifying"
    COMPENSATING = "compensating"

    REFUNDED = "refunded"
    DECLINED = "declined"  # by policy, or nothing is owed
    REJECTED = "rejected"  # by an approver
    EXPIRED = "expired"  # nobody answered
    REVERSED = "reversed"  # issued, then undone


REFUND = Machine(
    State,
    initial=State.INTAKE,
    waiting=(State.AWAITING_APPROVAL,),
    final=(State.REFUNDED, State.DECLINED, State.REJECTED, State.EXPIRED, State.REVERSED),
    good=(State.REFUNDED,),
)

ASSESSING_TOOLS = ("orders.find_order", "crm.read_complaint", "payments.payment_of_order", "orders.resources")
ASSESSING_TURNS = 8
ORDER_FACTS = {
    "customer_id": "/customer_id",
    "status": "/status",
    "total_cents": "/total_cents",
    "refunded_cents": "/refunded_cents",
    "currency": "/currency",
}


@workflow.defn(name="refund")
class RefundWorkflow(Automation[RefundCase]):
    """One refund, for one order."""

    machine = REFUND
    name = "refund"
    owner_role = "finance_manager"

    @workflow.init
    def __init__(self, case: RefundCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: RefundCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @REFUND.state(State.INTAKE)
    async def take_in(self) -> Literal[State.ASSESSING, State.DECLINED]:
        """Read the order; what is refunded already is not refunded again."""
        facts = await self._read_order()
        self.note(facts=facts)
        if facts.refunded_already:
            self.note(reason=f"order {self.case.request.order_id} has been refunded already")
            return State.DECLINED
        return State.ASSESSING

    @REFUND.state(State.ASSESSING, supply=True)
    async def assess(self) -> Literal[State.RULING, State.DECLINED]:
        """Claude reads complaint and order through tools, and advises amount and reason."""
        self.note(advice=self.case.at_most(await self._advice()), said="", supplied="")
        if self.case.cents == 0:
            self.note(reason=f"nothing is owed: {self.case.why}"[:400])
            return State.DECLINED
        return State.RULING

    @REFUND.state(State.RULING)
    async def rule(self) -> Literal[State.ISSUING, State.AWAITING_APPROVAL, State.DECLINED]:
        """Policy rules on exactly the credit that would be issued."""
        if self.case.issued:  # the credit stands; what failed came after it
            return State.ISSUING
        arguments = self.case.credit_arguments(reference=this_run())
        credit = tool_call(self, "payments", "issue_credit", arguments)
        ruling = await ask_policy(self, credit)
        self.note(credit=credit, ruling=ruling, reason=ruling.reason)
        match ruling.effect:
            case RulingEffect.PERMIT:
                return State.ISSUING
            case RulingEffect.NEEDS_APPROVAL:
                return State.AWAITING_APPROVAL
            case RulingEffect.FORBID:
                self.note(reason=f"{ruling.reason} {ruling.allowing_rule}".strip()[:400])
                return State.DECLINED

    @REFUND.state(State.AWAITING_APPROVAL)
    async def await_approval(self) -> Literal[State.ISSUING, State.ASSESSING, State.REJECTED, State.EXPIRED]:
        """People approve exactly this credit; a returned one is assessed anew, and so is one whose facts changed."""
        ruling, credit = known(self.case.ruling, "the ruling"), known(self.case.credit, "the credit")
        answer = await self.ask_people(ruling, self.case.question, self.case.context())
        match answer.outcome:
            case "approved":
                self.note(credit=credit.model_copy(update={"evidence": answer.evidence}))
                return await self._unless_changed()
            case "returned":
                said = f"note from {answer.approver}: {answer.note}"[:4000]
                again = f"returned by {answer.approver}: {answer.note}"[:400]
                self.note(said=said, asked_again=again, occurrences=renew(self.case, credit.step))
                return State.ASSESSING
            case "rejected":
                self.note(reason=f"rejected by {answer.approver}: {answer.note}"[:400])
                return State.REJECTED
            case _:
                self.note(reason="nobody decided in time")
                return State.EXPIRED

    @REFUND.state(State.ISSUING, retry=State.RULING, take_over=State.VERIFYING)
    async def issue(self) -> Literal[State.VERIFYING, State.COMPENSATING, State.RULING, State.DECLINED]:
        """Issue the credit and mark the order. What fails after the credit is undone."""
        credit = known(self.case.credit, "the credit")
        compensation.register(self, "the credit", "payments", "reverse_credit", by_this_run(self.case.order))
        issued = await make_call(self, credit)
        if not issued.done:
            return self._not_issued(issued)
        self.note(issued=True)
        compensation.register(self, "the mark on the order", "orders", "unmark_refunded", self.case.order)
        mark = self.case.order | {"cents": self.case.cents, "reason": self.case.why}
        marked = await call_tool(self, "orders", "mark_refunded", mark)
        if not marked.done:
            self.note(reason=f"the order could not be marked: {marked.message}"[:400])
            return State.COMPENSATING
        return State.VERIFYING

    @REFUND.state(State.VERIFYING, skip=State.REFUNDED, take_over=State.REFUNDED)
    async def verify(self) -> Literal[State.REFUNDED]:
        """Read the systems of record back: right order, right amount, once. Then tell the customer."""
        order = await read_facts(self, "orders", "find_order", self.case.order, ORDER_FACTS)
        paid = await read_facts(self, "payments", "credits_of_order", self.case.order, _CREDIT_FACTS)
        expected = {"count": 1, "total_cents": self.case.cents, "refunded_cents": self.case.cents}
        found = {**paid.facts, "refunded_cents": order.facts.get("refunded_cents")}
        wrong = [
            f"{name} is {found.get(name)!r}, not {value!r}"
            for name, value in expected.items()
            if found.get(name) != value
        ]
        check_outcome(wrong)
        await self._tell_customer()
        self.note(reason=f"{self.case.money} credited for order {self.case.request.order_id}")
        return State.REFUNDED

    @REFUND.state(State.COMPENSATING)
    async def compensate(self) -> Literal[State.REVERSED]:
        """Undo, newest first."""
        await compensation.undo(self)
        return State.REVERSED

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"Refund for order {self.case.request.order_id}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        shown = {
            "order": self.case.request.order_id,
            "status of the order": str(self.case.facts.status or "not read yet"),
        }
        if self.case.advice is not None:
            shown |= {"advised": self.case.money, "because": self.case.why}
        return shown

    async def _read_order(self) -> OrderFacts:
        order = await read_facts(self, "orders", "find_order", self.case.order, ORDER_FACTS)
        paid = await read_facts(self, "payments", "credits_of_order", self.case.order, _CREDIT_FACTS)
        facts = OrderFacts(**order.facts, credited_cents=paid.facts["total_cents"])
        if not isinstance(facts.total_cents, int) or not isinstance(facts.credited_cents, int):
            raise StepFailed("reading the order", f"its total or its credits are no amounts: {facts}")
        return facts

    async def _advice(self) -> CreditAdvice:
        by_hand = supplied(self, CreditAdvice, _ADVICE_FORM)
        if by_hand is not None:
            return by_hand
        outcome, turn = await converse(
            self,
            "refund/assessing",
            first_turn=self.case.turn,
            turns=ASSESSING_TURNS,
            variables={"order_id": self.case.request.order_id, "limit_cents": str(self.case.request.limit_cents)},
            tools=ASSESSING_TOOLS,
            answer=CreditAdvice,
            said=self.case.said,
        )
        self.note(turn=turn)
        return advice(outcome, CreditAdvice, "refund/assessing", _ADVICE_FORM)

    async def _unless_changed(self) -> Literal[State.ISSUING, State.ASSESSING]:
        """After a wait the facts that people were shown are read again; a change voids the approval."""
        now = await self._read_order()
        changes = self.case.facts.changes_to(now)
        if not changes:
            return State.ISSUING
        self.note(
            facts=now,
            said=f"changed: {changes}"[:4000],
            asked_again=f"the order changed: {changes}"[:400],
            reason=f"the order changed: {changes}"[:400],
            occurrences=renew(self.case, "payments.issue_credit"),
        )
        return State.ASSESSING

    def _not_issued(self, issued: ToolOutcome) -> Literal[State.RULING, State.DECLINED]:
        """Policy changed its mind since it ruled, or the payments server said no. An undo then undoes nothing."""
        reason = f"the credit was not issued: {issued.message}"[:400]
        self.note(reason=reason, asked_again=reason)
        match issued.status:
            case CallStatus.NEEDS_APPROVAL:
                return State.RULING
            case CallStatus.FORBIDDEN:
                return State.DECLINED
            case _:
                raise StepFailed("payments.issue_credit", self.case.reason, renew=True)

    async def _tell_customer(self) -> None:
        letter: dict[str, JsonValue] = self.case.order | {"cents": self.case.cents}
        done(await call_tool(self, "mail", "confirm_refund", letter), "mail.confirm_refund")


_ADVICE_FORM = '{"cents": 4000, "reason": "why"}'
_CREDIT_FACTS = {"count": "/count", "total_cents": "/total_cents"}


REFUND.check()

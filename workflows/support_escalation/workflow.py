"""Support escalation: a customer's question is decided by rules and earlier promises, done, logged and confirmed."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue, ValidationError

    from contracts.decisions import Verdict
    from contracts.runs import BuiltIn, Ending
    from contracts.tools import Scalar
    from workflows.books import Arguments, by_this_run, check_outcome, unlike
    from workflows.children import run_child
    from workflows.conversation import converse
    from workflows.machine import compensation
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import KeepTrying
    from workflows.refund.case import RefundRequest
    from workflows.steps import StepFailed, advice, call_tool, done, known, read_facts, renew
    from workflows.support_escalation.case import (
        CustomerFacts,
        OrderFacts,
        Proposal,
        Resolution,
        Settlement,
        SupportCase,
    )


class State(StrEnum):
    """Where a support escalation can be."""

    QUERYING_CRM = "querying_crm"  # who asks, and what is on file
    CHECKING_ORDER = "checking_order"
    SEARCHING = "searching"  # which rules of the documentation may apply
    DECIDING = "deciding"  # Claude reads all of it, and advises
    AWAITING_LEAD = "awaiting_lead"  # an exception: a support lead chooses
    RESOLVING = "resolving"  # do it; a credit is a refund of its own
    LOGGING = "logging"
    CONFIRMING = "confirming"
    VERIFYING = "verifying"  # read the systems of record back

    EXPLAINED = "explained"
    CREDITED = "credited"
    REPLACED = "replaced"
    DECLINED = "declined"  # by a support lead
    REFUSED = "refused"  # the order is another customer's; nothing was touched
    SETTLED_BY_HAND = "settled_by_hand"  # the books did not say what should be, and a person saw to it


GOOD = (State.EXPLAINED, State.CREDITED, State.REPLACED)
SUPPORT = Machine(
    State,
    initial=State.QUERYING_CRM,
    waiting=(State.AWAITING_LEAD,),
    final=(*GOOD, State.DECLINED, State.REFUSED, State.SETTLED_BY_HAND),
    good=GOOD,
)

PROMPT = "support_escalation/deciding"
DECIDING_TOOLS = (
    "crm.notes_of_customer",
    "crm.complaints_of_customer",
    "orders.find_order",
    "documentation.search",
    "documentation.read_page",
)
DECIDING_TURNS = 10
CREDIT = "credit"
"""The step that starts the refund."""
REFUNDED = "refunded"
PAGES = {f"page_{number}": f"/pages/{number}/page_id" for number in range(3)}
ORDER_FACTS = {name: f"/{name}" for name in ("customer_id", "status", "total_cents", "refunded_cents", "currency")}
CHOICE_FORM = '{"resolution": "credit", "cents": 2000, "sku": "", "page_id": "late-delivery", "reason": "why"}'


@workflow.defn(name="support_escalation")
class SupportEscalationWorkflow(Automation[SupportCase]):
    """One ticket."""

    machine = SUPPORT
    name = "support_escalation"
    owner_role = "support_lead"
    may_start = ("refund",)

    @workflow.init
    def __init__(self, case: SupportCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: SupportCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @SUPPORT.state(State.QUERYING_CRM)
    async def query_crm(self) -> Literal[State.CHECKING_ORDER]:
        """Who asks, and how much is on file about them."""
        who = self.case.named_customer
        card = await read_facts(self, "crm", "find_customer", who, {"name": "/name"})
        notes = await read_facts(self, "crm", "notes_of_customer", who, {"notes": "/count"})
        said = await read_facts(self, "crm", "complaints_of_customer", who, {"complaints": "/count"})
        self.note(customer=CustomerFacts(**card.facts, **notes.facts, **said.facts))
        return State.CHECKING_ORDER

    @SUPPORT.state(State.CHECKING_ORDER)
    async def check_order(self) -> Literal[State.SEARCHING, State.REFUSED]:
        """The order must be the customer's own."""
        self.note(order=await self._read_order())
        if self.case.order.customer_id != self.case.request.customer_id:
            self.note(reason=f"order {self.case.request.order_id} is not of customer {self.case.request.customer_id}")
            return State.REFUSED
        return State.SEARCHING

    @SUPPORT.state(State.SEARCHING)
    async def search(self) -> Literal[State.DECIDING]:
        """Which rules may apply to what the customer asks."""
        wanted: Arguments = {"text": self.case.request.question}
        found = (await read_facts(self, "documentation", "search", wanted, PAGES)).facts
        self.note(pages=tuple(str(found[place]) for place in PAGES if found[place]))
        return State.DECIDING

    @SUPPORT.state(State.DECIDING)
    async def weigh(self) -> Literal[State.RESOLVING, State.AWAITING_LEAD]:
        """Claude says what to do, which earlier promises bind, and whether a person must decide; then it is checked."""
        try:
            proposal = await self._advice()
        except _Unusable as unusable:
            return self._ask_lead(str(unusable))
        self.note(proposal=proposal, settlement=Settlement(**proposal.model_dump(include={*Settlement.model_fields})))
        today = workflow.now().date()
        if exception := self.case.exceptions_to(proposal, today) or await self._not_on_file(proposal):
            return self._ask_lead(exception)
        return State.RESOLVING

    @SUPPORT.state(State.AWAITING_LEAD)
    async def await_lead(self) -> Literal[State.RESOLVING, State.LOGGING, State.AWAITING_LEAD]:
        """A support lead takes Claude's advice, chooses something else, or declines. Nobody gives more than asked."""
        answer = await self.ask_to_choose(
            self.case.exception, self.owner_role, self._choices(), self.case.context(), CHOICE_FORM
        )
        match answer.verdict:
            case Verdict.APPROVE:
                return State.RESOLVING
            case Verdict.SUPPLY:
                return self._take_choice(answer.value, by=answer.approver)
            case _:
                declined = f"declined by {answer.approver}: {answer.note}"[:300]
                self.note(settlement=None, reason=declined, exception=declined)
                return State.LOGGING

    @SUPPORT.state(State.RESOLVING)
    async def resolve(self) -> Literal[State.LOGGING, State.AWAITING_LEAD]:
        """Do what was decided, unless what it rests on has changed meanwhile."""
        settlement = known(self.case.settlement, "the resolution")
        if changed := await self._changed() or await self._rule_missing(settlement):
            return self._ask_lead(changed)
        match settlement.resolution:
            case Resolution.EXPLAIN:
                return State.LOGGING
            case Resolution.CREDIT:
                return await self._credit(settlement)
            case Resolution.REPLACE:
                return await self._send_again(settlement)

    @SUPPORT.state(State.LOGGING)
    async def log_interaction(self) -> Literal[State.CONFIRMING]:
        """The customer file keeps what was done and which notes bound us, once."""
        entry = by_this_run(self.case.entry)
        done(await call_tool(self, "crm", "log_interaction", entry), "crm.log_interaction")
        return State.CONFIRMING

    @SUPPORT.state(State.CONFIRMING, skip=State.VERIFYING, fails=KeepTrying(times=2, every=timedelta(minutes=10)))
    async def confirm(self) -> Literal[State.VERIFYING]:
        """Tell the customer, in words of the mail service."""
        letter = by_this_run(self.case.letter)
        done(await call_tool(self, "mail", "confirm_resolution", letter), "mail.confirm_resolution")
        self.note(confirmed=True)
        return State.VERIFYING

    @SUPPORT.state(State.VERIFYING, take_over=State.SETTLED_BY_HAND)
    async def verify(self) -> Literal[State.EXPLAINED, State.CREDITED, State.REPLACED, State.DECLINED]:
        """Read every system of record back: logged once, told once, and what was promised stands."""
        check_outcome(await self._differences())
        settlement = self.case.settlement
        if settlement is None:
            return State.DECLINED
        self.note(reason=f"{self.case.words(settlement)}: {settlement.reason}"[:400])
        match settlement.resolution:
            case Resolution.EXPLAIN:
                return State.EXPLAINED
            case Resolution.CREDIT:
                return State.CREDITED
            case Resolution.REPLACE:
                return State.REPLACED

    # What Claude advises, and what of it is so.

    async def _advice(self) -> Proposal:
        """Raises _Unusable when there is no answer that fits."""
        asked = self.case.request
        outcome, turn = await converse(
            self,
            PROMPT,
            first_turn=self.case.turn,
            turns=DECIDING_TURNS,
            variables={
                **{name: str(value) for name, value in asked.model_dump().items()},
                "today": workflow.now().date().isoformat(),
                "pages": ", ".join(self.case.pages) or "none was found",
            },
            tools=DECIDING_TOOLS,
            answer=Proposal,
        )
        self.note(turn=turn)
        try:
            return advice(outcome, Proposal, PROMPT)
        except StepFailed as failed:
            raise _Unusable(failed.problem) from failed

    async def _not_on_file(self, proposal: Proposal) -> str:
        """Which promise does not stand in the note that Claude names: the customer file says so, not Claude."""
        quotes: list[JsonValue] = [{"note_id": each.note_id, "words": each.words} for each in proposal.promises]
        if not quotes:
            return ""
        wanted: Arguments = self.case.named_customer | {"quotes": quotes}
        facts = {"missing": "/missing", "note_id": "/first_missing"}
        found = (await read_facts(self, "crm", "check_quotes", wanted, facts)).facts
        if found["missing"] == 0:
            return ""
        return f"note {found['note_id']} of this customer does not say what Claude has read there"

    # An exception, and what a support lead makes of it.

    def _ask_lead(self, why: str) -> Literal[State.AWAITING_LEAD]:
        self.note(exception=why[:400], reason=why[:400])
        return State.AWAITING_LEAD

    def _choices(self) -> Mapping[Verdict, str]:
        """What was decided before can be done after all, if it can be done at all."""
        choose = {Verdict.SUPPLY: "choose another resolution", Verdict.REJECT: "decline, and tell the customer"}
        settlement = self.case.settlement
        if settlement is None or self.case.out_of_bounds(settlement):
            return choose
        return {Verdict.APPROVE: f"do it: {self.case.words(settlement)}", **choose}

    def _take_choice(self, value: str, by: str) -> Literal[State.RESOLVING, State.AWAITING_LEAD]:
        """What the lead has chosen, if it fits what was asked for; else they are asked again and told why."""
        try:
            chosen = Settlement.model_validate_json(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}"
        else:
            problem = self.case.out_of_bounds(chosen)
            if not problem:
                reason = f"{chosen.reason} (chosen by {by})"[:300]
                self.note(settlement=chosen.model_copy(update={"reason": reason}), reason=reason)
                return State.RESOLVING
        return self._ask_lead(f"{problem}; still: {self.case.exception.rpartition('; still: ')[2]}")

    # Doing it.

    async def _credit(self, settlement: Settlement) -> Literal[State.LOGGING, State.AWAITING_LEAD]:
        """A refund of its own, up to this amount: its rules, its approvers; this run waits, and answers nothing."""
        wanted = RefundRequest(order_id=self.case.request.order_id, limit_cents=settlement.cents)
        try:
            refund = await run_child(self, "refund", wanted, step=CREDIT)
        except StepFailed as failed:
            if failed.ask_people:  # lost, or the budget is spent: people look before anything else is tried
                raise
            return self._not_credited(f"no refund could be started: {failed.problem}")
        if refund.state == REFUNDED:
            return State.LOGGING
        ended = f"the refund ended as {refund.state}: {refund.reason}"
        if refund.state == BuiltIn.UNDO_INCOMPLETE:
            raise StepFailed(CREDIT, ended, renew=True, ask_people=True)
        return self._not_credited(ended)

    def _not_credited(self, why: str) -> Literal[State.AWAITING_LEAD]:
        self.note(occurrences=renew(self.case, CREDIT))
        return self._ask_lead(why)

    async def _send_again(self, settlement: Settlement) -> Literal[State.LOGGING, State.AWAITING_LEAD]:
        item = by_this_run(self.case.named_order | {"sku": settlement.sku})
        compensation.register(self, f"the replacement of {settlement.sku}", "orders", "cancel_replacement", item)
        placed = await call_tool(self, "orders", "place_replacement", item | {"cents": settlement.cents})
        if placed.done:
            return State.LOGGING
        self.note(occurrences=renew(self.case, "orders.place_replacement"))
        return self._ask_lead(f"no replacement could be ordered: {placed.message}")

    # Reading.

    async def _read_order(self) -> OrderFacts:
        order = (await read_facts(self, "orders", "find_order", self.case.named_order, ORDER_FACTS)).facts
        sent = await read_facts(
            self, "orders", "replacements_of_order", self.case.named_order, {"replacements": "/standing_count"}
        )
        return OrderFacts(**order, **sent.facts)

    async def _changed(self) -> str:
        """What is different since it was decided; people may have waited long."""
        before, now = self.case.order, await self._read_order()
        self.note(order=now)
        changes = before.changes_to(now)
        return f"the order has changed meanwhile: {changes}" if changes else ""

    async def _rule_missing(self, settlement: Settlement) -> str:
        page: Arguments = {"page_id": settlement.page_id}
        found = (await read_facts(self, "documentation", "list_pages", page, {"count": "/count"})).facts
        return "" if found["count"] == 1 else f"the documentation has no page {settlement.page_id!r}"

    async def _differences(self) -> list[str]:
        case = self.case
        kept: dict[str, Scalar] = {
            "/count": 1,
            "/interactions/0/outcome": case.outcome,
            "/interactions/0/cents": case.given_cents,
        }
        wrong = await unlike(self, "crm", "interactions_of_customer", by_this_run(case.named_customer), kept)
        if case.confirmed:
            letters: dict[str, Scalar] = {"/count": 1, "/confirmations/0/outcome": case.outcome}
            wrong += await unlike(self, "mail", "confirmations_of", by_this_run({}), letters)
        if case.outcome == State.CREDITED:
            credited = {"/count": 1, "/total_cents": case.given_cents}
            wrong += await unlike(self, "payments", "credits_of_order", case.named_order, credited)
            marked = {"/refunded_cents": case.given_cents}
            wrong += await unlike(self, "orders", "find_order", case.named_order, marked)
        if case.outcome == State.REPLACED:
            sent: dict[str, Scalar] = {"/count": 1, "/replacements/0/status": "ordered"}
            wrong += await unlike(self, "orders", "replacements_of_order", by_this_run(case.named_order), sent)
        return wrong

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"Ticket {self.case.request.ticket} of {self.case.request.customer_id}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        asked, settlement = self.case.request, self.case.settlement
        shown = {"ticket": asked.ticket, "customer": asked.customer_id, "order": asked.order_id}
        if settlement is not None:
            shown |= {"resolution": self.case.words(settlement), "because": settlement.reason}
        notes = ", ".join(str(promise.note_id) for promise in self.case.promises if promise.note_id is not None)
        return shown | ({"notes that bind": notes} if notes else {})


class _Unusable(Exception):
    """Claude has answered, and not in a way that can be used."""


SUPPORT.check()

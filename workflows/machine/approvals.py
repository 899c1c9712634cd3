"""Ask people and wait: approval requests, escalations, quorums and deadlines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import workflow

from contracts.canonical import digest
from contracts.decisions import (
    APPROVAL_VERDICTS,
    DEFAULT_ESCALATION_WITHIN,
    ApprovalRequest,
    DecidedRequest,
    Decision,
    DecisionToCheck,
    DisplayLine,
    RequestKind,
    RequestToClose,
    RequestToOpen,
    Verdict,
)
from contracts.policy import Obligation, Ruling
from contracts.runs import CaseT, Escalation
from workflows import steps
from workflows.machine.decisions import KEPT_DECISIONS, TakesDecisions, outcome_of

EXPIRED = "expired"
_NEVER = datetime.max.replace(tzinfo=UTC)


class Answer(BaseModel):
    """What became of one request to people."""

    request_id: str
    action_digest: str
    outcome: str
    """`approved`, `rejected`, `returned`, `expired`, or the option chosen."""
    verdict: Verdict | None = None
    approver: str = ""
    note: str = ""
    value: str = ""
    evidence: tuple[Decision, ...] = ()


class Choice(BaseModel):
    """A person's answer to an escalation."""

    verdict: Verdict
    approver: str
    value: str = ""


class DecidedByPeople(TakesDecisions[CaseT]):
    """A run that asks people, and goes on with what they decide."""

    async def wait_for(self, ready: Callable[[], bool], until: datetime | None, summary: str) -> bool:
        """Wait until `ready` or `until`."""
        raise NotImplementedError

    # Asking.

    async def ask_people(self, ruling: Ruling, title: str, context: tuple[DisplayLine, ...]) -> Answer:
        """Ask for the approvals a ruling demands and wait for the answer; asked once, whatever interrupts."""
        await self.open_approval(ruling, title, context)
        return await self.next_answer()

    async def open_approval(self, ruling: Ruling, title: str, context: tuple[DisplayLine, ...]) -> ApprovalRequest:
        """Put an approval request into the inbox, unless this action is asked about already."""
        for known in self.case.requests:
            if known.action_digest == ruling.action_digest:
                return known
        within = min(obligation.within for obligation in ruling.obligations)
        lines = (*context, DisplayLine(label="rules", text=", ".join(ruling.rule_ids) or "none"))
        return await self._open(
            RequestKind.APPROVAL,
            title,
            ruling.action_digest,
            ruling.obligations,
            APPROVAL_VERDICTS,
            within,
            lines,
        )

    async def ask_for_choice(self, escalation: Escalation, role: str) -> Choice:
        """Ask a person of `role` how the run goes on. Asks again, visibly, whenever a deadline passes."""
        if any(request.kind is not RequestKind.ESCALATION for request in self.case.requests):
            await self.withdraw_requests("withdrawn")  # asked again, should the run come back to it
        while True:
            if not self.case.requests:
                await self._open_escalation(escalation, role)
            answer = await self.next_answer()
            if answer.verdict is not None:
                return Choice(verdict=answer.verdict, approver=answer.approver, value=answer.value)

    async def _open_escalation(self, escalation: Escalation, role: str) -> None:
        within = DEFAULT_ESCALATION_WITHIN
        owner = Obligation(role=role, within=within, rule_id="escalation")
        lines = tuple(
            DisplayLine(label=f"option {option.value}", text=f"goes on in {target}")
            for option, target in escalation.options.items()
        )
        if escalation.value_hint:
            lines = (*lines, DisplayLine(label="value to supply", text=escalation.value_hint))
        named: dict[str, Any] = {"run": workflow.info().first_execution_run_id, "number": self.case.request_count + 1}
        about = digest(named | escalation.model_dump(mode="json"))
        options = tuple(escalation.options)
        await self._open(RequestKind.ESCALATION, escalation.problem, about, (owner,), options, within, lines)

    async def _open(
        self,
        kind: RequestKind,
        title: str,
        action_digest: str,
        obligations: tuple[Obligation, ...],
        options: tuple[Verdict, ...],
        within: timedelta,
        context: tuple[DisplayLine, ...],
    ) -> ApprovalRequest:
        number = self.case.request_count + 1
        self.note(request_count=number)  # before anything is awaited: two may be opened side by side
        request_id = f"{workflow.info().workflow_id}#{number}"
        opened_at = workflow.now()
        path = DisplayLine(label="path", text=" → ".join(visit.state for visit in self.case.path))
        stored = await steps.open_request(
            RequestToOpen(
                request_id=request_id,
                kind=kind,
                automation=self.name,
                state=self.case.state,
                title=title,
                action_digest=action_digest,
                obligations=obligations,
                options=options,
                deadline=opened_at + within,
                context=(path, *context),
            )
        )
        request = ApprovalRequest(
            id=request_id,
            kind=kind,
            title=title,
            action_digest=action_digest,
            display_digest=stored.display_digest,
            obligations=obligations,
            options=options,
            opened_at=opened_at,
            deadline=opened_at + within,
        )
        self.note(requests=(*self.case.requests, request))
        self._publish_details()
        steps.heed_cancellation(self)
        return request

    # Waiting.

    async def next_answer(self) -> Answer:
        """Wait until one of the open requests is decided or expires."""
        answer = await self._decided_or_expired()
        self._refuse_late()
        return answer

    async def _decided_or_expired(self) -> Answer:
        while True:
            if answer := await self._take_decisions():
                return answer
            nearest = min(self.case.requests, key=lambda request: request.deadline or _NEVER)
            summary = f"waiting for people: {nearest.title}"
            decided = await self.wait_for(lambda: bool(self.case.inbox), nearest.deadline, summary)
            if not decided and nearest.deadline is not None and workflow.now() >= nearest.deadline:
                return await self._close(nearest, Answer(**_about(nearest), outcome=EXPIRED))

    async def withdraw_requests(self, outcome: str) -> None:
        """Close every open request without an answer; waiting senders are told."""
        for decision in self.case.inbox:
            self._refuse(decision.approval_id, decision.approver, f"the run was {outcome} meanwhile")
        self.note(inbox=())
        for request in self.case.requests:
            await self._close(request, Answer(**_about(request), outcome=outcome))
        self._refuse_late()

    def _refuse_late(self) -> None:
        """Decisions that came while their request was being closed; their senders must not wait for ever."""
        open_ids = {request.id for request in self.case.requests}
        late = [decision for decision in self.case.inbox if decision.approval_id not in open_ids]
        for decision in late:
            self._refuse(decision.approval_id, decision.approver, self._why_closed(decision.approval_id))
        self.note(inbox=tuple(decision for decision in self.case.inbox if decision not in late))

    async def _take_decisions(self) -> Answer | None:
        while self.case.inbox:
            decision = self.case.inbox[0]
            answer = await self._take(decision)
            self.note(inbox=self.case.inbox[1:])
            if answer is not None:
                return answer
        return None

    async def _take(self, decision: Decision) -> Answer | None:
        request = self._open_request(decision.approval_id)
        if request is None:
            self._refuse(decision.approval_id, decision.approver, self._why_closed(decision.approval_id))
            return None
        check = DecisionToCheck(decision=decision, action_digest=request.action_digest)
        checked = await steps.check_decision(check)
        if not checked.counts:
            self._refuse(request.id, decision.approver, checked.reason)
            return None
        return await self._count(request, decision)

    async def _count(self, request: ApprovalRequest, decision: Decision) -> Answer | None:
        given = request.approvals
        if decision.verdict is Verdict.APPROVE:
            if _person(decision) in map(_person, given):
                self._refuse(
                    request.id,
                    decision.approver,
                    "this approver has approved already; a quorum counts people",
                )
                return None
            given = (*given, decision)
            if len(given) < max(obligation.quorum for obligation in request.obligations):
                self._replace(request.model_copy(update={"approvals": given}))
                return None
        answer = Answer(
            **_about(request),
            outcome=outcome_of(decision.verdict),
            verdict=decision.verdict,
            approver=decision.approver,
            note=decision.note,
            value=decision.value,
            evidence=given,
        )
        return await self._close(request, answer)

    async def _close(self, request: ApprovalRequest, answer: Answer) -> Answer:
        await steps.close_request(RequestToClose(request_id=request.id, outcome=answer.outcome, by=answer.approver))
        decided = DecidedRequest(id=request.id, outcome=answer.outcome, by=answer.approver, at=workflow.now())
        self.note(
            requests=tuple(known for known in self.case.requests if known.id != request.id),
            decided=(*self.case.decided, decided)[-KEPT_DECISIONS:],
        )
        self._publish_details()
        return answer


def _about(request: ApprovalRequest) -> dict[str, Any]:
    return {"request_id": request.id, "action_digest": request.action_digest}


def _person(decision: Decision) -> str:
    return decision.approver.strip().casefold()

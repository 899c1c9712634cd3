"""Ask people, and take their decisions: as an update (answered at once) or as a signal (noted in the case).

Handlers only enqueue. What is enqueued is verified outside the workflow while the run waits, one by one, and
counts only then. A decision that is malformed, untimely or not entitled never harms the run: an update is refused
with the reason, a signal's refusal is noted in the case.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from contracts.canonical import digest
from contracts.decisions import (
    APPROVAL_VERDICTS,
    DEFAULT_ESCALATION_WITHIN,
    MAX_DECISION_BYTES,
    ApprovalRequest,
    DecidedRequest,
    Decision,
    DecisionToCheck,
    DisplayLine,
    Receipt,
    RequestKind,
    RequestToClose,
    RequestToOpen,
    Verdict,
)
from contracts.policy import Obligation, Ruling
from contracts.runs import MAX_INBOX, CaseT, Escalation, RefusedDecision
from workflows import steps

EXPIRED = "expired"
_MISSING = RawValue(Payload())
_OUTCOMES = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RETURN: "returned"}
_KEPT = 20


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


class DecidedByPeople(Generic[CaseT]):
    """Requests and decisions of a run."""

    name: ClassVar[str]
    """The automation's name: the workflow type, and the first part of every run's ID."""

    case: CaseT

    def note(self, **changes: object) -> None:
        """Replace fields of the case."""
        raise NotImplementedError

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
        named: dict[str, Any] = {"run": self._run_id(), "number": self.case.request_count + 1}
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
            nearest = min(self.case.requests, key=lambda request: request.deadline or datetime.max)
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
        check = DecisionToCheck(decision=decision, request_id=request.id, obligations=request.obligations)
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
            outcome=_OUTCOMES.get(decision.verdict, decision.verdict.value),
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
            decided=(*self.case.decided, decided)[-_KEPT:],
        )
        self._publish_details()
        return answer

    # Receiving.

    @workflow.update(
        name="decide",
        description="A decision, as `interlock approvals sign ID --print` prints it; answered at once.",
    )
    async def decide(self, decision: Decision) -> Receipt:
        """Enqueue a decision, wait until it is checked, and say what became of it."""
        self.note(inbox=(*self.case.inbox, decision))
        await workflow.wait_condition(lambda: decision not in self.case.inbox)
        return self._receipt(decision)

    @decide.validator
    def _validate_decision(self, decision: Decision) -> None:
        if problem := self._problem_with(decision):
            raise ApplicationError(problem, type="DecisionRefused", non_retryable=True)

    @workflow.signal(
        name="decide",
        description="A decision, as `interlock approvals sign ID --print` prints it; refusals show in the run.",
    )
    def decide_by_signal(self, raw: RawValue = _MISSING) -> None:
        """Enqueue a decision that arrives as a signal, or note why it does not count."""
        try:
            decision = _parse(raw)
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            self.refuse_message(error)
            return
        if problem := self._problem_with(decision):
            self._refuse(decision.approval_id, decision.approver, problem)
        else:
            self.note(inbox=(*self.case.inbox, decision))

    def refuse_message(self, error: Exception) -> None:
        """Note a message that is not even a decision."""
        self._refuse("", "", _first_line(error))

    def _problem_with(self, decision: Decision) -> str:
        """What can be said against a decision without leaving the workflow; empty when nothing."""
        request = self._open_request(decision.approval_id)
        if request is None:
            return self._why_closed(decision.approval_id)
        info = workflow.info()
        expected = {
            "namespace": info.namespace,
            "workflow_id": info.workflow_id,
            "first_run_id": info.first_execution_run_id,
            "action_digest": request.action_digest,
            "display_digest": request.display_digest,
        }
        for field, value in expected.items():
            if getattr(decision, field) != value:
                return f"{field} is {getattr(decision, field)!r}, this request has {value!r}; read it again"
        return self._untimely(decision, request)

    def _untimely(self, decision: Decision, request: ApprovalRequest) -> str:
        if decision.verdict not in request.options:
            options = ", ".join(option.value for option in request.options)
            return f"verdict {decision.verdict.value!r} is no answer to this request; answer one of: {options}"
        if decision.expires_at <= workflow.now():
            return f"the decision expired at {decision.expires_at:%Y-%m-%d %H:%M:%S} UTC; decide again"
        if len(self.case.inbox) >= MAX_INBOX:
            return f"{MAX_INBOX} decisions are waiting to be checked already; send it again later"
        return ""

    def _receipt(self, decision: Decision) -> Receipt:
        for decided in self.case.decided:
            if decided.id == decision.approval_id and decided.by == decision.approver:
                message = f"{decided.id} is {decided.outcome}"
                return Receipt(approval_id=decided.id, outcome=decided.outcome, message=message)
        request = self._open_request(decision.approval_id)
        if request is not None and decision in request.approvals:
            quorum = max(obligation.quorum for obligation in request.obligations)
            message = f"{request.id}: {len(request.approvals)} of {quorum} approvals"
            return Receipt(approval_id=request.id, outcome="counted", message=message)
        raise ApplicationError(self._last_refusal(decision), type="DecisionRefused", non_retryable=True)

    def _last_refusal(self, decision: Decision) -> str:
        for refused in reversed(self.case.refused_decisions):
            if refused.approval_id == decision.approval_id and refused.approver == decision.approver:
                return refused.reason
        return self._why_closed(decision.approval_id)

    def _why_closed(self, approval_id: str) -> str:
        for decided in self.case.decided:
            if decided.id == approval_id:
                by = f" by {decided.by}" if decided.by else ""
                return f"{approval_id} was {decided.outcome}{by} at {decided.at:%Y-%m-%d %H:%M:%S} UTC"
        waiting = ", ".join(request.id for request in self.case.requests) or "nothing"
        return f"{approval_id!r} is not open in this run; open: {waiting}"

    # Bookkeeping.

    def _open_request(self, approval_id: str) -> ApprovalRequest | None:
        return next((request for request in self.case.requests if request.id == approval_id), None)

    def _replace(self, changed: ApprovalRequest) -> None:
        self.note(requests=tuple(changed if known.id == changed.id else known for known in self.case.requests))
        self._publish_details()

    def _refuse(self, approval_id: str, approver: str, reason: str) -> None:
        refused = RefusedDecision(
            approval_id=approval_id[:450], approver=approver[:200], reason=reason[:300], at=workflow.now()
        )
        self.note(
            refused_decisions=(*self.case.refused_decisions, refused)[-_KEPT:],
            refused_count=self.case.refused_count + 1,
        )
        self._publish_details()

    def _run_id(self) -> str:
        return workflow.info().first_execution_run_id

    def _publish_details(self) -> None:
        raise NotImplementedError


def _about(request: ApprovalRequest) -> dict[str, Any]:
    return {"request_id": request.id, "action_digest": request.action_digest}


def _parse(raw: RawValue) -> Decision:
    if raw is _MISSING:
        raise ValueError(
            "the signal has no payload; send one JSON object, as `interlock approvals sign --print` prints it"
        )
    if len(raw.payload.data) > MAX_DECISION_BYTES:
        raise ValueError(f"the decision has {len(raw.payload.data)} bytes; at most {MAX_DECISION_BYTES} are read")
    parsed = workflow.payload_converter().from_payload(raw.payload, Decision)
    if not isinstance(parsed, Decision):
        raise TypeError(f"the signal carries {type(parsed).__name__}, not a JSON object with a decision")
    return parsed


def _person(decision: Decision) -> str:
    return decision.approver.strip().casefold()


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "decision"
        return f"the decision does not have the shape of a decision: {field}: {first['msg']}"
    return (str(error) or repr(error)).splitlines()[0][:300]

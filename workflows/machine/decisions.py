"""Take the decisions of people: as an update (answered at once) or as a signal (noted in the case).

Handlers only enqueue. What is enqueued is verified outside the workflow while the run waits, in batches, and
counts only then. A decision that is malformed, untimely or not entitled never harms the run: an update is refused
with the reason, a signal's refusal is noted in the case.
"""

from collections.abc import Callable
from typing import ClassVar, Generic

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from contracts.budgets import read_extension
from contracts.decisions import APPROVED, MAX_DECISION_BYTES, ApprovalRequest, Decision, Receipt, Verdict
from contracts.policy import people_demanded
from contracts.runs import MAX_INBOX, CaseT, RefusedDecision

KEPT_DECISIONS = 20
ON_SIGHT = "interlock_decision_on_sight"
"""The worker's own check of signatures, by the roster as it last read it."""
_OUTCOMES = {Verdict.APPROVE: APPROVED, Verdict.REJECT: "rejected", Verdict.RETURN: "returned"}
_MISSING = RawValue(Payload())


def outcome_of(verdict: Verdict) -> str:
    """What a verdict makes of its request: `approved`, `rejected`, `returned`, or the option chosen."""
    return _OUTCOMES.get(verdict, verdict.value)


class TakesDecisions(Generic[CaseT]):
    """The inbox of a run: what arrives, and what can be said against it without leaving the workflow."""

    name: ClassVar[str]
    """The automation's name: the workflow type, and the first part of every run's ID."""

    case: CaseT

    def note(self, **changes: object) -> None:
        """Replace fields of the case."""
        raise NotImplementedError

    def _publish_details(self) -> None:
        raise NotImplementedError

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
        # Never at replay: a validator has ruled before the first event of its update is written.
        if problem := self._problem_with(decision) or on_sight(decision):
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
        if problem := _problem_with_value(decision):
            return problem
        if decision.expires_at <= workflow.now():
            return f"the decision expired at {decision.expires_at:%Y-%m-%d %H:%M:%S} UTC; decide again"
        if len(self.case.inbox) >= MAX_INBOX:
            return f"{MAX_INBOX} decisions are waiting to be checked already; send it again later"
        return ""

    def _receipt(self, decision: Decision) -> Receipt:
        for decided in self.case.decided:
            answered = (decided.id, decided.by, decided.outcome)
            if answered == (decision.approval_id, decision.approver, outcome_of(decision.verdict)):
                message = (
                    f"{decided.id} {'is' if decision.verdict in _OUTCOMES else 'was answered with'} {decided.outcome}"
                )
                return Receipt(approval_id=decided.id, outcome=decided.outcome, message=message)
        request = self._open_request(decision.approval_id)
        if request is not None and decision in request.approvals:
            wanted = sum(people_demanded(request.obligations).values())
            message = f"{request.id}: {len(request.approvals)} of {wanted} approvals"
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
            refused_decisions=(*self.case.refused_decisions, refused)[-KEPT_DECISIONS:],
            refused_count=self.case.refused_count + 1,
        )
        self._publish_details()


def _problem_with_value(decision: Decision) -> str:
    """What is wrong with how much more a decision would let the run spend."""
    if decision.verdict is not Verdict.EXTEND:
        return ""
    try:
        read_extension(decision.value)
    except ValueError as problem:
        return str(problem)
    return ""


def on_sight(decision: Decision) -> str:
    """Why the decision is not genuine, as far as this worker can tell at once; empty when it cannot tell."""
    says: Callable[[Decision], str] | None = workflow.extern_functions().get(ON_SIGHT)
    return says(decision) if says is not None else ""


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


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "decision"
        return f"the decision does not have the shape of a decision: {field}: {first['msg']}"
    return (str(error) or repr(error)).splitlines()[0][:300]

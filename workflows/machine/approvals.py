"""Ask people and wait: approval requests, escalations, quorums and deadlines."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import BaseModel
from temporalio import workflow

from contracts.canonical import digest
from contracts.decisions import (
    APPROVAL_VERDICTS,
    DEFAULT_ESCALATION_WITHIN,
    ApprovalRequest,
    CheckedDecision,
    DecidedRequest,
    Decision,
    DecisionsToCheck,
    DisplayLine,
    RequestEvent,
    RequestKind,
    RequestToClose,
    RequestToOpen,
    RequestToPass,
    Verdict,
)
from contracts.policy import Obligation, Ruling
from contracts.runs import CaseT, Escalation
from workflows import steps, store_steps
from workflows.machine.compensation import left
from workflows.machine.decisions import KEPT_DECISIONS, outcome_of
from workflows.machine.hearing import HearsChildren

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
    decision: Decision | None = None
    """The answer itself, for what must be verified once more."""


class DecidedByPeople(HearsChildren[CaseT]):
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
        lines = (*context, DisplayLine(label="rules", text=", ".join(ruling.rule_ids) or "none"))
        return await self._open(
            RequestKind.APPROVAL,
            title,
            ruling.action_digest,
            ruling.obligations,
            APPROVAL_VERDICTS,
            lines,
        )

    async def may_be_stopped(
        self, title: str, roles: tuple[str, ...], within: timedelta, context: tuple[DisplayLine, ...]
    ) -> Answer:
        """Give whoever holds one of `roles` so long to stop what follows, by `abandon`; `expired`: nobody did.

        That nobody stops it is no approval of anything.
        """
        if not self.case.requests:
            may_stop = tuple(Obligation(role=role, within=within, rule_id="stopping") for role in roles)
            run, number = workflow.info().first_execution_run_id, self.case.request_count + 1
            about = digest({"run": run, "number": number, "stop": title})
            await self._open(RequestKind.ESCALATION, title, about, may_stop, (Verdict.ABANDON,), context)
        return await self.next_answer()

    async def ask_for_choice(self, escalation: Escalation, role: str) -> Choice:
        """Ask a person of `role` how the run goes on. Asks again, visibly, whenever a deadline passes."""
        if any(request.kind is RequestKind.APPROVAL for request in self.case.requests):
            await self.withdraw_requests("withdrawn")  # asked again, should the run come back to it
        verdict, answer = await self._answered(lambda: self._open_escalation(escalation, role))
        decision = answer.evidence[0] if answer.evidence else None
        return Choice(verdict=verdict, approver=answer.approver, value=answer.value, decision=decision)

    async def ask_to_choose(
        self,
        title: str,
        role: str,
        options: Mapping[Verdict, str],
        context: tuple[DisplayLine, ...],
        value_hint: str = "",
    ) -> Answer:
        """Ask a person of `role` which of these options is taken: a question of the business, no step has failed.

        Asks again, visibly, whenever a deadline passes; the answer is always a person's, and has a verdict.
        """
        shown = (*context, *(DisplayLine(label=f"option {each.value}", text=options[each]) for each in options))
        hint = (DisplayLine(label="value to supply", text=value_hint),) if value_hint else ()

        async def ask() -> None:
            named: dict[str, Any] = {"run": workflow.info().first_execution_run_id}
            named |= {"number": self.case.request_count + 1, "title": title, "options": [*options]}
            owner = Obligation(role=role, within=DEFAULT_ESCALATION_WITHIN, rule_id="escalation")
            await self._open(RequestKind.ESCALATION, title, digest(named), (owner,), tuple(options), (*shown, *hint))

        return (await self._answered(ask))[1]

    async def _answered(self, ask: Callable[[], Awaitable[None]]) -> tuple[Verdict, Answer]:
        """A person's answer; asked again whenever a deadline has passed without one."""
        while True:
            if not self.case.requests:
                await ask()
            answer = await self.next_answer()
            if answer.verdict is not None:
                return answer.verdict, answer

    async def _open_escalation(self, escalation: Escalation, role: str) -> None:
        owner = Obligation(role=role, within=DEFAULT_ESCALATION_WITHIN, rule_id="escalation")
        lines = tuple(
            DisplayLine(label=f"option {option.value}", text=f"goes on in {target}")
            for option, target in escalation.options.items()
        )
        if escalation.undoing:
            lines = (
                DisplayLine(label="undone", text=", ".join(self.case.undone)[:4000] or "nothing"),
                DisplayLine(label="not undone", text=", ".join(left(self.case))[:4000]),
                *lines,
            )
        if escalation.value_hint:
            lines = (*lines, DisplayLine(label="value to supply", text=escalation.value_hint))
        if escalation.extends:
            lines = (*lines, DisplayLine(label="how to extend", text=escalation.extends))
        options = tuple(escalation.options)
        if (unanswered := escalation.unanswered) is not None:
            kind, title = RequestKind.OUTCOME, escalation.problem
            await self._open(kind, title, unanswered.action_digest, (owner,), options, lines)
            return
        named: dict[str, Any] = {"run": workflow.info().first_execution_run_id, "number": self.case.request_count + 1}
        about = digest(named | escalation.model_dump(mode="json", exclude={"unanswered", "extends"}))
        await self._open(RequestKind.ESCALATION, escalation.problem, about, (owner,), options, lines)

    async def _open(
        self,
        kind: RequestKind,
        title: str,
        action_digest: str,
        obligations: tuple[Obligation, ...],
        options: tuple[Verdict, ...],
        context: tuple[DisplayLine, ...],
    ) -> ApprovalRequest:
        path = DisplayLine(label="path", text=" → ".join(visit.state for visit in self.case.path))
        while True:
            asked = RequestToOpen(
                request_id=self._next_request_id(),
                kind=kind,
                automation=self.name,
                state=self.case.state,
                title=title,
                action_digest=action_digest,
                obligations=obligations,
                options=options,
                asked_at=workflow.now(),
                context=(path, *context),
            )
            stored = await store_steps.open_request(asked)
            if not stored.used:  # else it is a number from before a reset
                break
        request = ApprovalRequest(
            id=asked.request_id,
            kind=kind,
            title=title,
            action_digest=action_digest,
            display_digest=stored.display_digest,
            obligations=obligations,
            options=options,
            opened_at=asked.asked_at,
            deadline=stored.deadline,
            remind_at=stored.remind_at,
            hand_on_at=stored.hand_on_at,
        )
        self.note(requests=(*self.case.requests, request))
        self._publish_details()
        await self.tell_parent(self.case.requests)
        steps.heed_cancellation(self)
        return request

    def _next_request_id(self) -> str:
        """Counted before anything is awaited: two may be opened side by side."""
        self.note(request_count=self.case.request_count + 1)
        return f"{workflow.info().workflow_id}#{self.case.request_count}"

    # Waiting.

    async def next_answer(self) -> Answer:
        """Wait until one of the open requests is decided or expires."""
        while True:
            if (answer := await self.answer_unless(_nothing)) is not None:
                return answer

    async def answer_unless(self, happened: Callable[[], bool]) -> Answer | None:
        """The same; or None once something else has happened, and the requests stay open."""
        answer = await self._decided_or_expired(happened)
        self._refuse_late()
        return answer

    async def _decided_or_expired(self, happened: Callable[[], bool]) -> Answer | None:
        """What has arrived counts before what is due; and however much arrives, what is due is done."""
        while True:
            if answer := await self._take_decisions() or await self._time_has_come():
                return answer
            if happened():
                return None
            following = min((_next_of(request) for request in self.case.requests), key=lambda due: due.at)
            summary = f"waiting for people; then {following.what}: {following.title}"
            until = following.at if following.at != _NEVER else None
            await self.wait_for(lambda: bool(self.case.inbox) or happened(), until, summary)

    async def _time_has_come(self) -> Answer | None:
        """What is due by now: reminders, handing on, and at last the request expires; never an automatic yes."""
        for request in self.case.requests:
            now = workflow.now()
            if request.deadline is not None and request.deadline <= now:
                return await self._close(request, Answer(**_about(request), outcome=EXPIRED))
            if request.hand_on_at is not None and request.hand_on_at <= now:
                await self._pass(request, RequestEvent.HANDED_ON, hand_on_at=None, handed_on=True, remind_at=None)
            elif request.remind_at is not None and request.remind_at <= now:
                await self._pass(request, RequestEvent.REMINDED, remind_at=None)
        return None

    async def _pass(self, request: ApprovalRequest, event: RequestEvent, **changes: object) -> None:
        await store_steps.pass_request(RequestToPass(request_id=request.id, event=event))
        self._replace(request.model_copy(update=changes))
        steps.heed_cancellation(self)

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
        """Check everything that has arrived in one batch; the first decision that closes its request ends it."""
        self._refuse_late()
        arrived = self.case.inbox
        if not arrived:
            return None
        counted = tuple(given for request in self.case.requests for given in request.approvals)
        checked = await store_steps.check_decisions(DecisionsToCheck(arrived=arrived, counted=counted))
        for decision, answer_to_it in zip(arrived, checked.checked, strict=True):
            answer = await self._take(decision, answer_to_it)
            self.note(inbox=tuple(other for other in self.case.inbox if other is not decision))
            if answer is not None:
                return answer  # what arrived with it is checked again, should its request still be open
        return None

    async def _take(self, decision: Decision, checked: CheckedDecision) -> Answer | None:
        request = self._open_request(decision.approval_id)
        if request is None or not checked.counts:
            reason = checked.reason if request is not None else self._why_closed(decision.approval_id)
            self._refuse(decision.approval_id, decision.approver, reason)
            return None
        given = request.approvals
        if decision.verdict is Verdict.APPROVE:
            given = (*given, decision)
            if not checked.fulfilled:
                self._replace(request.model_copy(update={"approvals": given}))
                return None
        answer = Answer(
            **_about(request),
            outcome=outcome_of(decision.verdict),
            verdict=decision.verdict,
            approver=decision.approver,
            note=decision.note,
            value=decision.value,
            evidence=given if decision.verdict is Verdict.APPROVE else (decision,),
        )
        return await self._close(request, answer)

    async def _close(self, request: ApprovalRequest, answer: Answer) -> Answer:
        await store_steps.close_request(
            RequestToClose(request_id=request.id, outcome=answer.outcome, by=answer.approver)
        )
        decided = DecidedRequest(id=request.id, outcome=answer.outcome, by=answer.approver, at=workflow.now())
        self.note(
            requests=tuple(known for known in self.case.requests if known.id != request.id),
            decided=(*self.case.decided, decided)[-KEPT_DECISIONS:],
        )
        self._publish_details()
        await self.tell_parent(self.case.requests)
        return answer


def _about(request: ApprovalRequest) -> dict[str, Any]:
    return {"request_id": request.id, "action_digest": request.action_digest}


class _Due(NamedTuple):
    """What happens to a request next if nobody decides."""

    at: datetime
    what: str
    title: str


def _next_of(request: ApprovalRequest) -> _Due:
    moments = {"handing on": request.hand_on_at, "reminder": request.remind_at, "deadline": request.deadline}
    known = [_Due(at, what, request.title) for what, at in moments.items() if at is not None]
    return min(known, key=lambda due: due.at, default=_Due(_NEVER, "nothing", request.title))


def _nothing() -> bool:
    """Nothing else is waited for."""
    return False

"""The base of every automation: drive the machine from state to state, escalate, cancel, and continue as new."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from contracts.budgets import WAY_TO_EXTEND
from contracts.decisions import Verdict
from contracts.runs import BuiltIn, Case, CaseT, Ending, Escalation, Resolution, RunView, Visit
from contracts.tools import CallStatus, ToolOutcome
from workflows import steps, store_steps
from workflows.machine import compensation, record
from workflows.machine.approvals import Choice
from workflows.machine.definition import Machine
from workflows.machine.failing import KeepTrying, UndoAll
from workflows.machine.waiting import WaitsForOthers

KEPT_VISITS = 50


class Automation(WaitsForOthers[CaseT]):
    """A run of one automation. Everything it knows is in `self.case`; handlers keep nothing else on `self`.

    A subclass names its machine, starts with `await self.drive()`, and has one handler per busy state.
    """

    machine: ClassVar[Machine[Any]]
    owner_role: ClassVar[str] = "operations"
    """Who chooses when a run escalates."""
    may_start: ClassVar[tuple[str, ...]] = ()
    """The automations that a run may start inside it, with `run_child`."""

    case: CaseT

    def __init__(self, case: CaseT) -> None:
        self.case = case

    def note(self, **changes: object) -> None:
        """Replace fields of the case; the only way anything is remembered."""
        if unknown := changes.keys() - type(self.case).model_fields.keys():
            raise AttributeError(f"{type(self.case).__name__} has no field {min(unknown)!r} to note; declare it there")
        self.case = self.case.model_copy(update=changes)

    # What an automation tells about itself; subclasses override.

    def summary(self) -> str:
        """One line for the Web UI: what this run is about."""
        return f"{self.name} {self.case.start.business_key}"

    def facts(self) -> dict[str, str]:
        """The facts people should see in the Web UI and in `runs show`."""
        return {}

    def situation(self) -> dict[str, str]:
        """The facts Claude must see last at its turns; it is told again of them only when one has changed.

        A fact that changes at every turn does not belong here. At most twenty are told, each with 200 characters.
        """
        return self.facts()

    def answer_ref(self) -> str:
        """Content address of what the run answers, for automations that answer something."""
        return ""

    # The life of a run.

    async def drive(self) -> Ending:
        """Run handlers until a final state. Every ending is a state; Temporal's own status is then Completed."""
        try:
            await self._finish_in_peace(self._begin())
            steps.heed_cancellation(self)
            await self._until_final(self._next_state)
        except BaseException as stopped:
            if not is_cancelled_exception(stopped) or workflow.cancellation_reason() is None:
                raise
            await self._finish_in_peace(self._cancel())
        await self._finish_in_peace(self._end())
        return self._as_ending()

    def _as_ending(self) -> Ending:
        """A parent is told besides what its child has read, and whether it was registered at all."""
        ending = Ending(state=self.case.state, reason=self.case.reason, answer_ref=self.answer_ref())
        if not self.case.start.inside:
            return ending
        return ending.model_copy(update={"taint": self.case.taint, "refused": self.case.unregistered})

    async def _begin(self) -> None:
        if self.case.state:
            self._publish_details()
            return
        self.note(summary=self.summary())
        registered = await store_steps.register_run(self, self.request_as_json())
        self.note(taint=registered.taint)
        if registered.refused:
            self.note(reason=registered.refused, unregistered=True)
        first = BuiltIn.CANCELLED if registered.refused else self.machine.initial
        self._visit(first.value)
        record.publish_start(self.name, self.case.state, registered.requester_pseudonym)

    def request_as_json(self) -> dict[str, Any]:
        """The automation's input as it was given, for the start record."""
        dumped: dict[str, Any] = self.case.model_dump(mode="json", include={"request"})
        return cast(dict[str, Any], dumped["request"])

    async def _until_final(self, next_state: Callable[[], Any]) -> None:
        while not self.machine.is_final(self._state()):
            self._enter(await next_state())
            await self.continue_as_new_if_suggested()

    async def _next_state(self) -> str:
        if self.case.state == BuiltIn.ESCALATED:
            return await self._await_choice()
        if self.case.cancelling or self.case.undoing_to:
            return await self._undo_everything()
        await self._pause()
        state = self.machine.named(self.case.state)
        try:
            following = await self.machine.handler(state)(self)
        except compensation.UndoFailed as failure:
            return self._escalate_undo(failure)
        except steps.StepFailed as failure:
            return await self._follow(failure)
        return str(self.machine.move(state, following).value)

    def _state(self) -> Any:
        return self.machine.named(self.case.state)

    async def _end(self) -> None:
        await self.withdraw_requests("withdrawn")
        await store_steps.record_ending(self)
        await workflow.wait_condition(workflow.all_handlers_finished)

    # Entering states.

    def _enter(self, state: str) -> None:
        previous = self._state()
        self._visit(state)
        entered = self._state()
        noticeable = self.machine.is_waiting(previous) or self.machine.is_waiting(entered)
        if noticeable or self.machine.is_final(entered):
            record.publish_state(state)

    def _visit(self, state: str) -> None:
        after_failure = self.case.again_at is not None or state == self.case.undoing_to
        visit = Visit(state=state, at=workflow.now(), **({"failed": True} if after_failure else {}))
        if state == self.case.undoing_to:
            self.note(undoing_to="")
        if state != self.case.state:
            self.note(tries=0)
        self.note(state=state, path=(*self.case.path, visit)[-KEPT_VISITS:], visits=self.case.visits + 1)
        self._publish_details()

    def _publish_details(self) -> None:
        record.publish_details(self.case, self.facts())

    # What the machine says of a failed step.

    async def _follow(self, failure: steps.StepFailed) -> str:
        """The state that follows by itself; where only people can know what happened, they are asked."""
        rule = self.machine.fails(self._state())
        if isinstance(rule, UndoAll) and not failure.ask_people:
            self.note(undoing_to=rule.to.value, reason=failure.problem[:400])
            self._publish_details()
            return await self._undo_everything()
        hopeless = failure.ask_people or failure.by_policy
        if isinstance(rule, KeepTrying) and self.case.tries < rule.times and not hopeless:
            return self._try_again(failure, rule.every)
        return self._escalate(failure)

    def _try_again(self, failure: steps.StepFailed, after: timedelta) -> str:
        self.note(tries=self.case.tries + 1, again_at=workflow.now() + after, reason=failure.problem[:400])
        if failure.renew:
            self.note(occurrences=steps.renew(self.case, failure.step))
        return self.case.state

    async def _pause(self) -> None:
        """Not longer than the machine says: the run continues as new before or after, never meanwhile."""
        if self.case.again_at is None:
            return
        if (wait := self.case.again_at - workflow.now()) > timedelta():
            await workflow.sleep(wait, summary=f"then {self.case.state} once more: {self.case.reason}"[:200])
        self.note(again_at=None, reason="")
        self._publish_details()

    # Escalation: a person chooses how the run goes on.

    def _escalate(self, failure: steps.StepFailed) -> str:
        options = {option: target.value for option, target in self._options(failure).items()}
        escalation = Escalation(
            from_state=self.case.state,
            problem=failure.problem[:400],
            options={**options, Verdict.ABANDON: BuiltIn.CANCELLED.value},
            step=failure.step,
            renew=failure.renew,
            value_hint=failure.value_hint,
            extends=WAY_TO_EXTEND if failure.extendable else "",
            unanswered=failure.unanswered,
        )
        self.note(escalation=escalation, reason=escalation.problem)
        return BuiltIn.ESCALATED.value

    def _options(self, failure: steps.StepFailed) -> dict[Verdict, Any]:
        escapes = dict(self.machine.escapes(self._state()))
        if failure.unanswered is not None:
            again = escapes[Verdict.RETRY] if failure.renew else self._state()
            return {Verdict.HAPPENED: self._state(), Verdict.DID_NOT_HAPPEN: again}
        if not failure.value_hint:
            escapes.pop(Verdict.SUPPLY, None)
        return {Verdict.EXTEND: self._state(), **escapes} if failure.extendable else escapes

    async def _await_choice(self) -> str:
        escalation = self._escalation()
        choice = await self.ask_for_choice(escalation, self.owner_role)
        resolved = await self._resolved(escalation, choice)
        if resolved is not None and resolved.status is CallStatus.UNKNOWN:
            return self._escalate_still(escalation, resolved.message)
        if refused := await self._not_extended(choice):
            return self._escalate_still(escalation, refused)
        if choice.verdict is Verdict.ABANDON:
            return await self._abandon(escalation, choice.approver)
        again = choice.verdict is Verdict.RETRY if resolved is None else resolved.status is CallStatus.NOT_HAPPENED
        if again and escalation.renew:
            self.note(occurrences=steps.renew(self.case, escalation.step))
        if choice.verdict is Verdict.TAKE_OVER and escalation.undoing:
            compensation.undone_by_hand(self)
        supplied = choice.value if choice.verdict is Verdict.SUPPLY else ""
        self.note(escalation=None, reason="", supplied=supplied, doubts=())
        if self.case.cancelling:
            return await self._undo_everything()
        if resolved is not None and not again:  # the ledger answers the call, whatever was said
            return escalation.from_state
        return escalation.options[Verdict.DID_NOT_HAPPEN if resolved is not None else choice.verdict]

    async def _resolved(self, escalation: Escalation, choice: Choice) -> ToolOutcome | None:
        """What stands in the ledger once it has the answer, where that says what came of a call; else None.

        An answer of the server that came meanwhile stands against every word.
        """
        if escalation.unanswered is None or choice.decision is None:
            return None
        return await store_steps.resolve_call(Resolution(unanswered=escalation.unanswered, decision=choice.decision))

    @staticmethod
    async def _not_extended(choice: Choice) -> str:
        """Why a choice to extend the budget does not count; empty when it does, and for every other choice."""
        if choice.verdict is not Verdict.EXTEND or choice.decision is None:
            return ""
        return (await store_steps.extend_budget(choice.decision)).refused

    def _escalate_still(self, escalation: Escalation, why: str) -> str:
        """A word did not count: people are asked again, and told why."""
        problem = f"{why[:200]}; still: {escalation.problem.rpartition('; still: ')[2]}"[:400]
        self.note(escalation=escalation.model_copy(update={"problem": problem}), reason=problem)
        return BuiltIn.ESCALATED.value

    async def _abandon(self, escalation: Escalation, by: str) -> str:
        reason = f"abandoned by {by}: {escalation.problem}"[:400]
        self.note(escalation=None, cancelling=True, reason=reason)
        return BuiltIn.UNDO_INCOMPLETE.value if escalation.undoing else await self._undo_everything()

    def _escalation(self) -> Escalation:
        if self.case.escalation is None:
            raise RuntimeError(f"{self.case.state!r} without an escalation: the case is damaged")
        return self.case.escalation

    # Cancelling and undoing.

    async def _cancel(self) -> None:
        if not self.case.cancelling:  # else people have cancelled or abandoned it before, and nothing changes
            doubts = f"; nobody knows whether {', '.join(self.case.doubts)} happened" if self.case.doubts else ""
            reason = f"cancelled: {workflow.cancellation_reason() or 'no reason given'}"[: 400 - len(doubts)] + doubts
            self.note(cancelling=True, again_at=None, reason=reason)
            await self.withdraw_requests("cancelled")
            if self.case.state == BuiltIn.ESCALATED:
                self.note(escalation=None)
                self._enter(await self._undo_everything())
        await self._until_final(self._next_state)

    async def _undo_everything(self) -> str:
        try:
            await compensation.undo(self)
        except compensation.UndoFailed as failure:
            return self._escalate_undo(failure)
        return BuiltIn.CANCELLED.value if self.case.cancelling else self._after_undoing()

    def _after_undoing(self) -> str:
        state, following = self._state(), self.machine.named(self.case.undoing_to)
        if following is not self.machine.failures.get(state):  # a handler has chosen it
            self.machine.move(state, following)
        return self.case.undoing_to

    def _escalate_undo(self, failure: compensation.UndoFailed) -> str:
        unanswered = failure.unanswered is not None
        answers = (Verdict.HAPPENED, Verdict.DID_NOT_HAPPEN) if unanswered else (Verdict.RETRY, Verdict.TAKE_OVER)
        options = dict.fromkeys(answers, self.case.state)
        escalation = Escalation(
            from_state=self.case.state,
            problem=failure.problem[:400],
            options=options | {Verdict.ABANDON: BuiltIn.UNDO_INCOMPLETE.value},
            step=failure.step,
            renew=failure.renew,
            undoing=True,
            unanswered=failure.unanswered,
        )
        self.note(escalation=escalation, reason=escalation.problem)
        return BuiltIn.ESCALATED.value

    @staticmethod
    async def _finish_in_peace(undoing: Any) -> None:
        """Await to the end, whatever further cancels arrive."""
        task = asyncio.ensure_future(undoing)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                continue
        task.result()

    # Continuing as new.

    async def continue_as_new_if_suggested(self) -> None:
        """Between handlers, and at a drained wait: carry the case into a fresh history."""
        if not self._may_continue_as_new() or self.machine.is_final(self._state()):
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.case)

    def _may_continue_as_new(self) -> bool:
        """Not while a child run is under way: for the next link it would be nobody's child any more.

        Nor while decisions have arrived: their senders wait for answers that only the next wait for people gives.
        """
        kept = self.case.waits_for_children or bool(self.case.inbox)
        return workflow.info().is_continue_as_new_suggested() and not kept

    async def wait_for(self, ready: Callable[[], bool], until: datetime | None, summary: str) -> bool:
        """Wait until `ready`, or the moment `until`: then False. Continues as new when Temporal suggests it."""
        timeout = None if until is None else (until - workflow.now())
        if timeout is not None and timeout.total_seconds() <= 0:
            return ready()
        try:
            await workflow.wait_condition(
                lambda: ready() or self._may_continue_as_new(),
                timeout=timeout,
                timeout_summary=summary[:200],
            )
        except TimeoutError:
            return ready()
        if not ready():
            await self.continue_as_new_if_suggested()
        return ready()

    @workflow.query(description="Where the run stands: state, path, what it waits for, tokens and cost.")
    def view(self) -> RunView:
        """Everything a person or a script needs to follow the run."""
        case: Case = self.case
        return RunView(
            automation=self.name,
            workflow_id=workflow.info().workflow_id,
            first_run_id=workflow.info().first_execution_run_id,
            requester=case.start.requester,
            summary=case.summary,
            state=case.state,
            final=bool(case.state) and self.machine.is_final(self._state()),
            path=case.path,
            visits=case.visits,
            waiting_for=case.requests,
            decided=case.decided,
            refused_decisions=case.refused_decisions,
            refused_count=case.refused_count,
            refusals=case.refusals,
            usage=case.usage,
            turns=case.turns,
            tool_calls=case.tool_calls,
            taint=case.taint,
            reason=case.reason,
            undone=case.undone,
            not_undone=compensation.left(case),
            tries_again_at=case.tries_again_at,
            answer_ref=self.answer_ref(),
            facts=dict(self.facts()),
            wait=case.wait,
            child_runs=case.child_runs,
            parent=case.start.inside[-1].workflow_id if case.start.inside else "",
        )

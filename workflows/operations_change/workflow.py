"""Operations change: Claude plans, two people of different roles sign exactly that plan, and it is done or undone."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from contracts.decisions import Decision, Verdict
    from contracts.policy import Ruling, RulingEffect, people_demanded
    from contracts.runs import Ending
    from contracts.tools import Scalar, ToolCall
    from workflows.books import this_run
    from workflows.conversation import converse
    from workflows.machine import compensation
    from workflows.machine.approvals import Answer
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.operations_change.case import OperationsChangeCase, differences
    from workflows.operations_change.kinds import by_consumer
    from workflows.operations_change.plan import Plan
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
        tool_call,
    )


class State(StrEnum):
    """Where a change can be."""

    READING = "reading"  # what is to be changed, as it is now
    PLANNING = "planning"  # Claude reads it too, and prepares the plan
    RULING = "ruling"  # policy rules on every step, and on the plan
    AWAITING_APPROVAL = "awaiting_approval"
    EXECUTING = "executing"  # step by step, each checked; all that can be taken back
    COOLING_OFF = "cooling_off"  # of a deletion: anybody entitled may stop it
    LAST_LOOK = "last_look"  # of a deletion: read once more, and confirmed by a person
    FINISHING = "finishing"  # the one step that cannot be taken back
    VERIFYING = "verifying"
    RESTORING = "restoring"

    VERIFIED = "verified"
    REFUSED = "refused"  # it cannot be changed as it was asked for; nothing was touched
    DECLINED = "declined"  # by policy
    REJECTED = "rejected"  # by an approver
    EXPIRED = "expired"  # nobody answered
    ROLLED_BACK = "rolled_back"  # a step failed, and everything was undone
    STOPPED = "stopped"  # while it cooled off
    KEPT = "kept"  # at the last look


CHANGE = Machine(
    State,
    initial=State.READING,
    waiting=(State.AWAITING_APPROVAL, State.COOLING_OFF, State.LAST_LOOK),
    final=(
        State.VERIFIED,
        State.REFUSED,
        State.DECLINED,
        State.REJECTED,
        State.EXPIRED,
        State.ROLLED_BACK,
        State.STOPPED,
        State.KEPT,
    ),
    good=(State.VERIFIED,),
)
ALL_IS_UNDONE = UndoAll(to=State.ROLLED_BACK)
TURNS = 6
"""With Claude, for one attempt at a plan."""
ROLES_THAT_SIGN = 2
MAY_STOP = ("change_manager", "data_steward")
"""Roles that may stop a deletion while it cools off; so may whoever cancels the run."""
LOOKS, SETTLES = 3, timedelta(seconds=20)
"""How often a step is looked at before it has failed, and how long it has to settle in between."""


@workflow.defn(name="operations_change")
class OperationsChangeWorkflow(Automation[OperationsChangeCase]):
    """One change to production."""

    machine = CHANGE
    name = "operations_change"
    owner_role = "change_manager"

    @workflow.init
    def __init__(self, case: OperationsChangeCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: OperationsChangeCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @CHANGE.state(State.READING)
    async def read(self) -> Literal[State.PLANNING, State.REFUSED]:
        """Read what is to be changed; what cannot be changed as asked for ends here."""
        self.note(found=await self._read())
        if obstacle := self.case.obstacle(self._reference):
            self.note(reason=obstacle[:400])
            return State.REFUSED
        return State.PLANNING

    @CHANGE.state(State.PLANNING)
    async def prepare(self) -> Literal[State.RULING]:
        """Claude prepares the plan. One that does not hold is refused and made anew once; then people look at it."""
        plan, problem = await self._planned()
        if plan is None:
            self.note(said=f"the plan was refused: {problem}"[:4000])
            plan, problem = await self._planned()
        if plan is None:
            self.note(said=f"the plan was refused: {problem}"[:4000])
            raise StepFailed("the plan", f"Claude has no plan that holds: {problem}"[:400])
        self.note(plan=plan)
        return State.RULING

    @CHANGE.state(State.RULING)
    async def rule(self) -> Literal[State.AWAITING_APPROVAL, State.DECLINED]:
        """Policy rules on every step, and on opening the change with exactly this plan; two roles must sign it."""
        plan = known(self.case.plan, "the plan")
        listed: list[JsonValue] = []
        for number, step in enumerate(plan.steps):
            ruling = await ask_policy(self, self._call(number))
            if ruling.effect is RulingEffect.FORBID:
                return self._declined(ruling)
            listed.append(self.case.listed(step, ruling.action_digest, self._reference))
        arguments = self.case.opening_arguments(listed, plan.summary, self._reference)
        opening = tool_call(self, "changes", "open_change", arguments)
        ruling = await ask_policy(self, opening)
        self.note(opening=opening, ruling=ruling, reason=ruling.reason)
        if ruling.effect is RulingEffect.FORBID:
            return self._declined(ruling)
        if len(people_demanded(ruling.obligations)) < ROLES_THAT_SIGN:
            self.note(reason="policy does not ask two roles to sign this plan, and without them no change is made")
            return State.DECLINED
        return State.AWAITING_APPROVAL

    @CHANGE.state(State.AWAITING_APPROVAL)
    async def await_approval(
        self,
    ) -> Literal[State.EXECUTING, State.READING, State.PLANNING, State.REJECTED, State.EXPIRED]:
        """People of two roles approve exactly this plan; a returned one is made anew, as is one whose facts changed."""
        answer = await self.ask_people(known(self.case.ruling, "the ruling"), self.case.question, self.case.context())
        match answer.outcome:
            case "approved":
                self.note(evidence=answer.evidence)
                return await self._unless_changed()
            case "returned":
                self._plan_anew(f"note from {answer.approver}: {answer.note}", "returned by " + _who_and_why(answer))
                return State.PLANNING
            case "rejected":
                self.note(reason=f"rejected by {_who_and_why(answer)}"[:400])
                return State.REJECTED
            case _:
                self.note(reason="nobody decided in time")
                return State.EXPIRED

    @CHANGE.state(State.EXECUTING, fails=ALL_IS_UNDONE)
    async def execute(self) -> Literal[State.COOLING_OFF, State.FINISHING, State.VERIFYING]:
        """Open the change, then take step after step, each checked in the system of record. What fails undoes all."""
        plan = known(self.case.plan, "the plan")
        await self._open_change()
        for number in range(self.case.carried_out, len(plan.reversible)):
            await self._carry_out(number, self.case.evidence)
            await self._settled(number)
            self.note(carried_out=number + 1)
        if not plan.has_point_of_no_return:
            return State.VERIFYING
        return State.COOLING_OFF if self.case.cools_off else State.FINISHING

    @CHANGE.state(State.COOLING_OFF)
    async def cool_off(self) -> Literal[State.LAST_LOOK, State.RESTORING]:
        """Nothing happens for a while, in which anybody entitled may stop it; then comes the last look."""
        wanted = self.case.request
        title = f"{wanted.change_id}: stop the {self.case.what}?"
        within = timedelta(hours=wanted.cooling_off_hours)
        answer = await self.may_be_stopped(title, MAY_STOP, within, self.case.why_stop(State.RESTORING.value))
        if answer.verdict is Verdict.ABANDON:
            self.note(stopped=True, reason=f"stopped by {_who_and_why(answer)}"[:400])
            return State.RESTORING
        return State.LAST_LOOK

    @CHANGE.state(State.LAST_LOOK)
    async def look_again(self) -> Literal[State.FINISHING, State.RESTORING]:
        """Read it once more: what is held or has changed is kept; else a person looks, and confirms this very purge."""
        now = await self._read()
        if why := self.case.kept_because(now, self._reference):
            return self._keep(why)
        ruling = await ask_policy(self, self._call(-1))
        if ruling.effect is not RulingEffect.NEEDS_APPROVAL:
            return self._keep(f"policy asks nobody to confirm the last step: {ruling.reason or 'it permits it'}")
        answer = await self.ask_people(ruling, self.case.last_question, self.case.last_context(now))
        if answer.outcome != "approved":
            return self._keep(_why_not(answer))
        if changes := differences(now, await self._read()):
            return self._keep(f"it changed while people looked: {changes}")
        self.note(last_look=answer.evidence)
        return State.FINISHING

    @CHANGE.state(State.FINISHING, fails=ALL_IS_UNDONE)
    async def finish(self) -> Literal[State.VERIFYING]:
        """The one step that cannot be taken back, once everything before it holds."""
        last = len(known(self.case.plan, "the plan").steps) - 1
        await self._carry_out(last, self.case.last_look or self.case.evidence)
        return State.VERIFYING

    @CHANGE.state(State.VERIFYING, take_over=State.VERIFIED)
    async def verify(self) -> Literal[State.VERIFIED, State.ROLLED_BACK]:
        """Read the system of record once more, and close the change. What can still be taken back is, if it fails."""
        plan = known(self.case.plan, "the plan")
        try:
            await self._settled(len(plan.steps) - 1)
        except StepFailed as failure:
            if plan.has_point_of_no_return:
                raise
            return await compensation.undo_after(self, failure, State.ROLLED_BACK)
        done(await call_tool(self, "changes", "close_change", self._change), "changes.close_change")
        self.note(reason=f"{self.case.request.change_id}: {self.case.what} is done and was checked")
        return State.VERIFIED

    @CHANGE.state(State.RESTORING)
    async def restore(self) -> Literal[State.STOPPED, State.KEPT]:
        """Undo, newest first: nothing is to be deleted after all."""
        await compensation.undo(self)
        return State.STOPPED if self.case.stopped else State.KEPT

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"{self.case.request.change_id}: {self.case.what}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        shown = {"change": self.case.what, "because": self.case.request.reason}
        if self.case.plan_digest:
            shown |= {"plan": self.case.plan_digest}
        if self.case.plan is not None:
            shown |= {"steps done": f"{self.case.carried_out} of {len(self.case.plan.steps)}"}
        return shown

    def situation(self) -> dict[str, str]:
        """What Claude must know beside what it was asked."""
        return {"change": self.case.what, "attempt": self.case.asked_again or "the first one"}

    @property
    def _reference(self) -> str:
        """Under which every system keeps what this run does."""
        return this_run()

    @property
    def _change(self) -> dict[str, JsonValue]:
        """The change, as the register knows it."""
        return {"change_id": self.case.request.change_id, "reference": self._reference}

    # Reading.

    async def _read(self) -> dict[str, Scalar]:
        """The subject as it is now; never an answer from before."""
        asked = self.case.asked(self._reference)
        found: dict[str, Scalar] = {}
        for reading in self.case.kind.readings:
            server, _, tool = reading.tool.partition(".")
            self.note(looks=self.case.looks + 1)
            time = f"{self.case.visits}.{self.case.looks}"
            arguments: dict[str, JsonValue] = dict(reading.arguments(asked))
            read = await read_facts(self, server, tool, arguments, reading.facts, occurrence=time)
            found |= {name: value for name, value in read.facts.items() if name not in found}
        return by_consumer(found)

    async def _unless_changed(self) -> Literal[State.EXECUTING, State.READING]:
        """After the wait what people were shown is read again; a change voids the approvals."""
        if not (changes := self.case.changes_to(await self._read())):
            return State.EXECUTING
        self._plan_anew(f"changed: {changes}", f"it changed: {changes}")
        self.note(reason=self.case.asked_again)
        return State.READING

    async def _settled(self, number: int) -> None:
        """Once the check of a step holds. Raises StepFailed when it does not after a while."""
        step = known(self.case.plan, "the plan").steps[number]
        for look in range(1, LOOKS + 1):
            now = await self._read()
            if not (wrong := step.unlike(now)):
                return
            if look < LOOKS:
                await workflow.sleep(SETTLES, summary=f"then step {number + 1} is looked at again")
        raise StepFailed("outcome check", f"step {number + 1}, {step.tool}: {wrong}"[:400])

    # Planning.

    async def _planned(self) -> tuple[Plan | None, str]:
        """Claude's plan, if it is one for this change; else why not."""
        case = self.case
        variables = {
            "change_id": case.request.change_id,
            "kind": case.request.kind.value,
            "subject": case.request.subject,
            "version": case.request.version or "none",
            "keep_hours": str(case.request.cooling_off_hours),
            "reference": self._reference,
            "reason": case.request.reason,
        }
        outcome, turn = await converse(
            self,
            "operations_change/planning",
            first_turn=case.turn,
            turns=TURNS,
            variables=variables,
            tools=case.kind.tools,
            answer=Plan,
            said=case.said,
        )
        self.note(turn=turn, said="")
        try:
            plan = advice(outcome, Plan, "operations_change/planning")
        except StepFailed as unusable:
            return None, unusable.problem
        problem = case.problem_with(plan, self._reference)
        return (None, problem) if problem else (plan, "")

    def _plan_anew(self, said: str, why: str) -> None:
        """What was signed no longer counts: another plan is another action, even if it says the same."""
        occurrences = renew(self.case, "changes.open_change")
        self.note(said=said[:4000], asked_again=why[:400], occurrences=occurrences, evidence=())

    def _declined(self, ruling: Ruling) -> Literal[State.DECLINED]:
        self.note(reason=f"{ruling.reason} {ruling.allowing_rule}".strip()[:400])
        return State.DECLINED

    # Doing.

    def _call(self, number: int) -> ToolCall:
        """A step of the plan as the gate is asked to take it: always the same call, under the same key."""
        plan = known(self.case.plan, "the plan")
        number = number % len(plan.steps)
        step = plan.steps[number]
        server, _, tool = step.tool.partition(".")
        call = tool_call(self, server, tool, {**step.given, "reference": self._reference})
        named = f"step {number + 1}: {step.tool}"
        return call.model_copy(update={"step": named, "occurrence": str(self.case.occurrences.get(named, 1))})

    async def _open_change(self) -> None:
        """Write into the register what is going to be done: with the signatures on exactly this plan."""
        opening = known(self.case.opening, "the plan as it was signed")
        compensation.register(self, "the open change", "changes", "withdraw_change", self._change)
        opened = await make_call(self, opening.model_copy(update={"evidence": self.case.evidence}))
        done(opened, opening.step)

    async def _carry_out(self, number: int, signed: tuple[Decision, ...]) -> None:
        """One step, with the signatures it rests on; its undo is registered before it. Raises StepFailed."""
        step = known(self.case.plan, "the plan").steps[number]
        if step.undo:
            server, _, tool = step.undo.partition(".")
            named: dict[str, JsonValue] = {self.case.kind.named_by: self.case.request.subject}
            compensation.register(self, step.tool, server, tool, {**named, "reference": self._reference})
        call = self._call(number).model_copy(update={"evidence": signed})
        done(await make_call(self, call), call.step)

    # The last look.

    def _keep(self, why: str) -> Literal[State.RESTORING]:
        self.note(reason=f"kept: {why}"[:400])
        return State.RESTORING


def _who_and_why(answer: Answer) -> str:
    return f"{answer.approver}: {answer.note}" if answer.note else answer.approver


def _why_not(answer: Answer) -> str:
    said = {"rejected": "rejected by", "returned": "returned by"}.get(answer.outcome)
    return f"{said} {_who_and_why(answer)}" if said else "nobody confirmed the last look in time"


CHANGE.check()

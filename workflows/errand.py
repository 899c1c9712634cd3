"""Errand: Claude works towards a goal in turns and tool calls, with what it is allowed; people sign the risky ones."""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.claude import CallNote, ProposedCall, StopReason
    from contracts.decisions import APPROVED, Decision, DisplayLine
    from contracts.model import Model
    from contracts.policy import Ruling
    from contracts.runs import Case, Ending
    from contracts.tools import CallStatus, ChosenByClaude, ToolOutcome
    from workflows.conversation import NOT_MADE, all_of, note_of
    from workflows.machine.approvals import Answer
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.steps import StepFailed, ask_claude, chosen_call, make_call


class ErrandRequest(Model):
    """What a requester gives: a goal, where it may be worked on, and how long."""

    business_key: ClassVar[tuple[str, ...]] = ("name", "goal")

    goal: str = Field(min_length=1, max_length=8000)
    servers: tuple[str, ...] = Field(min_length=1, max_length=16)
    """Names of declared servers; Claude is offered their tools as far as policy can permit them."""
    turns: int = Field(default=12, ge=1, le=2000)
    """At most this many turns with Claude."""
    name: str = Field(default="", max_length=60, pattern=r"^[A-Za-z0-9._-]*$")
    """Tells apart errands with the same goal."""


class PendingCall(Model):
    """A call of the current turn that is not over: to be made, or waiting for people."""

    proposed: ProposedCall
    ruling: Ruling | None = None
    """Set while people must approve."""
    evidence: tuple[Decision, ...] = ()
    asked_again: str = ""
    """Why an approval that was given did not do."""


class ErrandCase(Case):
    """An errand's whole state."""

    request: ErrandRequest
    turn: int = 0
    """Number of the turn that is asked next, or whose calls are under way."""
    calls: tuple[PendingCall, ...] = ()
    notes: tuple[CallNote, ...] = ()
    answer: str = ""
    """Content address of Claude's answer."""


class State(StrEnum):
    """Where an errand can be."""

    THINKING = "thinking"
    CALLING = "calling"
    AWAITING_APPROVAL = "awaiting_approval"

    ANSWERED = "answered"
    DECLINED = "declined"  # by Claude
    EXHAUSTED = "exhausted"  # the turns are used up


ERRAND = Machine(
    State,
    initial=State.THINKING,
    waiting=(State.AWAITING_APPROVAL,),
    final=(State.ANSWERED, State.DECLINED, State.EXHAUSTED),
    good=(State.ANSWERED,),
)

CONVERSATION = "errand"
OLDEST_ANSWER_SECONDS = 15 * 60
"""While a server does not answer Claude may read what was read so long ago; it is told how old that is."""


@workflow.defn(name="errand")
class ErrandWorkflow(Automation[ErrandCase]):
    """One errand."""

    machine = ERRAND
    name = "errand"
    owner_role = "support_lead"

    @workflow.init
    def __init__(self, case: ErrandCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: ErrandCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @ERRAND.state(State.THINKING)
    async def think(self) -> Literal[State.CALLING, State.ANSWERED, State.DECLINED, State.EXHAUSTED]:
        """One turn with Claude."""
        self._drop_open_calls()
        if self.case.turn >= self.case.request.turns:
            self.note(
                reason=f"{self.case.request.turns} turns were not enough; start again with more, or a smaller goal"
            )
            return State.EXHAUSTED
        outcome = await ask_claude(
            self,
            "errand/thinking",
            turn=self.case.turn,
            conversation=CONVERSATION,
            variables={"goal": self.case.request.goal, "turns": str(self.case.request.turns)},
            tools=tuple(f"{server}.*" for server in self.case.request.servers),
            notes=self.case.notes,
            turns_left=self.case.request.turns - self.case.turn - 1,
        )
        self.note(notes=())
        match outcome.stop_reason:
            case StopReason.TOOL_USE:
                self.note(calls=tuple(PendingCall(proposed=call) for call in outcome.calls if not call.problem))
                return State.CALLING
            case StopReason.ANSWERED:
                self.note(answer=outcome.answer_ref)
                return State.ANSWERED
            case StopReason.DECLINED:
                self.note(answer=outcome.answer_ref, reason="Claude declined the goal")
                return State.DECLINED
            case StopReason.TRUNCATED | StopReason.CONTEXT_FULL:
                self.note(turn=self.case.turn + 1)  # the answer stands; trying again is a turn of its own
                raise StepFailed("Claude errand/thinking", f"the answer is incomplete: {outcome.stop_reason.value}")

    @ERRAND.state(State.CALLING, skip=State.THINKING)
    async def call(self) -> Literal[State.THINKING, State.AWAITING_APPROVAL]:
        """Make every call of this turn that nobody must approve first, side by side."""
        ready = [pending for pending in self.case.calls if pending.ruling is None or pending.evidence]
        at_once = all(pending.proposed.reads for pending in ready)  # else an effect would wait for what is read
        await all_of(*(self._make(pending, at_once) for pending in ready))
        if self.case.calls:
            return State.AWAITING_APPROVAL
        self.note(turn=self.case.turn + 1)
        return State.THINKING

    @ERRAND.state(State.AWAITING_APPROVAL)
    async def await_approval(self) -> Literal[State.CALLING]:
        """Wait until one of the waiting calls is decided; the others go on waiting."""
        for pending in self.case.calls:
            await self._ask(pending)
        answer = await self.next_answer()
        for pending in self.case.calls:
            if pending.ruling is not None and pending.ruling.action_digest == answer.action_digest:
                self._settle(pending, answer)
        return State.CALLING

    # One call of a turn.

    def _drop_open_calls(self) -> None:
        """A person skipped a call whose outcome nobody knows: Claude is told, and goes on without it."""
        if not self.case.calls:
            return
        notes = tuple(CallNote(block=call.proposed.block, text=_dropped(call)) for call in self.case.calls)
        self.note(calls=(), notes=(*self.case.notes, *notes), turn=self.case.turn + 1)

    async def _make(self, pending: PendingCall, at_once: bool) -> None:
        proposed = pending.proposed
        chosen = ChosenByClaude(conversation=CONVERSATION, turn=self.case.turn, block=proposed.block)
        worded = chosen_call(self, proposed.server, proposed.tool, chosen, pending.evidence)
        call = worded.model_copy(update={"stale_seconds": OLDEST_ANSWER_SECONDS})
        outcome = await make_call(self, call, at_once=at_once)
        if outcome.status is CallStatus.NEEDS_APPROVAL and outcome.ruling is not None:
            again = outcome.message if pending.evidence else ""
            waiting = PendingCall(proposed=proposed, ruling=outcome.ruling, asked_again=again)
            self._replace_call(pending, waiting)
            await self._ask(waiting)
        else:
            self._over(pending, outcome)

    async def _ask(self, pending: PendingCall) -> None:
        if pending.ruling is not None:
            about = f"{pending.proposed.server}.{pending.proposed.tool}"
            goal = DisplayLine(label="goal", text=self.case.request.goal[:4000])
            waiting = DisplayLine(label="cost of waiting", text="the errand waits; its other calls go on")
            again = DisplayLine(label="asked again because", text=pending.asked_again)
            lines = (*([again] if pending.asked_again else []), goal, waiting)
            await self.open_approval(pending.ruling, f"May Claude call {about}?", lines)

    def _settle(self, pending: PendingCall, answer: Answer) -> None:
        if answer.outcome == APPROVED:
            self._replace_call(pending, pending.model_copy(update={"evidence": answer.evidence}))
            return
        by = f" by {answer.approver}" if answer.approver else ""
        said = f": {answer.note}" if answer.note else ""
        note = CallNote(block=pending.proposed.block, text=f"not made: {answer.outcome}{by}{said}"[:400])
        self.note(calls=self._calls_without(pending), notes=(*self.case.notes, note))

    def _over(self, pending: PendingCall, outcome: ToolOutcome) -> None:
        self.note(calls=self._calls_without(pending))
        if outcome.status in NOT_MADE:
            self.note(notes=(*self.case.notes, note_of(pending.proposed, outcome)))

    def _replace_call(self, old: PendingCall, new: PendingCall) -> None:
        self.note(calls=tuple(new if call.proposed.block == old.proposed.block else call for call in self.case.calls))

    def _calls_without(self, pending: PendingCall) -> tuple[PendingCall, ...]:
        return tuple(call for call in self.case.calls if call.proposed.block != pending.proposed.block)

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI."""
        return f"Errand: {self.case.request.goal.splitlines()[0][:100]}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        return {**self.situation(), "turn": f"{self.case.turn} of {self.case.request.turns}"}

    def situation(self) -> dict[str, str]:
        """The same for Claude, which is told of its turns by another way."""
        return {"goal": self.case.request.goal[:300], "servers": ", ".join(self.case.request.servers)}

    def answer_ref(self) -> str:
        """Content address of Claude's answer."""
        return self.case.answer


def _dropped(pending: PendingCall) -> str:
    if pending.ruling is not None and not pending.evidence:
        return "not made: the request for its approval was withdrawn"
    return "nobody knows whether this happened; do not ask for it again"


ERRAND.check()

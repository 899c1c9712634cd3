"""The steps an automation takes: each with its timeouts, retry rule, summary and idempotency key.

The gate makes the key from workflow id, first run id, step and occurrence: a new intention has a new occurrence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

from activities.claude import ClaudeActivities
from activities.tools import ToolActivities
from contracts.canonical import digest
from contracts.claude import CallNote, TurnOutcome, TurnRequest
from contracts.decisions import Decision
from contracts.policy import Ruling
from contracts.runs import Case, CaseT, Unanswered
from contracts.tools import CallStatus, ChosenByClaude, Purpose, ToolCall, ToolOutcome, WhenHeld
from workflows.counting import count_turn, remember_refusal
from workflows.machine.situation import bounded
from workflows.machine.unanswered import cause_of, held_to_the_last, spent_around, spent_by
from workflows.reading import read_at_once

HEARTBEAT_TIMEOUT = timedelta(seconds=4)
"""A worker that says nothing for so long is dead; one that lives says so every second."""
KEPT_DOUBTS = 5
LONGEST_WAIT = timedelta(hours=12)
MOST_FAIRNESS_BYTES = 64
"""What Temporal takes for a fairness key."""
PATIENT, STEADY = timedelta(minutes=1), timedelta(seconds=15)
"""The longest pause between attempts; what stands in the way of the store, or of a server, is soon seen to be gone."""
AGAIN_AFTER = timedelta(seconds=1)
"""An attempt whose worker died: that is no reason to wait."""

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")
ValueT = TypeVar("ValueT")
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class StepFailed(Exception):
    """A step ended without its result, and trying again by itself cannot help: a person must choose."""

    ask_people: bool = False
    """It may have happened: nothing is undone or tried again before people have looked."""

    def __init__(
        self,
        step: str,
        problem: str,
        *,
        renew: bool = False,
        value_hint: str = "",
        ask_people: bool = False,
        by_policy: bool = False,
        unanswered: Unanswered | None = None,
        extendable: bool = False,
    ) -> None:
        super().__init__(problem)
        self.step = step
        self.problem = problem
        self.renew = renew
        """A retry is a new intention, with a new idempotency key (the old one has a final answer)."""
        self.value_hint = value_hint
        self.ask_people = ask_people or unanswered is not None or extendable or self.ask_people
        self.by_policy = by_policy
        """A rule stands against it; trying again by itself would only ask the same rule."""
        self.unanswered = unanswered
        """The call of which nobody knows whether it happened: people must find out."""
        self.extendable = extendable
        """The budget is spent: people may extend it, and nothing is undone before they have looked."""


class Run(Protocol[CaseT]):
    """What a step needs of the run that takes it."""

    name: ClassVar[str]
    case: CaseT

    def note(self, **changes: object) -> None:
        """Replace fields of the case."""


class Asking(Run[CaseT], Protocol[CaseT]):
    """What a turn with Claude needs besides."""

    def situation(self) -> dict[str, str]:
        """What Claude must know of the run, in short texts; what changes at every turn is not among it."""


async def ask_claude(
    run: Asking[Any],
    prompt: str,
    *,
    turn: int = 0,
    conversation: str = "",
    variables: Mapping[str, str] | None = None,
    tools: tuple[str, ...] = (),
    answer: type[BaseModel] | None = None,
    said: str = "",
    notes: tuple[CallNote, ...] = (),
    turns_left: int | None = None,
) -> TurnOutcome:
    """One turn with Claude. Retried while trying again can help; else StepFailed with the request id.

    `answer` is the model a structured answer must fit; `said` is what a person adds before this turn; `turns_left`
    says how many may follow. Variables and tools are read at turn 0 alone, and the run's situation is told again
    only when it has changed: a turn adds the same bytes to the history, whatever came before.
    """
    name = conversation or run.case.state
    facts = bounded(run.situation(), run.case.decided)
    told = digest([name, *(f"{fact}: {text}" for fact, text in facts.items())])
    request = TurnRequest(
        conversation=name,
        turn=turn,
        prompt=prompt,
        state=run.case.state,
        variables=dict(variables or {}) if turn == 0 else {},
        tools=tools if turn == 0 else (),
        answer_schema=answer.model_json_schema() if answer else None,
        said=said,
        notes=notes,
        facts=facts if told != run.case.told else None,
        turns_left=turns_left,
    )
    outcome = await attempt(
        run,
        ClaudeActivities.ask_claude,
        request,
        step=f"Claude {prompt}",
        summary=f"Claude: {prompt}, turn {turn + 1}",
        start_to_close=timedelta(minutes=15),
        schedule_to_close=timedelta(hours=6),
    )
    count_turn(run, request, outcome)
    run.note(told=told)
    heed_cancellation(run)
    return outcome


async def ask_policy(run: Run[Any], call: ToolCall) -> Ruling:
    """Policy's ruling on a call before it is made; nothing is sent."""
    ruling = await attempt(
        run,
        ToolActivities.rule_on,
        call,
        step=f"policy on {call.server}.{call.tool}",
        summary=f"policy: {described(call)}",
        start_to_close=timedelta(minutes=1),
        schedule_to_close=timedelta(hours=1),
        priority=_fair_to(call.server),
    )
    remember_refusal(run, call, ruling)
    heed_cancellation(run)
    return ruling


async def make_call(
    run: Run[Any],
    call: ToolCall,
    within: timedelta = LONGEST_WAIT,
    patience: timedelta = STEADY,
    *,
    at_once: bool = False,
) -> ToolOutcome:
    """One tool call through the gate, whatever its outcome but unknown. Raises StepFailed when nobody can know it.

    While no outcome comes it is tried again, after pauses up to `patience`, `within` a time in all. A read may first
    be tried `at_once`, within this workflow task: a plain answer then costs one event of history instead of six.
    """
    outcome = await read_at_once(run, call, described(call)) if at_once else None
    if outcome is None:
        heed_cancellation(run)
        outcome = await attempt(
            run,
            ToolActivities.call_tool,
            call,
            step=call.step,
            summary=described(call),
            start_to_close=timedelta(minutes=10),
            schedule_to_close=within,
            patience=patience,
            priority=_fair_to(call.server),
        )
    taint = tuple(sorted({*run.case.taint, *outcome.taint}))
    run.note(tool_calls=run.case.tool_calls + 1, taint=taint)
    remember_refusal(run, call, outcome.ruling)
    if outcome.status is CallStatus.UNKNOWN:
        run.note(doubts=(*run.case.doubts, described(call))[-KEPT_DOUBTS:])
    heed_cancellation(run)
    if outcome.status is CallStatus.UNKNOWN:
        raise StepFailed(
            call.step,
            f"nobody knows whether {described(call)} happened: {outcome.message}",
            renew=call.chosen is None,
            unanswered=Unanswered(call=call, action_digest=outcome.action_digest),
        )
    return outcome


async def call_tool(
    run: Run[Any],
    server: str,
    tool: str,
    arguments: dict[str, JsonValue],
    *,
    facts: Mapping[str, str] | None = None,
    evidence: tuple[Decision, ...] = (),
    when_held: WhenHeld = WhenHeld.WAIT,
    stale: timedelta = timedelta(),
) -> ToolOutcome:
    """A call the automation itself words. `facts` names what it must know of the result, by JSON pointer.

    While the server's breaker is open: a read is answered by what was read at most `stale` ago, with its age in the
    outcome; else the call waits, or with WhenHeld.REPORT its outcome is HELD, and nothing was sent.
    """
    call = tool_call(run, server, tool, arguments, facts=facts, evidence=evidence)
    held = {"when_held": when_held, "stale_seconds": int(stale.total_seconds())}
    return await make_call(run, call.model_copy(update=held))


async def read_facts(
    run: Run[Any],
    server: str,
    tool: str,
    arguments: dict[str, JsonValue],
    facts: Mapping[str, str],
    *,
    stale: timedelta = timedelta(),
    occurrence: str = "",
) -> ToolOutcome:
    """A reading call the run cannot go on without; asked again, each time has its `occurrence`. Raises StepFailed."""
    reading = ToolCall(
        server=server,
        tool=tool,
        arguments=arguments,
        step=f"{run.case.state}: {server}.{tool}",
        occurrence=occurrence or f"{run.case.visits}",
        state=run.case.state,
        facts=dict(facts),
        stale_seconds=int(stale.total_seconds()),
    )
    outcome = done(await make_call(run, reading, at_once=True), reading.step)
    if not outcome.facts:
        raise StepFailed(reading.step, f"{reading.step} was answered, but not readably: {outcome.message}")
    return outcome


def tool_call(
    run: Run[Any],
    server: str,
    tool: str,
    arguments: dict[str, JsonValue],
    *,
    facts: Mapping[str, str] | None = None,
    evidence: tuple[Decision, ...] = (),
    purpose: Purpose = Purpose.FORWARD,
) -> ToolCall:
    """A call as data, with its step and occurrence: for a ruling, a compensation, or the gate."""
    step = f"{server}.{tool}"
    return ToolCall(
        server=server,
        tool=tool,
        arguments=arguments,
        step=step,
        occurrence=str(run.case.occurrences.get(step, 1)),
        state=run.case.state,
        purpose=purpose,
        evidence=evidence,
        facts=dict(facts or {}),
    )


def chosen_call(
    run: Run[Any], server: str, tool: str, chosen: ChosenByClaude, evidence: tuple[Decision, ...] = ()
) -> ToolCall:
    """A call Claude worded: its arguments stand in the store."""
    return ToolCall(
        server=server,
        tool=tool,
        chosen=chosen,
        step=chosen.conversation,
        occurrence=f"{chosen.turn}.{chosen.block}",
        state=run.case.state,
        evidence=evidence,
    )


def renew(case: Case, step: str) -> dict[str, int]:
    """The occurrence counters with a new intention for `step`."""
    return {**case.occurrences, step: case.occurrences.get(step, 1) + 1}


def done(outcome: ToolOutcome, step: str) -> ToolOutcome:
    """`outcome` when the tool did what was asked. Raises StepFailed otherwise."""
    if not outcome.done:
        by_policy = outcome.status in (CallStatus.FORBIDDEN, CallStatus.NEEDS_APPROVAL)
        problem = f"{step} ended as {outcome.status.value}: {outcome.message}"
        raise StepFailed(step, problem, renew=True, by_policy=by_policy)
    return outcome


def known(value: ValueT | None, what: str) -> ValueT:
    """`value`, which an earlier state must have noted. Raises StepFailed when it did not."""
    if value is None:
        raise StepFailed(what, f"{what} is not known; the run came here without it")
    return value


def advice(outcome: TurnOutcome, model: type[AnswerT], prompt: str, value_hint: str = "") -> AnswerT:
    """Claude's structured answer as `model`. Raises StepFailed when there is none that fits."""
    problem = outcome.problem or f"Claude stopped with {outcome.stop_reason.value!r}"
    if outcome.advice is not None:
        try:
            return model.model_validate(outcome.advice)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    raise StepFailed(f"Claude {prompt}", f"no usable advice: {problem}"[:400], value_hint=value_hint)


def supplied(run: Run[Any], model: type[AnswerT], value_hint: str) -> AnswerT | None:
    """The value a person supplied, as `model`; None when none was. Raises StepFailed when it does not fit."""
    if not run.case.supplied:
        return None
    try:
        return model.model_validate_json(run.case.supplied)
    except ValidationError as error:
        run.note(supplied="")
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "value"
        raise StepFailed("the supplied value", f"{where}: {problem['msg']}", value_hint=value_hint) from error


async def attempt(
    run: Run[Any],
    method: Callable[[Any, InputT], Awaitable[OutputT]],
    request: InputT,
    *,
    step: str,
    summary: str,
    start_to_close: timedelta,
    schedule_to_close: timedelta,
    patience: timedelta = PATIENT,
    priority: Priority = Priority.default,
) -> OutputT:
    """Its result. What is frozen when its time is over waits on; whatever else fails for good raises StepFailed."""
    left = schedule_to_close
    while True:
        try:
            return await workflow.execute_activity_method(
                method,
                request,
                start_to_close_timeout=start_to_close,
                schedule_to_close_timeout=left,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=retried(patience),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=summary[:200],
                priority=priority,
            )
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                raise
            heed_cancellation(run)
            if spent := spent_by(error):
                raise StepFailed(step, spent, extendable=True) from error
            if not held_to_the_last(error):
                sends = method is ToolActivities.call_tool  # an attempt before the last one may have sent it
                raise StepFailed(step, f"{step}: {cause_of(error)}", ask_people=sends or spent_around(error)) from error
            left = max(left, LONGEST_WAIT)  # what little time an undo had left would be over at once, again and again


def retried(longest: timedelta) -> RetryPolicy:
    """For good, with pauses up to `longest` that an attempt which failed names itself (workers/pacing.py)."""
    return RetryPolicy(initial_interval=min(AGAIN_AFTER, longest), backoff_coefficient=1.0, maximum_interval=longest)


def _fair_to(server: str) -> Priority:
    """Calls of one server queue behind each other, not behind those of every other server."""
    return Priority(fairness_key=server.encode("utf-8", "replace")[:MOST_FAIRNESS_BYTES].decode(errors="ignore"))


def heed_cancellation(run: Run[Any]) -> None:
    """A call in flight when the run is cancelled is waited for, and its outcome swallows the cancellation."""
    if workflow.cancellation_reason() is not None and not run.case.cancelling:
        raise asyncio.CancelledError


def described(call: ToolCall) -> str:
    """The tool, and the amount where there is one, in words for people."""
    arguments = call.arguments or {}
    cents, currency = arguments.get("cents"), arguments.get("currency", "")
    amount = f" {cents / 100:.2f} {currency}".rstrip() if isinstance(cents, int) else ""
    return f"{call.server}.{call.tool}{amount}"

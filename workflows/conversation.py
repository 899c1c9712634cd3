"""Converse with Claude until it answers: turns, and the tool calls of each turn side by side."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts.claude import CallNote, ProposedCall, StopReason, TurnOutcome
from contracts.tools import CallStatus, ChosenByClaude, ToolOutcome
from workflows import steps

ResultT = TypeVar("ResultT")


async def converse(
    run: steps.Asking[Any],
    prompt: str,
    *,
    first_turn: int,
    turns: int,
    variables: Mapping[str, str],
    tools: tuple[str, ...],
    answer: type[BaseModel],
    said: str = "",
) -> tuple[TurnOutcome, int]:
    """Take turns until Claude stops asking for tools; the last outcome, and the number of the next turn.

    For states whose tools need no approval: a call that policy does not simply permit is answered with its refusal.
    When `turns` are used up, the last outcome names that as its problem; another try takes further turns.
    """
    turn, notes = first_turn, tuple[CallNote, ...]()
    while True:
        outcome = await steps.ask_claude(
            run,
            prompt,
            turn=turn,
            variables=variables,
            tools=tools,
            answer=answer,
            said=said,
            notes=notes,
            turns_left=first_turn + turns - turn - 1,
        )
        said = ""
        turn += 1
        if outcome.stop_reason is not StopReason.TOOL_USE:
            return outcome, turn
        notes = await call_side_by_side(run, turn - 1, outcome.calls)
        if turn >= first_turn + turns:
            problem = f"Claude asked for tools {turns} turns long and did not answer"
            return outcome.model_copy(update={"problem": problem}), turn


async def call_side_by_side(run: steps.Run[Any], turn: int, calls: tuple[ProposedCall, ...]) -> tuple[CallNote, ...]:
    """Make every call of a turn at once; what Claude must be told of those that were not made."""
    made = [call for call in calls if not call.problem]
    at_once = all(call.reads for call in made)  # else an effect would wait for what is read
    outcomes = await all_of(*(make_chosen_call(run, turn, call, at_once) for call in made))
    return tuple(
        note_of(call, outcome) for call, outcome in zip(made, outcomes, strict=True) if outcome.status in NOT_MADE
    )


async def all_of(*calls: Awaitable[ResultT]) -> list[ResultT]:
    """Every result, once every call is over: one that fails, or a cancellation, leaves none behind in flight."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


NOT_MADE = (CallStatus.FORBIDDEN, CallStatus.NEEDS_APPROVAL, CallStatus.REFUSED, CallStatus.NOT_HAPPENED)


async def make_chosen_call(run: steps.Run[Any], turn: int, call: ProposedCall, at_once: bool) -> ToolOutcome:
    """One call Claude asked for, through the gate; first tried at once where it is a read."""
    chosen = ChosenByClaude(conversation=run.case.state, turn=turn, block=call.block)
    return await steps.make_call(run, steps.chosen_call(run, call.server, call.tool, chosen), at_once=at_once)


def note_of(call: ProposedCall, outcome: ToolOutcome) -> CallNote:
    """What Claude is told of a call that was not made."""
    return CallNote(block=call.block, text=f"not made, {outcome.status.value}: {outcome.message}"[:400])

"""What a run counts and remembers of its steps, for the people who look at it."""

from typing import Any, Protocol

from contracts.claude import TurnOutcome, TurnRequest
from contracts.policy import Ruling, RulingEffect
from contracts.runs import Refusal
from contracts.tools import ToolCall

KEPT_REFUSALS = 5


class Counted(Protocol):
    """What must be known of the run."""

    case: Any

    def note(self, **changes: object) -> None:
        """Replace fields of the case."""


def count_turn(run: Counted, request: TurnRequest, outcome: TurnOutcome) -> None:
    """Each turn once: a state that is acted in again reads answers that were paid for before."""
    known = run.case.counted.get(request.conversation, 0)
    if request.turn >= known:
        counted = {**run.case.counted, request.conversation: request.turn + 1}
        run.note(usage=run.case.usage.plus(outcome.usage), turns=run.case.turns + 1, counted=counted)


def remember_refusal(run: Counted, call: ToolCall, ruling: Ruling | None) -> None:
    """The last few calls that policy forbade, each tool once."""
    if ruling is None or ruling.effect is not RulingEffect.FORBID:
        return
    refusal = Refusal(tool=f"{call.server}.{call.tool}", reason=ruling.reason, allowing_rule=ruling.allowing_rule)
    others = tuple(known for known in run.case.refusals if known.tool != refusal.tool)
    run.note(refusals=(*others, refusal)[-KEPT_REFUSALS:])

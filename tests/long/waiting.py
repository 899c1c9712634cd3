"""A run that nobody answers, for as long as one likes."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeRejected
from contracts.decisions import Verdict
from contracts.runs import Ending, RunView
from tests.doubles import RecordingToolbox, ScriptedClaude, says
from tests.long.growth import Growth, growth_of
from tests.story import a_story


@dataclass(frozen=True)
class Waited:
    """How it went: what was waiting at the end of the time, and what came of the answer then."""

    waiting: RunView
    ending: Ending
    growth: Growth


async def an_escalation_unanswered_for(temporal: WorkflowEnvironment, days: int) -> Waited:
    """An errand escalates, is asked about again and again for `days`, and then a person says: try again."""
    claude = ScriptedClaude([ClaudeRejected("no credit", "req_1"), says("It is done.")])
    async with a_story(temporal, claude, RecordingToolbox({"orders.find_order": {}})) as story:
        run = await story.start("errand", goal="Wait.", servers=("orders",), turns=3)
        await run.in_state("escalated")
        await run.asked()
        await story.fast_forward(run, timedelta(days=days))
        waiting = await run.until(lambda view: bool(view.waiting_for))
        number = int(waiting.waiting_for[0].id.rpartition("#")[2])
        await run.decides(Verdict.RETRY, number=number)
        ending = await run.ending()
        return Waited(waiting, ending, await growth_of(story.client, run.handle))

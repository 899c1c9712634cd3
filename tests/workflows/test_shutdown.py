"""A worker that is stopped in order: what is sent is waited for and recorded, and no other worker sends it again."""

import asyncio
from datetime import timedelta

from temporalio.testing import WorkflowEnvironment

from activities.conversations import RunKey
from activities.keys import idempotency_key
from activities.ledger import LedgerState
from contracts.tools import EffectClass
from tests.doubles import RecordingToolbox, ScriptedClaude, asks_for
from tests.story import DEPLOYMENT, Story, StoryRun, a_story
from tests.workflows.errand_world import DONE, NOTE, tools
from workers.assembly import activities_of, interceptors_of, make_worker

BARELY = timedelta(milliseconds=50)


def opaque_note() -> RecordingToolbox:
    """Nothing tells one note from its double, so an answer that is not recorded would be a question to people."""
    toolbox = tools()
    toolbox.classes = {**toolbox.classes, "crm.add_note": EffectClass.OPAQUE}
    return toolbox


async def state_of_the_note(story: Story, run: StoryRun) -> LedgerState:
    """What the ledger says of it."""
    first = run.handle.first_execution_run_id or ""
    key = RunKey(workflow_id=run.handle.id, first_run_id=first)
    entry = await story.store.ledger.find(idempotency_key(DEPLOYMENT.id, key, "errand", "0.0"))
    assert entry is not None
    return entry.state


async def test_a_worker_that_is_stopped_waits_for_the_answer_to_what_it_has_sent(
    temporal: WorkflowEnvironment,
) -> None:
    toolbox = opaque_note()
    answer = toolbox.holding("crm.add_note")
    claude = ScriptedClaude([asks_for(NOTE), DONE])
    async with a_story(temporal, claude, toolbox) as story:
        activities, around = activities_of(story.ports), interceptors_of(story.ports)
        stopped = make_worker(
            story.client, story.catalog, activities, task_queue="stopped", graceful=BARELY, interceptors=around
        )
        running = asyncio.create_task(stopped.run())
        run = await story.start("errand", goal="Note it.", servers=("crm",), turns=3, task_queue="stopped")
        await toolbox.until_called("crm.add_note")
        stopping = asyncio.create_task(stopped.shutdown())
        over, _ = await asyncio.wait({stopping}, timeout=20 * BARELY.total_seconds())
        assert not over, "the call is still under way"
        answer.set()
        await asyncio.wait_for(asyncio.gather(stopping, running), 10)
        assert await state_of_the_note(story, run) is LedgerState.DONE
        async with story.worker("stopped"):
            ending = await run.ending()

    assert ending.state == "answered"
    assert toolbox.called.count("crm.add_note") == 1

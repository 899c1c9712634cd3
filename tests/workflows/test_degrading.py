"""What goes on while something is down: runs that need no advice finish, effects stop, and what waits says for what."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeUnavailable
from contracts.decisions import Verdict
from tests.doubles import WAITS_SECONDS, ScriptedClaude, asks_for
from tests.story import Story, StoryRun, a_story
from tests.workflows.errand_world import DONE, NOTE, tools
from tests.workflows.refund_world import READS_FIRST, a_refund, advises
from workers.assembly import activities_of, interceptors_of, make_worker
from workers.resources.store import StoreUnreachable

OF_THE_STORE = ("ledger", "contents", "conversations", "inbox", "starts", "decided", "totals", "taints", "audit")


async def test_with_claude_down_a_run_that_has_its_advice_finishes(temporal: WorkflowEnvironment) -> None:
    claude = ScriptedClaude([READS_FIRST, advises(64000), ClaudeUnavailable("529: overloaded")])
    async with a_refund(temporal, claude=claude) as refund:
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    assert len(claude.questions) == 2


class Outage:
    """A store that nobody can reach while it is down."""

    def __init__(self) -> None:
        self.down = False

    def over(self, port: Any) -> Any:
        """The port to it."""
        return _Port(port, self)


class _Port:
    def __init__(self, port: Any, outage: Outage) -> None:
        self._port, self._outage = port, outage

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._port, name)

        async def called(*given: Any, **more: Any) -> Any:
            if self._outage.down:
                raise StoreUnreachable("PostgreSQL at db", "connection refused")
            return await call(*given, **more)

        return called


async def failing(run: StoryRun, because: str) -> None:
    """Once an attempt of the run's has failed for this reason, and it is going to be tried again; bounded."""
    async with asyncio.timeout(WAITS_SECONDS):
        while not any(because in message for message in await pending_failures(run)):
            await asyncio.sleep(0.02)


async def pending_failures(run: StoryRun) -> list[str]:
    """What Temporal, and so the Web UI and `interlock runs why`, says of what the run is waiting for."""
    described = await run.handle.describe()
    return [pending.last_failure.message for pending in described.raw_description.pending_activities]


async def until_done(story: Story, outage: Outage, work: Callable[[StoryRun], Any]) -> str:
    """The ending of an errand whose worker loses the store on its way."""
    ports = dataclasses.replace(story.ports, **{name: outage.over(getattr(story.ports, name)) for name in OF_THE_STORE})
    worker = make_worker(
        story.client, story.catalog, activities_of(ports), task_queue="outage", interceptors=interceptors_of(ports)
    )
    async with worker:
        run = await story.start("errand", goal="Note it.", servers=("crm",), turns=3, task_queue="outage")
        await work(run)
        return (await run.ending()).state


async def test_with_the_store_down_nothing_is_sent_the_run_says_so_and_goes_on_by_itself(
    temporal: WorkflowEnvironment,
) -> None:
    outage, toolbox = Outage(), tools()
    asked_twice = [asks_for(NOTE), asks_for(NOTE), DONE]  # an answer that could not be stored is asked for once more
    claude = ScriptedClaude(asked_twice, hold=asyncio.Event())

    async def goes_down_and_comes_back(run: StoryRun) -> None:
        await claude.until_asked()
        outage.down = True
        assert claude.hold is not None
        claude.hold.set()
        await failing(run, "connection refused")
        assert (await run.view()).state == "thinking", "looking at a run needs no store"
        assert toolbox.called == []
        outage.down = False

    async with a_story(temporal, claude, toolbox) as story:
        state = await until_done(story, outage, goes_down_and_comes_back)

    assert state == "answered"
    assert toolbox.called == ["crm.add_note"]


async def test_a_store_that_goes_down_while_a_call_is_under_way_costs_no_second_call(
    temporal: WorkflowEnvironment,
) -> None:
    outage, toolbox = Outage(), tools()
    answer = toolbox.holding("crm.add_note")

    async def goes_down_before_the_answer(run: StoryRun) -> None:
        await toolbox.until_called("crm.add_note")
        outage.down = True
        answer.set()
        await failing(run, "connection refused")
        outage.down = False

    async with a_story(temporal, ScriptedClaude([asks_for(NOTE), DONE]), toolbox) as story:
        state = await until_done(story, outage, goes_down_before_the_answer)

    assert state == "answered"
    assert len(set(toolbox.keys_of("crm.add_note"))) == 1, "sent again, as its class allows, under the same key"

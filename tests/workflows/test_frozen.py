"""Runs that a freeze holds: they keep their place for as long as it stands, and go on by themselves."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from activities.freezes import Standing
from contracts.freezing import FreezeScope
from tests.authority import Signer
from tests.doubles import ScriptedClaude, asks_for
from tests.story import DEPLOYMENT, PATIENCE, StoryRun
from tests.workflows.errand_world import DONE, NOTE, an_errand

OLGA = Signer("olga", ("operator",))
HOURS = timedelta(hours=1)


class PatientStanding(Standing):
    """A freeze whose calls ask again after hours: a story of days would else ask seventeen thousand times."""

    def asks_again(self, attempt: int) -> timedelta:
        """See Standing."""
        return 5 * HOURS


@dataclass
class FrozenUntilThawed:
    """Everything is frozen while `stands`."""

    stands: bool = True

    async def over(self, automation: str, server: str, tool: str) -> Standing | None:
        """See activities.freezes.Freezes."""
        return PatientStanding(id="f-12345678", scope=FreezeScope.ALL, by="olga") if self.stands else None


async def held(run: StoryRun) -> str:
    """What the Web UI shows of the activity that waits, once it says so. Raises AssertionError after a bounded wait."""
    deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
    while True:
        described = (await run.handle.describe()).raw_description
        for waiting in described.pending_activities:
            if waiting.last_failure.message.startswith("held: "):
                return waiting.last_failure.message
        assert asyncio.get_running_loop().time() < deadline, f"nothing was held: {described.pending_activities}"
        await asyncio.sleep(0.04)


async def scheduled(run: StoryRun, activity: str) -> int:
    """How often its history says that this activity was to be done."""
    events = (await run.handle.fetch_history()).events
    return sum(
        event.activity_task_scheduled_event_attributes.activity_type.name == activity
        for event in events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )


async def test_a_run_that_is_frozen_for_three_days_keeps_its_place_and_then_ends_well(
    temporal: WorkflowEnvironment,
) -> None:
    freezes = FrozenUntilThawed()
    async with an_errand(temporal, (NOTE,), DONE, freezes=freezes) as errand:
        await held(errand.run)
        began = await errand.run.now()
        await errand.story.fast_forward(errand.run, timedelta(days=3))
        view, waited = await errand.run.view(), await errand.run.now() - began
        sent, asked = list(errand.toolbox.called), await scheduled(errand.run, "call_tool")
        freezes.stands = False
        await errand.story.fast_forward(errand.run, 6 * HOURS)
        ending = await errand.run.ending()
        states = await errand.run.states()

    assert waited >= timedelta(days=3)
    assert (view.state, view.waiting_for, sent) == ("calling", (), [])
    assert 6 <= asked <= 10, "twelve hours each, whatever the number of attempts"
    assert ending.state == "answered"
    assert states == ["thinking", "calling", "thinking", "answered"]
    assert errand.toolbox.called == ["crm.add_note"]


async def test_a_run_says_that_it_is_held_and_goes_on_when_the_store_says_so(temporal: WorkflowEnvironment) -> None:
    claude = ScriptedClaude([asks_for(NOTE), DONE], hold=asyncio.Event())
    assert claude.hold is not None
    async with an_errand(temporal, claude=claude) as errand:
        await claude.until_asked()
        freeze = OLGA.freezes(DEPLOYMENT.id, await errand.run.now(), FreezeScope.TOOL, "crm.add_note")
        await errand.story.store.freezes.freeze(freeze, (), freeze.issued_at)
        claude.hold.set()
        told = await held(errand.run)
        await errand.story.store.freezes.thaw(OLGA.thaws(freeze, freeze.issued_at), None, (), freeze.issued_at)
        await errand.story.fast_forward(errand.run, timedelta(seconds=15))
        ending = await errand.run.ending()

    assert told.startswith("held: the tool 'crm.add_note' is frozen since ")
    assert told.endswith(f"; to go on: interlock thaw {freeze.id} --reason WHY")
    assert ending.state == "answered"
    assert errand.toolbox.called == ["crm.add_note"]


async def test_a_run_that_is_held_can_be_cancelled(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (NOTE,), DONE, freezes=FrozenUntilThawed()) as errand:
        await held(errand.run)
        await errand.run.cancel()
        ending = await errand.run.ending()

    assert ending.state == "cancelled"
    assert errand.toolbox.called == []

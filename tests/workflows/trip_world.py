"""The world of trip stories: four servers that book and cancel, and remember what is booked."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from activities.toolbox import NotSent
from contracts.tools import EffectClass, Undoes
from policies.engine import CedarRules
from tests.authority import NOBODY
from tests.doubles import WAITS_SECONDS, RecordingToolbox, ScriptedClaude, says
from tests.story import Story, StoryRun, a_story
from workers.settings import REPOSITORY

OUTSIDE = Path(__file__).parent / "outside"
"""An automation outside the product, as INTERLOCK_AUTOMATIONS names a folder."""
SERVERS = ("flights", "rooms", "cars", "cards")


@dataclass
class Trip:
    """A trip under way, and the world around it."""

    run: StoryRun
    story: Story
    toolbox: RecordingToolbox
    booked: list[str]

    def cancels(self) -> list[str]:
        """Whose cancelling was called, in order."""
        return [name.split(".")[0] for name in self.toolbox.called if name.endswith(".cancel")]


@dataclass
class Bookings:
    """What is booked, in the order it was."""

    booked: list[str] = field(default_factory=list)

    def book(self, server: str) -> Any:
        """A tool that books."""
        return lambda _: self.booked.append(server) or {"booked": server}  # type: ignore[func-returns-value]

    def cancel(self, server: str) -> Any:
        """A tool that cancels; what is not booked stays so."""

        def answer(_: object) -> dict[str, str]:
            self.booked[:] = [other for other in self.booked if other != server]
            return {"cancelled": server}

        return answer

    def toolbox(self, opaque: str = "", **answers: Any) -> RecordingToolbox:
        """Tools over these bookings; `answers` replaces some, `opaque` names one whose lost answer stays lost."""
        usual = {f"{server}.book": self.book(server) for server in SERVERS}
        usual |= {f"{server}.cancel": self.cancel(server) for server in SERVERS}
        usual |= {name.replace("__", "."): answer for name, answer in answers.items()}
        classes = dict.fromkeys(usual, EffectClass.KEYED) | ({opaque: EffectClass.OPAQUE} if opaque else {})
        undoes = {f"{server}.cancel": Undoes(tool="book", same=("trip",)) for server in SERVERS}
        return RecordingToolbox(usual, classes=classes, undoes=undoes)


def the_line_is_cut(_: object) -> Any:
    """A tool that cannot be reached, and will not be within the hour."""
    raise NotSent("the line is cut", retry_after_seconds=3600)


@asynccontextmanager
async def a_trip(
    environment: WorkflowEnvironment,
    bookings: Bookings | None = None,
    toolbox: RecordingToolbox | None = None,
    *texts: str,
) -> AsyncIterator[Trip]:
    """A story of one trip; `texts` are rules that are in force beside the usual ones."""
    bookings = bookings or Bookings()
    toolbox = toolbox or bookings.toolbox()
    policy = trip_rules(*texts)
    nobody = ScriptedClaude([says("nobody asks")])
    async with a_story(environment, nobody, toolbox, outside=OUTSIDE, policy=policy, roster=NOBODY) as story:
        run = await story.start("trip", trip="T-1")
        yield Trip(run, story, toolbox, bookings.booked)


def trip_rules(*texts: str) -> CedarRules:
    """The rules in force for trips, and these."""
    paths = [*sorted((REPOSITORY / "policies").glob("*.cedar")), *sorted((OUTSIDE / "policies").glob("*.cedar"))]
    files = {path.name: path.read_text() for path in paths}
    return CedarRules(files | {f"story{number}.cedar": text for number, text in enumerate(texts)})


async def until_it_pauses(run: StoryRun, times: int = 1) -> None:
    """Wait, boundedly, until the run has begun to wait for its clock so many times."""
    deadline = asyncio.get_running_loop().time() + WAITS_SECONDS
    while (await _kinds_of_events(run)).count(EventType.EVENT_TYPE_TIMER_STARTED) < times:
        assert asyncio.get_running_loop().time() < deadline, f"it did not wait {times} times"
        await asyncio.sleep(0.04)


async def cancel_once_it_continued(run: StoryRun, since: str, reason: str) -> None:
    """Cancel, boundedly, until the run has continued as new `since` that Temporal run id, was told, and went on."""
    deadline = asyncio.get_running_loop().time() + WAITS_SECONDS
    while True:
        await run.cancel(reason)
        later = (await run.handle.describe()).run_id != since
        kinds = await _kinds_of_events(run) if later else []
        told = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED in kinds
        told_at = kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED) if told else len(kinds)
        if EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in kinds[told_at:]:
            return
        assert asyncio.get_running_loop().time() < deadline, "it was never told"
        await asyncio.sleep(0.04)


async def _kinds_of_events(run: StoryRun) -> list[int]:
    return [int(event.event_type) for event in (await run.handle.fetch_history()).events]


async def until_visited(run: StoryRun, times: int) -> None:
    """Wait, boundedly, until the run has entered so many states."""
    await run.until(lambda view: view.visits == times)


async def shown_of(trip: Trip, number: int = 1) -> dict[str, str]:
    """What people are shown with request `number`, by label."""
    request = await trip.run.asked(number)
    shown = await trip.story.store.contents.get(request.display_digest)
    assert shown is not None
    return {line["label"]: line["text"] for line in json.loads(shown)["request"]["context"]}

"""Errands of any length: Claude reads one page after the other, and keeps nothing by itself."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from contracts.runs import Ending, RunView
from tests.doubles import RecordingToolbox, answer_of, asks_for, says
from tests.long.growth import Growth, growth_of
from tests.story import PATIENCE, a_story

PAGE: tuple[str, dict[str, JsonValue]] = ("orders.find_order", {"order_id": "A-17"})


@dataclass
class DiligentClaude:
    """Asks for one page at each turn and answers at the last; keeps no question, of which there may be thousands."""

    turns: int
    asked: int = 0

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """See activities.claude_port.Claude."""
        self.asked += 1
        last = self.asked == self.turns
        return answer_of(says("Read them all."), "end_turn") if last else answer_of(asks_for(PAGE), "tool_use")


@dataclass
class Pages:
    """A tool that answers with another page each time, all of one size."""

    size_bytes: int
    read: int = 0

    def __call__(self, _: object) -> str:
        """The next page."""
        self.read += 1
        return f"page {self.read}: ".ljust(self.size_bytes, ".")


@dataclass(frozen=True)
class Told:
    """How an errand of many turns went."""

    ending: Ending
    view: RunView
    growth: Growth
    pages_read: int


async def an_errand_of(
    temporal: WorkflowEnvironment, turns: int, result_bytes: int, within: timedelta = PATIENCE
) -> Told:
    """One errand with one read at every turn but the last, told to its end."""
    pages = Pages(result_bytes)
    toolbox = RecordingToolbox({"orders.find_order": pages})
    async with a_story(temporal, DiligentClaude(turns), toolbox) as story:
        run = await story.start("errand", goal="Read every page.", servers=("orders",), turns=turns)
        ending = await asyncio.wait_for(run.handle.result(), within.total_seconds())
        growth = await growth_of(story.client, run.handle)
        return Told(ending, await run.view(), growth, pages.read)

"""A conversation killed at named points on both sides of its commits resumes; no kept answer is paid for twice."""

import dataclasses
import os
import sys

import pytest

from tests.end_to_end.processes import is_running, until
from tests.end_to_end.setup import Setup
from workers.embedded.plan import WORKER

pytestmark = pytest.mark.many

POINTS = {
    "before conversations.ask": [1, 2],
    "after conversations.ask": [1, 2],
    "before claude.ask": [1, 2],
    "after claude.ask": [1, 2, 2],
    "before conversations.answer": [1, 2, 2],
    "after conversations.answer": [1, 2],
}
"""Where the worker dies in the second turn, and which turns the Messages API is asked for in all.

Only an answer that was in hand and not kept yet is paid for once more."""
TOLD = list(POINTS) if os.environ.get("INTERLOCK_EVERY_POINT") else ["after claude.ask", "after conversations.answer"]
"""A point takes a quarter of a minute: `make long` tells all of them."""


@pytest.mark.parametrize("point", TOLD)
async def test_a_conversation_goes_on_where_it_was_killed_and_a_kept_answer_is_not_paid_for_again(
    setup: Setup, point: str
) -> None:
    before = len(await setup.simulator.questions())
    await setup.kill(WORKER)
    run = await setup.errand()
    dying = dataclasses.replace(
        setup.programs[WORKER],
        argv=(sys.executable, "-m", "tests.end_to_end.dying_worker"),
        environment={**setup.programs[WORKER].environment, "DIES_AT": point, "DIES_IN": run.id},
    )
    await setup.supervisor.start([dying])
    pid = setup.process(WORKER).pid
    await until(lambda: not is_running(pid), f"the worker dies {point}")
    await setup.start_programs(WORKER)

    assert await run.ending() == "answered"
    questions = (await setup.simulator.questions())[before:]
    assert [each.turn for each in questions if each.script == "errand/thinking"] == POINTS[point]
    assert (await run.view()).turns == 2

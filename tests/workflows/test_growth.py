"""An errand's history grows by the same few bytes at every turn, whatever came before (invariant I6)."""

import sys

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.long.errands import an_errand_of
from tests.long.promises import SLACK_BYTES, broken_by

TURNS = 30
MANY_TURNS = 45
"""More than are needed to fill the path that a run remembers."""
RESULT_BYTES = 20_000


async def test_every_turn_adds_the_same_few_events_and_bytes_to_history(
    temporal: WorkflowEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    told = await an_errand_of(temporal, TURNS, RESULT_BYTES)
    turns = told.growth.turns
    with capsys.disabled():
        last = turns[-2]
        largest = told.growth.largest_payload
        sys.stdout.write(
            f"\n[{last.size_bytes} bytes and {len(last.events)} events per turn; largest {largest} bytes]\n"
        )

    assert list(broken_by(told, TURNS)) == []
    assert len(turns) == TURNS


async def test_a_run_of_many_turns_continues_as_new_and_what_it_carries_does_not_grow(
    suggesting: WorkflowEnvironment,
) -> None:
    told = await an_errand_of(suggesting, MANY_TURNS, 1000)
    started = [events[0].workflow_execution_started_event_attributes for events in told.growth.histories]
    carried = [len(each.input.payloads[0].data) for each in started]

    assert told.ending.state == "answered"
    assert (told.view.turns, told.view.tool_calls, told.pages_read) == (MANY_TURNS, MANY_TURNS - 1, MANY_TURNS - 1)
    assert len(carried) > MANY_TURNS / 4, "as often as Temporal suggests it"
    assert (told.view.visits, len(told.view.path)) == (MANY_TURNS * 2, 50), (
        "the path is remembered as far as it is shown"
    )
    assert max(carried[-5:]) - min(carried[-5:]) < 3 * SLACK_BYTES, "with or without a call to be made"

"""An errand's history grows by the same bytes at every turn, whatever came before (invariant I6)."""

import sys
from collections.abc import Iterable, Sequence

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.testing import WorkflowEnvironment

from tests.doubles import ScriptedClaude, asks_for, says
from tests.workflows.errand_world import FIND, an_errand, tools

TURNS = 25
RESULT_BYTES = 20_000
LARGEST_PAYLOAD = 64 * 1024
SLACK = 64
"""Event numbers are written with more digits as they grow."""


def in_turn_of(events: Sequence[HistoryEvent]) -> list[list[HistoryEvent]]:
    """The events from one question to Claude to the next."""
    turns: list[list[HistoryEvent]] = []
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == "ask_claude":
            turns.append([])
        if turns:
            turns[-1].append(event)
    return turns


def payloads(message: Message) -> Iterable[Payload]:
    """Every payload in a message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts = value.values() if field.message_type.GetOptions().map_entry else value if field.is_repeated else [value]
        for part in parts:
            if isinstance(part, Message):
                yield from payloads(part)


async def test_every_turn_adds_the_same_bytes_to_history_and_claude_still_sees_all(
    temporal: WorkflowEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = 0

    def page(_: object) -> str:
        nonlocal answered
        answered += 1
        return f"page {answered}: ".ljust(RESULT_BYTES, ".")

    claude = ScriptedClaude([*[asks_for(FIND)] * (TURNS - 1), says("Read them all.")])
    async with an_errand(temporal, claude=claude, toolbox=tools(orders__find_order=page), turns=TURNS) as errand:
        ending = await errand.run.ending()
        history = await errand.run.handle.fetch_history()

    turns = in_turn_of(history.events)
    sizes = [sum(event.ByteSize() for event in events) for events in turns]
    counts = [len(events) for events in turns]
    largest = max(len(payload.data) for event in history.events for payload in payloads(event))
    with capsys.disabled():
        sys.stdout.write(f"\n[{sizes[5]} bytes and {counts[5]} events per turn; largest payload {largest} bytes]\n")

    assert ending.state == "answered"
    assert (len(turns), answered) == (TURNS, TURNS - 1)
    assert set(counts[4:-1]) == {counts[5]}
    assert max(sizes[4:-1]) - min(sizes[4:-1]) <= SLACK
    assert largest < LARGEST_PAYLOAD
    assert "page 3: " in str(claude.questions[19].messages), "the conversation comes from the store"
    assert len(str(claude.questions[19].messages)) > 19 * RESULT_BYTES

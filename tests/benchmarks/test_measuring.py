"""Histories and processes as the benchmark measures them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from benchmarks.measuring.histories import Size, Turns
from benchmarks.measuring.processes import cpu_seconds, memory_bytes, tree_of
from benchmarks.scenarios.splits import split_between

HISTORIES = Path(__file__).parents[1] / "replay" / "histories"


def recorded(name: str) -> list[HistoryEvent]:
    """The events of a history that was recorded."""
    return list(WorkflowHistory.from_json("errand/x", (HISTORIES / f"{name}.json").read_text()).events)


def cut(events: list[HistoryEvent]) -> Turns:
    """By its turns with Claude."""
    turns = Turns("ask_claude", [Size()])
    for event in events:
        turns.take(event)
    return turns


def test_a_history_is_cut_where_claude_is_asked_and_nothing_is_lost() -> None:
    events = recorded("errand-answered")
    turns = cut(events)
    asked = sum(event.activity_task_scheduled_event_attributes.activity_type.name == "ask_claude" for event in events)
    assert len(turns.sizes) == asked + 1
    assert sum(size.events for size in turns.sizes) == len(events)
    assert sum(size.bytes for size in turns.sizes) == sum(event.ByteSize() for event in events)


def test_an_average_turn_leaves_out_the_beginning_and_the_end_of_the_run() -> None:
    turns = Turns("ask", [Size(9000, 90), *(Size(100 * number, 8) for number in range(1, 11)), Size(5000, 50)])
    assert turns.around(1) == Size(300, 8)
    assert turns.around(500) == Size(800, 8)


def test_the_largest_payload_is_found_wherever_it_stands() -> None:
    event = HistoryEvent(event_id=1)
    event.activity_task_scheduled_event_attributes.input.CopyFrom(Payloads(payloads=[Payload(data=b"x" * 10)]))
    event.activity_task_scheduled_event_attributes.header.fields["header"].CopyFrom(Payload(data=b"x" * 5000))
    assert 5000 < cut([event]).largest_payload < 5100


def test_what_timed_out_is_counted() -> None:
    kinds = (EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    assert cut([HistoryEvent(event_type=kind) for kind in kinds]).failed == {"activity_task_timed_out": 1}


def test_a_run_that_another_worker_took_over_has_not_timed_out() -> None:
    event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
    event.workflow_task_timed_out_event_attributes.timeout_type = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START
    turns = cut([event])
    assert (turns.failed, turns.handed_over) == ({}, 1)


def test_the_parts_of_an_approval_are_together_the_whole_way() -> None:
    events = approved()
    last = events[-1].event_time
    sent, effect = events[0].event_time.seconds - 1.0, last.seconds + 1.0
    parts = split_between(events, sent, effect)
    assert sum(parts) == pytest.approx(effect - sent)
    assert [round(part, 3) for part in parts[1:4]] == [0.01, 0.02, 0.03]


def approved() -> list[HistoryEvent]:
    """A workflow task that takes an update, the order of the gate, and its beginning: 10, 20 and 30 ms apart."""
    kinds = (
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    )
    events = [HistoryEvent(event_id=number, event_type=kind) for number, kind in enumerate(kinds, start=1)]
    for event, milliseconds in zip(events, (0, 10, 10, 30, 60), strict=True):
        event.event_time.seconds, event.event_time.nanos = 1_800_000_000, milliseconds * 1_000_000
    events[1].workflow_task_completed_event_attributes.started_event_id = 1
    events[3].activity_task_scheduled_event_attributes.activity_type.name = "call_tool"
    events[4].activity_task_started_event_attributes.scheduled_event_id = 4
    return events


def test_processor_time_and_memory_of_children_count() -> None:
    busy = "import time; a = bytearray(50_000_000)\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in tree_of(os.getpid())
        assert cpu_seconds([child.pid]) >= 0.29
        assert memory_bytes([child.pid]) > 50_000_000
        child.kill()

"""Where the time between a yes and its effect goes, as a run's history tells it."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from benchmarks.measuring.histories import events_of
from benchmarks.world.contestant import Run

GATE = "call_tool"


class Split(NamedTuple):
    """Seconds; together they are the whole way. Each part begins where the one before ends."""

    to_worker: float
    """From the sender over the server to the worker: the workflow task with the update has begun."""
    checked: float
    """The update's validator, and the check of the decision in an activity beside the workflow."""
    recorded: float
    """The request is taken out of the inbox, and the gate is ordered."""
    to_gate: float
    """The gate has begun."""
    gated: float
    """The gate verifies, asks policy, claims, marks as sent, and the call arrives at the tool."""


async def split_of(client: Client, run: Run, sent: float, effect: float) -> Split:
    """Of one run that was decided once: the yes was sent then, its effect arrived then."""
    return split_between([event async for event in events_of(client, run.id, run.first_run_id)], sent, effect)


def split_between(events: list[HistoryEvent], sent: float, effect: float) -> Split:
    """The same, of a whole history."""
    accepted = _first(events, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
    before, after = events[: accepted.event_id], events[accepted.event_id - 1 :]
    completed = _first(reversed(before), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
    begun = events[completed.workflow_task_completed_event_attributes.started_event_id - 1]
    ordered = next(event for event in after if _orders_gate(event))
    gate = next(
        event for event in after if event.activity_task_started_event_attributes.scheduled_event_id == ordered.event_id
    )
    moments = (sent, *map(_seconds, (begun, completed, ordered, gate)), effect)
    return Split(*(later - earlier for earlier, later in pairwise(moments)))


def _orders_gate(event: HistoryEvent) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == GATE


def _first(events: Iterable[HistoryEvent], kind: "EventType.ValueType") -> HistoryEvent:
    return next(event for event in events if event.event_type == kind)


def _seconds(event: HistoryEvent) -> float:
    return event.event_time.seconds + event.event_time.nanos / 1e9

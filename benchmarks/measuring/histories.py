"""What runs leave in Temporal: events and bytes of whole chains, turn by turn, and the largest payload."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistoryEventFilterType

FAILED = (
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
)
NOT_TAKEN_IN_TIME = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START


@dataclass(frozen=True)
class Size:
    """Of a history, or of a part of one."""

    bytes: int = 0
    events: int = 0
    chain: int = 0
    """How many Temporal runs it is."""

    def plus(self, other: "Size") -> "Size":
        """Both together."""
        return Size(self.bytes + other.bytes, self.events + other.events, self.chain + other.chain)


async def size_of(client: Client, run: str, first_run_id: str) -> Size:
    """Of a whole chain, as the server counts it."""
    size = Size()
    async for run_id in chain_of(client, run, first_run_id):
        described = (await client.get_workflow_handle(run, run_id=run_id).describe()).raw_description
        told = described.workflow_execution_info
        size = size.plus(Size(told.history_size_bytes, told.history_length, 1))
    return size


async def chain_of(client: Client, run: str, first_run_id: str) -> AsyncIterator[str]:
    """The Temporal run ids of a chain that is over, in order."""
    run_id = first_run_id
    while run_id:
        yield run_id
        handle, following = client.get_workflow_handle(run, run_id=run_id), ""
        async for event in handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT):
            following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        run_id = following


async def events_of(client: Client, run: str, first_run_id: str) -> AsyncIterator[HistoryEvent]:
    """Every event of a whole chain."""
    async for run_id in chain_of(client, run, first_run_id):
        async for event in client.get_workflow_handle(run, run_id=run_id).fetch_history_events():
            yield event


@dataclass
class Turns:
    """A history cut where a turn begins: whatever comes before the first one is turn 0."""

    asking: str
    """The activity that begins a turn."""
    sizes: list[Size]
    largest_payload: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Kind -> how many activities and workflow tasks timed out or failed."""
    handed_over: int = 0
    """Workflow tasks that the worker with the cached run did not take in time: another one replays it."""

    @classmethod
    async def read(cls, client: Client, run: str, first_run_id: str, asking: str) -> "Turns":
        """Of a chain that is over."""
        turns = cls(asking, [Size()])
        async for event in events_of(client, run, first_run_id):
            turns.take(event)
        return turns

    def take(self, event: HistoryEvent) -> None:
        """The next event."""
        if event.activity_task_scheduled_event_attributes.activity_type.name == self.asking:
            self.sizes.append(Size())
        self.sizes[-1] = self.sizes[-1].plus(Size(event.ByteSize(), 1))
        self.largest_payload = max(self.largest_payload, *(payload.ByteSize() for payload in payloads(event)), 0)
        handed_over = event.workflow_task_timed_out_event_attributes.timeout_type == NOT_TAKEN_IN_TIME
        self.handed_over += handed_over
        if event.event_type in FAILED and not handed_over:
            self.failed[EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()] += 1

    def around(self, turn: int, width: int = 5) -> Size:
        """An average turn of the `width` turns from `turn` on, or of the last ones before the last. Rounded up."""
        last = len(self.sizes) - 2  # the very last one ends the run
        first = max(1, min(turn, last - width + 1))
        window = self.sizes[first : min(first + width, last + 1)]
        return Size(
            -(-sum(size.bytes for size in window) // len(window)),
            -(-sum(size.events for size in window) // len(window)),
        )


def payloads(message: Message) -> Iterator[Payload]:
    """Every payload in an event, wherever it stands."""
    for described, value in message.ListFields():
        if described.message_type is None:
            continue
        if described.message_type.GetOptions().map_entry:
            values = list(value.values()) if described.message_type.fields_by_name["value"].message_type else []
        else:
            values = list(value) if described.is_repeated else [value]
        for each in values:
            if isinstance(each, Payload):
                yield each
            else:
                yield from payloads(each)

"""What a run costs in Temporal's history: its whole chain of histories, cut into turns, weighed and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

Events = Sequence[HistoryEvent]


@dataclass(frozen=True)
class Turn:
    """From one question to Claude to the next."""

    events: tuple[HistoryEvent, ...]

    @property
    def size_bytes(self) -> int:
        """As Temporal stores them."""
        return sum(event.ByteSize() for event in self.events)

    def by_kind(self) -> Counter[str]:
        """Kind of event -> bytes."""
        sizes: Counter[str] = Counter()
        for event in self.events:
            sizes[str(event.WhichOneof("attributes")).removesuffix("_event_attributes")] += event.ByteSize()
        return sizes


@dataclass(frozen=True)
class Growth:
    """What a run has left in Temporal."""

    histories: tuple[Events, ...]
    """One for each Temporal run of the chain, in order."""

    @property
    def turns(self) -> list[Turn]:
        """In order, without those that a continue-as-new has cut in two."""
        return [turn for events in self.histories for turn in _turns_of(events)]

    @property
    def largest_payload(self) -> int:
        """In bytes, of everything that was sent to Temporal."""
        return max(len(payload.data) for events in self.histories for payload in payloads(events))

    @property
    def timers(self) -> int:
        """How many were started."""
        return self.count("timer_started")

    def count(self, kind: str) -> int:
        """How many events of this kind there are."""
        field = f"{kind}_event_attributes"
        return sum(event.HasField(field) for events in self.histories for event in events)  # type: ignore[arg-type]


async def growth_of(client: Client, handle: WorkflowHandle[Any, Any]) -> Growth:
    """Every history of the chain, from its first run on."""
    histories, run_id = [], handle.first_execution_run_id
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        histories.append(tuple(history.events))
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return Growth(tuple(histories))


def payloads(messages: Iterable[Message]) -> Iterator[Payload]:
    """Every payload in them, however deep."""
    for message in messages:
        if isinstance(message, Payload):
            yield message
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                yield from payloads(part for part in _parts(field, value) if isinstance(part, Message))


def _parts(field: Any, value: Any) -> Iterator[Any]:
    if field.message_type.GetOptions().map_entry:
        yield from value.values()
    elif field.is_repeated:
        yield from value
    else:
        yield value


def _turns_of(events: Events) -> list[Turn]:
    turns: list[list[HistoryEvent]] = []
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == "ask_claude":
            turns.append([])
        if turns:
            turns[-1].append(event)
    cut = events[-1].HasField("workflow_execution_continued_as_new_event_attributes")
    return [Turn(tuple(turn)) for turn in (turns[:-1] if cut else turns)]

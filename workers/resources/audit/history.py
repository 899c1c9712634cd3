"""Compare the chain with Temporal's histories: who plants something in one of them is found out by the other."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.conversations import RunKey
from activities.ledger import LedgerState
from activities.tools import NOTHING_TO_UNDO
from contracts.audit import stream_of
from contracts.canonical import parse_json
from contracts.runs import TASK_QUEUE
from contracts.tools import EffectClass, Purpose, ToolCall, ToolOutcome
from workers.resources.audit.findings import Finding
from workers.resources.audit.told import Accounts, Told

GATE = "call_tool"
LOCAL_ACTIVITY = "core_local_activity"
"""What the SDK names the marker of a local activity."""
WITHIN = timedelta(seconds=30)
PAGE = 500

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass
class Calls:
    """What the histories of a run say of its tool calls."""

    done: set[str] = field(default_factory=set)
    """Action digests."""
    unanswered: set[tuple[str, ...]] = field(default_factory=set)
    """Server, tool, step and occurrence where the activity never completed: history cannot say what came of it."""
    complete: bool = True
    """Temporal remembers every history of the chain."""
    lost_a_task: bool = False
    """A workflow task came to nothing: what was read within it was read, and history cannot know of it."""


class Histories:
    """Reads what Temporal remembers of calls of the gate on one task queue, whoever's workflow made them."""

    def __init__(self, client: Client, task_queue: str = TASK_QUEUE) -> None:
        self._client, self._task_queue = client, task_queue
        self.calls: dict[RunKey, Calls] = {}
        self._chains: dict[tuple[str, str], str] = {}

    async def read(self, known: Iterable[RunKey]) -> None:
        """Every history there is, and those of the known runs; what is forgotten leaves its run incomplete."""
        waiting = deque([(run.workflow_id, run.first_run_id) for run in known])
        for run in known:
            self.calls.setdefault(run, Calls())
        waiting.extend([each async for each in self._listed()])
        seen = set()
        while waiting:
            workflow_id, run_id = waiting.popleft()
            if (workflow_id, run_id) not in seen:
                seen.add((workflow_id, run_id))
                following = await self._read(workflow_id, run_id)
                waiting.extend((workflow_id, each) for each in following)

    async def _listed(self) -> AsyncIterator[tuple[str, str]]:
        # Asked raw: the SDK's reader stumbles over runs that somebody paused.
        token = b""
        while True:
            request = ListWorkflowExecutionsRequest(
                namespace=self._client.namespace, page_size=PAGE, next_page_token=token
            )
            page = await self._client.workflow_service.list_workflow_executions(request, timeout=WITHIN)
            for listed in page.executions:
                yield listed.execution.workflow_id, listed.execution.run_id
            token = page.next_page_token
            if not token:
                return

    async def _read(self, workflow_id: str, run_id: str) -> list[str]:
        """Add one history; the Temporal run ids that continue it."""
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            events = (await handle.fetch_history(rpc_timeout=WITHIN)).events
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self._forget(workflow_id, run_id)
            return []
        first = events[0].workflow_execution_started_event_attributes.first_execution_run_id
        calls = self.calls.setdefault(RunKey(workflow_id=workflow_id, first_run_id=first), Calls())
        await self._take(calls, events)
        last = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if last:
            self._chains[(workflow_id, last)] = first
        return [last] if last else []

    def _forget(self, workflow_id: str, run_id: str) -> None:
        first = self._chains.get((workflow_id, run_id), run_id)
        self.calls.setdefault(RunKey(workflow_id=workflow_id, first_run_id=first), Calls()).complete = False

    async def _take(self, calls: Calls, events: Sequence[HistoryEvent]) -> None:
        scheduled: dict[int, ToolCall] = {}
        for event in events:
            if event.HasField("activity_task_scheduled_event_attributes"):
                asked = event.activity_task_scheduled_event_attributes
                ours = asked.activity_type.name == GATE and asked.task_queue.name == self._task_queue
                if ours and (call := await self._read_as(asked.input, ToolCall)):
                    scheduled[event.event_id] = call
            elif event.HasField("activity_task_completed_event_attributes"):
                answered = event.activity_task_completed_event_attributes
                call = scheduled.pop(answered.scheduled_event_id, None)
                outcome = await self._read_as(answered.result, ToolOutcome) if call else None
                if call and outcome and _is_effect(call, outcome):
                    calls.done.add(outcome.action_digest)
        calls.unanswered |= {(call.server, call.tool, call.step, call.occurrence) for call in scheduled.values()}
        if events[0].workflow_execution_started_event_attributes.task_queue.name == self._task_queue:
            await self._take_local(calls, events)

    async def _take_local(self, calls: Calls, events: Sequence[HistoryEvent]) -> None:
        """What was read at once stands in markers, which are written when their workflow task is completed."""
        under_way = False
        for event in events:
            if event.HasField("workflow_task_started_event_attributes"):
                calls.lost_a_task |= under_way
                under_way = True
            elif event.HasField("workflow_task_completed_event_attributes"):
                under_way = False
            elif _of_the_gate(event.marker_recorded_event_attributes):
                told = event.marker_recorded_event_attributes.details["result"]
                outcome = await self._read_as(told, ToolOutcome)
                if outcome and outcome.done and outcome.action_digest:
                    calls.done.add(outcome.action_digest)
        calls.lost_a_task |= under_way

    async def _read_as(self, payloads: Payloads, model: type[ModelT]) -> ModelT | None:
        try:
            decoded = await self._client.data_converter.decode(payloads.payloads, [model])
        except Exception:  # noqa: BLE001 - not what the gate is asked or answers: not a call of ours
            return None
        return decoded[0] if decoded and isinstance(decoded[0], model) else None


def _of_the_gate(marker: MarkerRecordedEventAttributes) -> bool:
    """Whether it tells of a call that the gate made as a local activity, and answered."""
    if marker.marker_name != LOCAL_ACTIVITY or "result" not in marker.details:
        return False
    try:
        about = parse_json(marker.details["data"].payloads[0].data)
    except (IndexError, ValueError):
        return False
    return isinstance(about, dict) and about.get("activity_type") == GATE


def _is_effect(call: ToolCall, outcome: ToolOutcome) -> bool:
    nothing_to_undo = call.purpose is Purpose.COMPENSATION and outcome.message == NOTHING_TO_UNDO
    return outcome.done and bool(outcome.action_digest) and not nothing_to_undo


_HAPPENED = (LedgerState.DONE.value, LedgerState.ADOPTED.value)


def done_by_run(accounts: Accounts) -> dict[RunKey, dict[str, Told]]:
    """Run -> action digest -> what the chain tells of the call that was done, or was found to have happened."""
    found: dict[RunKey, dict[str, Told]] = {}
    for told in accounts.ledger.values():
        if told.values.get("state") in _HAPPENED:
            run = RunKey(workflow_id=str(told.values["workflow_id"]), first_run_id=str(told.values["first_run_id"]))
            found.setdefault(run, {})[str(told.values["action_digest"])] = told
    return found


def disagreements(
    calls: Mapping[RunKey, Calls],
    before: Mapping[RunKey, Mapping[str, Told]],
    recorded_now: Callable[[RunKey], set[str]],
) -> Iterator[Finding]:
    """Where chain and histories disagree. `before` was read before the histories, `recorded_now` reads after them."""
    for run, history in calls.items():
        name = f"{run.workflow_id} ({run.first_run_id})"
        if unknown := history.done - before.get(run, {}).keys():
            for digest in sorted(unknown - recorded_now(run)):
                problem = f"the history of {name} holds the call {digest} as done, and no record tells of it"
                yield Finding(stream=stream_of(run.workflow_id), seq=0, problem=problem)
        for digest, told in before.get(run, {}).items():
            if told.values.get("state") == LedgerState.ADOPTED.value:
                continue  # a run may end before it learns of that
            if digest in history.done or _named(told) in history.unanswered or _unsure(history, told):
                continue
            if history.complete:
                problem = f"this tells that {name} has done the call {digest}, and its history does not know of it"
                yield Finding(stream=told.stream, seq=told.seq, problem=problem)


def _unsure(history: Calls, told: Told) -> bool:
    """Whether it is a read that may have been made at once, in a workflow task that came to nothing."""
    return history.lost_a_task and told.values.get("effect_class") == EffectClass.READ.value


def _named(told: Told) -> tuple[str, ...]:
    return tuple(str(told.values[name]) for name in ("server", "tool", "step", "occurrence"))


def runs_of(accounts: Accounts) -> set[RunKey]:
    """Every run that the chain tells of as started, or as having called a tool."""
    told = (*accounts.starts.values(), *accounts.ledger.values())
    return {
        RunKey(workflow_id=str(each.values["workflow_id"]), first_run_id=str(each.values["first_run_id"]))
        for each in told
    }

"""A run as people see it: where it stands, what it asks, how it ends; and decisions as the CLI makes them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from contracts.decisions import ApprovalRequest, Decision, Receipt, Verdict
from contracts.runs import Ending, RunView

PATIENCE = timedelta(seconds=40)
RPC_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True)
class Started:
    """The attempt of an activity that ended it, as Temporal's history tells it."""

    scheduled_at: datetime
    started_at: datetime
    attempt: int


@dataclass
class Run:
    """One run on a real server with a real worker."""

    handle: WorkflowHandle[Any, Ending]
    namespace: str
    deployment: str

    @property
    def id(self) -> str:
        return self.handle.id

    async def view(self) -> RunView:
        view: RunView = await self.handle.query("view", result_type=RunView, rpc_timeout=RPC_TIMEOUT)
        return view

    async def until(self, reached: Callable[[RunView], object]) -> RunView:
        """Its view, once `reached` is true of it; while nobody can answer, it is asked again."""
        deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        seen = "nobody answers"
        while asyncio.get_running_loop().time() < deadline:
            try:
                view = await self.view()
            except RPCError as error:
                seen = error.message
            else:
                if reached(view):
                    return view
                seen = f"{view.state!r} ({view.reason}) via {[visit.state for visit in view.path]}"
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.id} is stuck: {seen}; pending: {await self._pending()}")

    async def until_failing(self, activity: str, because: str = "") -> None:
        """Once an attempt of this activity has failed because of that, and it is going to be tried again."""
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not any(each.startswith(f"{activity} attempt") and because in each for each in await self._pending()):
                await asyncio.sleep(0.05)

    async def asked(self, number: int = 1) -> ApprovalRequest:
        """Request `number`, once it is open."""
        wanted = f"{self.id}#{number}"
        view = await self.until(lambda seen: any(request.id == wanted for request in seen.waiting_for))
        return next(request for request in view.waiting_for if request.id == wanted)

    async def decision(self, verdict: Verdict, *, by: str = "dana", number: int = 1) -> Decision:
        """What `interlock approvals sign --print` prints."""
        request, view = await self.asked(number), await self.view()
        now = datetime.now(UTC)
        return Decision(
            deployment=self.deployment,
            namespace=self.namespace,
            workflow_id=self.id,
            first_run_id=view.first_run_id,
            approval_id=request.id,
            action_digest=request.action_digest,
            verdict=verdict,
            approver=by,
            issued_at=now,
            expires_at=now + timedelta(hours=1),
            display_digest=request.display_digest,
        )

    async def decides(self, verdict: Verdict, *, by: str = "dana", number: int = 1) -> Receipt:
        """Decide by update."""
        decision = await self.decision(verdict, by=by, number=number)
        receipt: Receipt = await self.handle.execute_update(
            "decide", decision, result_type=Receipt, rpc_timeout=PATIENCE
        )
        return receipt

    async def ending(self) -> str:
        """The final state."""
        try:
            ending = await asyncio.wait_for(self.handle.result(), PATIENCE.total_seconds())
        except TimeoutError:
            view = await self.view()
            raise AssertionError(f"{self.id} is in {view.state!r} ({view.reason}); {await self._pending()}") from None
        return ending.state

    async def states(self) -> list[str]:
        return [visit.state for visit in (await self.view()).path]

    async def last_attempts(self, activity: str) -> list[Started]:
        """Of every activity of this type that is over, in the order of their start."""
        events = {event.event_id: event for event in (await self.handle.fetch_history()).events}
        started = [event for event in events.values() if event.HasField("activity_task_started_event_attributes")]
        pairs = [(events[each.activity_task_started_event_attributes.scheduled_event_id], each) for each in started]
        return [
            Started(
                scheduled_at=_at(scheduled),
                started_at=_at(begun),
                attempt=begun.activity_task_started_event_attributes.attempt,
            )
            for scheduled, begun in pairs
            if scheduled.activity_task_scheduled_event_attributes.activity_type.name == activity
        ]

    async def _pending(self) -> list[str]:
        described = await self.handle.describe(rpc_timeout=RPC_TIMEOUT)
        return [
            f"{waiting.activity_type.name} attempt {waiting.attempt}: {waiting.last_failure.message}"
            for waiting in described.raw_description.pending_activities
            if waiting.HasField("last_failure")
        ]


def _at(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)

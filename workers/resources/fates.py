"""Asks the Temporal server what became of runs, and runs what they wait for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.conversations import RunKey
from activities.orphans import Fate, Standing
from contracts.model import rfc3339
from contracts.runs import TASK_QUEUE, RunView

WITHIN = timedelta(seconds=5)
_STANDINGS = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: Standing.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: Standing.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: Standing.RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: Standing.COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: Standing.STOPPED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: Standing.TERMINATED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: Standing.FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: Standing.TIMED_OUT,
}


class TemporalFates:
    """The port `activities.orphans.Fates`. A reset keeps the first run id, and so does continuing as new."""

    def __init__(self, client: Client, task_queue: str = TASK_QUEUE) -> None:
        self._client, self._task_queue = client, task_queue

    async def fate(self, run: RunKey) -> Fate:
        """What became of the run of exactly this chain. Raises RPCError, LookupError when it cannot be told."""
        current = await self._describe(run.workflow_id)
        if current is None:  # whoever deletes the last link leaves the first ones; the run is gone all the same
            return Fate(standing=Standing.GONE)
        first = current.workflow_execution_info.first_run_id
        if not first:
            raise LookupError(f"the Temporal server does not tell the first run id of {run.workflow_id!r}")
        if first == run.first_run_id:
            return _fate(current)
        return await self._before_another(run)

    async def begun_since(self, since: datetime, limit: int) -> dict[str, datetime]:
        """Workflow id -> when its current link began; the latest first. Temporal's lists lag by seconds."""
        running = f"TaskQueue = '{self._task_queue}' AND ExecutionStatus = 'Running'"
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            page_size=limit,
            query=f"{running} AND StartTime >= '{rfc3339(since)}'",
        )
        found = await self._client.workflow_service.list_workflow_executions(request, timeout=WITHIN)
        return {each.execution.workflow_id: _moment(each.start_time) for each in found.executions}

    async def held_requests(self, run: RunKey) -> frozenset[str] | None:
        """The requests that the run waits for; None while it does anything else, or does not answer."""
        before = await self._describe(run.workflow_id)
        if before is None or not _is_idle(before):
            return None
        handle = self._client.get_workflow_handle(
            run.workflow_id, run_id=before.workflow_execution_info.execution.run_id
        )
        try:
            view: RunView = await handle.query("view", result_type=RunView, rpc_timeout=WITHIN)
        except (RPCError, WorkflowQueryFailedError):
            return None
        after = await self._describe(run.workflow_id)
        if after is None or _place(after) != _place(before) or view.first_run_id != run.first_run_id:
            return None
        return frozenset(request.id for request in view.waiting_for)

    async def _before_another(self, run: RunKey) -> Fate:
        """Another run bears the workflow id now. Of this one only the first link can be asked for by name."""
        first = await self._describe(run.workflow_id, run.first_run_id)
        if first is None or first.workflow_extended_info.reset_run_id:
            return Fate(standing=Standing.GONE)
        fate = _fate(first)
        return Fate(standing=Standing.GONE) if fate.standing is Standing.RUNNING else fate

    async def _describe(self, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
        """None: Temporal does not know it. That there is no such namespace is another matter."""
        execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        try:
            return await self._client.workflow_service.describe_workflow_execution(request, timeout=WITHIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or _of_the_namespace(error):
                raise
            return None


def _fate(described: DescribeWorkflowExecutionResponse) -> Fate:
    info = described.workflow_execution_info
    standing = _STANDINGS.get(info.status)
    if standing is None:
        raise LookupError(f"the Temporal server says status {info.status} of {info.execution.workflow_id!r}")
    return Fate(
        standing=standing,
        temporal_run_id=info.execution.run_id,
        closed_at=_moment(info.close_time) if info.HasField("close_time") else None,
        reset=described.workflow_extended_info.HasField("last_reset_time"),
    )


def _is_idle(described: DescribeWorkflowExecutionResponse) -> bool:
    running = described.workflow_execution_info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
    return running and not described.pending_activities and not described.HasField("pending_workflow_task")


def _place(described: DescribeWorkflowExecutionResponse) -> tuple[Any, ...]:
    """Nothing has happened to a run whose place is the same."""
    info = described.workflow_execution_info
    return info.execution.run_id, info.history_length, _is_idle(described)


def _of_the_namespace(error: RPCError) -> bool:
    return any(each.type_url.endswith("NamespaceNotFoundFailure") for each in error.grpc_status.details)


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)

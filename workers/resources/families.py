"""Asks the Temporal server who has started which run as its child, and what became of it."""

from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from activities.children import Relative
from activities.conversations import RunKey
from contracts.runs import Ending
from workers.resources.chains import TemporalChains

_RUNNING = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
)


class TemporalFamilies:
    """The port `activities.children.Families`. Who is whose child the server has written down, whoever says what."""

    def __init__(self, client: Client) -> None:
        self._client, self._chains = client, TemporalChains(client)

    async def parent_of(self, workflow_id: str, run_id: str) -> RunKey | None:
        """The run that has started this Temporal run as its child. Raises RPCError, LookupError when it is not told."""
        described = await self._described(workflow_id, run_id)
        return None if described is None else await self._parent(described)

    async def latest(self, workflow_id: str) -> Relative | None:
        """The latest run of this workflow id. Raises RPCError, LookupError when it is not told."""
        described = await self._described(workflow_id)
        if described is None:
            return None
        info = described.raw_description.workflow_execution_info
        completed = info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED
        return Relative(
            run=RunKey(workflow_id=workflow_id, first_run_id=info.first_run_id),
            parent=await self._parent(described),
            closed=info.status not in _RUNNING,
            ending=await self._ending(workflow_id, described.run_id) if completed else None,
        )

    async def _parent(self, described: WorkflowExecutionDescription) -> RunKey | None:
        info = described.raw_description.workflow_execution_info
        if not info.HasField("parent_execution"):
            return None
        named = info.parent_execution
        try:
            first = await self._chains.first_run_id(named.workflow_id, named.run_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None  # somebody has deleted it
        return RunKey(workflow_id=named.workflow_id, first_run_id=first)

    async def _ending(self, workflow_id: str, run_id: str) -> Ending:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id, result_type=Ending)
        ending: Ending = await handle.result(follow_runs=False)
        return ending

    async def _described(self, workflow_id: str, run_id: str | None = None) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

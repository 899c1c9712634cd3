"""List runs through Temporal's visibility."""

import json
from datetime import UTC
from typing import TYPE_CHECKING

from cli.automations import states_of
from cli.exits import WrongInput
from cli.server import Server
from contracts.model import Model, Moment
from contracts.runs import TASK_QUEUE
from workflows.catalog import Catalog

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import WorkflowExecutionInfo

PAGE = 200


class ListedRun(Model):
    """One run, as lists know it."""

    run: str
    automation: str
    state: str
    """Empty until a worker has begun the run."""
    status: str
    """Temporal's own word: running, completed, terminated ..."""
    started_at: Moment
    closed_at: Moment | None = None


async def list_runs(
    server: Server, catalog: Catalog, *, state: str = "", automation: str = "", limit: int = 100, running: bool = False
) -> list[ListedRun]:
    """The newest runs that match. Raises WrongInput naming what there is instead."""
    query = [f"TaskQueue = '{TASK_QUEUE}'"]
    if automation:
        # Not by InterlockAutomation, which a run has only once a worker has begun it.
        query.append(f"WorkflowType = '{catalog.find(automation).name}'")
    if state:
        known = states_of(catalog)
        if state not in known:
            raise WrongInput(f"no state {state!r}; there are: {', '.join(sorted(known))}")
        query.append(f"InterlockState = '{state}'")
    if running:
        query.append("ExecutionStatus = 'Running'")
    return await _matching(server, " AND ".join(query), limit)


async def _matching(server: Server, query: str, limit: int) -> list[ListedRun]:
    # Asked raw: the SDK's reader stumbles over runs that somebody paused.
    from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest

    found: list[ListedRun] = []
    token = b""
    while len(found) < limit:
        request = ListWorkflowExecutionsRequest(
            namespace=server.client.namespace,
            query=query,
            page_size=min(PAGE, limit - len(found)),
            next_page_token=token,
        )
        page = await server.client.workflow_service.list_workflow_executions(request)
        found += [_listed(execution) for execution in page.executions]
        token = page.next_page_token
        if not token:
            break
    return found


def _listed(execution: "WorkflowExecutionInfo") -> ListedRun:
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    status = WorkflowExecutionStatus.Name(execution.status).removeprefix("WORKFLOW_EXECUTION_STATUS_")
    closed = execution.HasField("close_time")
    indexed = execution.search_attributes.indexed_fields
    state = json.loads(indexed["InterlockState"].data) if "InterlockState" in indexed else ""
    return ListedRun(
        run=execution.execution.workflow_id,
        automation=execution.type.name,
        state=str(state),
        status=status.lower(),
        started_at=execution.start_time.ToDatetime(UTC),
        closed_at=execution.close_time.ToDatetime(UTC) if closed else None,
    )

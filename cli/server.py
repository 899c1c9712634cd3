"""What the commands ask of Temporal: reads that a worker answers, and runs."""

import asyncio
import getpass
import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel

from cli.exits import NotReachable, Refused, WrongInput
from cli.outside import as_argument
from contracts.runs import TASK_QUEUE, Ending, RunView

if TYPE_CHECKING:
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client, WorkflowHandle

AnswerT = TypeVar("AnswerT", bound=BaseModel | str)
READ_WITHIN: Final = timedelta(seconds=15)
NOBODY_ANSWERS_AFTER: Final = timedelta(seconds=3)
"""Then it is worth asking whether there is any worker at all."""
SILENT_AFTER: Final = timedelta(seconds=90)
"""A poll lasts a minute; Temporal lists pollers for five, also those that are gone."""
VIEWED_WITHIN: Final = timedelta(seconds=10)
NO_WORKER: Final = (
    f"no worker answered on task queue {TASK_QUEUE!r}; start one with `interlock worker` or `interlock dev`"
)


class Work(Enum):
    """What a worker can poll a task queue for, in Temporal's words."""

    WORKFLOWS = "TASK_QUEUE_TYPE_WORKFLOW"
    ACTIVITIES = "TASK_QUEUE_TYPE_ACTIVITY"


class Server:
    """A connected Temporal server."""

    def __init__(self, client: "Client") -> None:
        self.client = client

    async def read(self, activity: str, question: BaseModel, answer: type[AnswerT]) -> AnswerT:
        """What a worker reads from the store for us. Raises NotReachable, and Refused with what the worker said."""
        from temporalio.client import ActivityFailureError
        from temporalio.common import RetryPolicy
        from temporalio.exceptions import TimeoutError as NotInTime

        reading = self.client.execute_activity(
            activity,
            question,
            id=f"read/{activity}/{uuid.uuid4().hex}",
            task_queue=TASK_QUEUE,
            result_type=answer,
            schedule_to_close_timeout=READ_WITHIN,
            retry_policy=RetryPolicy(maximum_attempts=3, maximum_interval=timedelta(seconds=2)),
        )
        try:
            return await self._unless_no_worker(reading)
        except ActivityFailureError as error:
            cause = error.cause
            if isinstance(cause, NotInTime):
                raise NotReachable(NO_WORKER) from error
            raise Refused(getattr(cause, "message", str(cause))) from error

    async def _unless_no_worker(self, reading: Awaitable[AnswerT]) -> AnswerT:
        answering = asyncio.ensure_future(reading)
        await asyncio.wait({answering}, timeout=NOBODY_ANSWERS_AFTER.total_seconds())
        if not answering.done() and not await self.workers(Work.ACTIVITIES):
            answering.cancel()
            raise NotReachable(NO_WORKER)
        return await answering

    async def workers(self, work: Work) -> list[str]:
        """The identities of the workers that asked for such work lately."""
        from temporalio.api.enums.v1 import TaskQueueType
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=TaskQueueType.Value(work.value),
        )
        pollers = (await self.client.workflow_service.describe_task_queue(request)).pollers
        now = datetime.now(UTC)
        return [poller.identity for poller in pollers if now - poller.last_access_time.ToDatetime(UTC) < SILENT_AFTER]

    def handle(self, run: str, first_run_id: str | None = None) -> "WorkflowHandle[Any, Ending]":
        """The run called `run`, whichever Temporal run of its chain is current."""
        return self.client.get_workflow_handle(run, first_execution_run_id=first_run_id, result_type=Ending)

    async def view(self, run: str, within: timedelta = VIEWED_WITHIN) -> RunView:
        """Where a run stands. Raises Refused when there is none, NotReachable when it does not answer."""
        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError, RPCStatusCode

        try:
            view: RunView = await self.handle(run).query("view", result_type=RunView, rpc_timeout=within)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise no_run(run, error) from error
            raise NotReachable(f"run {run!r} does not answer; see `interlock runs why {as_argument(run)}`") from error
        except WorkflowQueryFailedError as error:
            raise Refused(f"run {run!r} cannot be shown: {error.message}") from error
        return view

    async def describe(self, run: str) -> "DescribeWorkflowExecutionResponse":
        """Temporal's own record of a run, raw: the SDK's reader stumbles over paused ones. Raises Refused."""
        from temporalio.api.common.v1 import WorkflowExecution
        from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
        from temporalio.service import RPCError, RPCStatusCode

        request = DescribeWorkflowExecutionRequest(
            namespace=self.client.namespace, execution=WorkflowExecution(workflow_id=run)
        )
        try:
            return await self.client.workflow_service.describe_workflow_execution(request)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise no_run(run, error) from error
            raise


def no_run(run: str, error: Exception) -> Exception:
    """There is no such run; or there is no such namespace, which is another matter."""
    from temporalio.service import RPCError

    if isinstance(error, RPCError):
        details = error.grpc_status.details
        if any(detail.type_url.endswith("NamespaceNotFoundFailure") for detail in details):
            return error
    return Refused(f"no run {run!r}; `interlock runs list` shows those there are")


def someone(option: str, name: str) -> str:
    """The person a command acts for: as said, or the user of this machine. Raises WrongInput."""
    if name:
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise WrongInput(f"this machine does not say who you are; give {option} NAME") from None

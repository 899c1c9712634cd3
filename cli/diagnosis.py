"""Why a run does not move, or what it waits for: read off Temporal's own record, and told with the way out."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from activities.admission import HELD
from activities.freezes import FROZEN, GO_ON
from activities.inbox import InboxEntry
from activities.lost_answers import SETTLING
from activities.reads import InboxPage, InboxQuery
from cli.automations import load_catalog
from cli.exits import NotReachable, Refused
from cli.listing import list_runs
from cli.outside import as_argument
from cli.printing import local_time, time_left
from cli.server import Server, Work
from cli.watching import wait_lines, who_may_decide
from contracts.children import UNDER_WAY
from contracts.model import Model
from contracts.runs import TASK_QUEUE, RunView

if TYPE_CHECKING:
    from temporalio.api.workflow.v1 import PendingActivityInfo
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

EXAMINED_RUNS: Final = 1000
AT_ONCE: Final = 10
PICKED_UP_WITHIN: Final = timedelta(seconds=30)
"""A workflow task that waits longer for a worker is worth telling."""
_NOT_FAILED: Final = (HELD, SETTLING, UNDER_WAY)
"""Types of errors by which a call only waits."""
START_WORKER: Final = "interlock worker, or interlock dev"


class Finding(Model):
    """One thing that holds something up, and the next command."""

    subject: str
    """A run, or a task queue."""
    problem: str
    next_command: str


class Explanation(Model):
    """Why a run is where it is; without findings it is healthy."""

    run: str
    state: str
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]


async def find_stuck(server: Server) -> list[Finding]:
    """Everything that holds up running runs, queues without workers first."""
    queues = await _queue_findings(server)
    running = await list_runs(server, load_catalog(), running=True, limit=EXAMINED_RUNS)
    gate = asyncio.Semaphore(AT_ONCE)

    async def examined(run: str) -> list[Finding]:
        async with gate:
            try:
                return await _findings(server, run, await server.describe(run))
            except Refused:  # it ended meanwhile, and is forgotten
                return []

    per_run = await asyncio.gather(*(examined(run.run) for run in running))
    overdue = [] if queues else await _overdue(server)
    return [*queues, *(finding for findings in per_run for finding in findings), *overdue]


async def explain(server: Server, run: str) -> Explanation:
    """One run in full. Raises Refused when there is none."""
    described = await server.describe(run)
    ended = described.workflow_execution_info.HasField("close_time")
    queues = [] if ended else await _queue_findings(server)
    findings = [*queues, *([] if ended else await _findings(server, run, described))]
    cannot_answer = bool(queues) or described.pending_workflow_task.attempt > 1
    view = None if cannot_answer else await _view(server, run)
    lines = list(_told_by_temporal(run, described)) if view is None or ended != view.final else []
    if view is not None:
        lines += _told_by_the_run(view)
        findings += [] if ended else _overdue_waits(view)
    lines += [_under_way(pending) for pending in described.pending_activities]
    return Explanation(run=run, state=view.state if view else "", lines=tuple(lines), findings=tuple(findings))


async def _view(server: Server, run: str) -> RunView | None:
    try:
        return await server.view(run, within=timedelta(seconds=5))
    except (NotReachable, Refused):
        return None


def _told_by_temporal(run: str, described: "DescribeWorkflowExecutionResponse") -> Iterator[str]:
    from temporalio.api.enums.v1 import WorkflowExecutionStatus

    info = described.workflow_execution_info
    status = WorkflowExecutionStatus.Name(info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_").lower()
    when = f"since {local_time(info.start_time.ToDatetime(UTC))}"
    if info.HasField("close_time"):
        when = f"at {local_time(info.close_time.ToDatetime(UTC))}"
    yield f"{run}: Temporal says it is {status} {when}"


def _told_by_the_run(view: RunView) -> Iterator[str]:
    reason = f": {view.reason}" if view.reason else ""
    since = f" since {local_time(view.path[-1].at)}" if view.path else ""
    if view.final:
        yield f"{view.workflow_id} ended as {view.state}{reason}"
        yield f"  next: interlock runs show {as_argument(view.workflow_id)}"
        return
    yield f"{view.workflow_id} is {view.state or 'not begun'}{since}{reason}"
    for request in view.waiting_for:
        yield f"waits for {who_may_decide(request)}: {request.title}"
        yield f"  next: interlock approvals show {as_argument(request.id)}"
    yield from wait_lines(view)
    for child in view.child_runs:
        if not child.ending:
            yield f"waits for the child run {child.workflow_id} ({child.step})"
            yield f"  next: interlock runs why {as_argument(child.workflow_id)}"
    if view.refused_count:
        last = view.refused_decisions[-1]
        yield f"refused decisions: {view.refused_count}; the last, of {last.approver or 'nobody named'}: {last.reason}"


def _overdue_waits(view: RunView) -> Iterator[Finding]:
    for request in view.waiting_for:
        if request.deadline is not None and request.deadline < datetime.now(UTC):
            yield _overdue_finding(view.workflow_id, request.id, request.deadline)


async def _overdue(server: Server) -> list[Finding]:
    try:
        page = await server.read("waiting_requests", InboxQuery(), InboxPage)
    except NotReachable as silence:
        return [Finding(subject=TASK_QUEUE, problem=str(silence), next_command=START_WORKER)]
    now = datetime.now(UTC)
    return [_overdue_entry(entry, entry.deadline) for entry in page.requests if entry.deadline and entry.deadline < now]


def _overdue_entry(entry: InboxEntry, deadline: datetime) -> Finding:
    return _overdue_finding(entry.workflow_id, entry.request_id, deadline)


def _overdue_finding(run: str, request_id: str, deadline: datetime) -> Finding:
    problem = f"the deadline of {request_id} passed {time_left(deadline)}, and the run has not gone on"
    return Finding(subject=run, problem=problem, next_command=f"interlock runs why {as_argument(run)}")


async def _queue_findings(server: Server) -> list[Finding]:
    return [
        Finding(
            subject=f"task queue {TASK_QUEUE!r}",
            problem=f"no worker polls it for {work.name.lower()}",
            next_command=START_WORKER,
        )
        for work in Work
        if not await server.workers(work)
    ]


async def _findings(server: Server, run: str, described: "DescribeWorkflowExecutionResponse") -> list[Finding]:
    findings = list(_activity_findings(run, described))
    task = described.pending_workflow_task
    if task.attempt > 1:
        findings.append(await _failing_task(server, run, task.attempt))
    elif described.HasField("pending_workflow_task") and _waits_too_long(described):
        since = local_time(task.scheduled_time.ToDatetime(UTC))
        problem = f"its next step waits for a worker since {since}"
        findings.append(Finding(subject=run, problem=problem, next_command=START_WORKER))
    return findings


def _waits_too_long(described: "DescribeWorkflowExecutionResponse") -> bool:
    task = described.pending_workflow_task
    waited = datetime.now(UTC) - task.scheduled_time.ToDatetime(UTC)
    return not task.HasField("started_time") and waited > PICKED_UP_WITHIN


async def _failing_task(server: Server, run: str, attempt: int) -> Finding:
    cause = await _last_task_failure(server, run)
    problem = f"its workflow task fails, attempt {attempt}" + (f": {cause}" if cause else "")
    reset = "temporal workflow reset -t LastWorkflowTask --reapply-exclude Signal --reason fixed"
    command = (
        f"correct the code and start the worker again; if a signal did it: {reset} --workflow-id {as_argument(run)}"
    )
    return Finding(subject=run, problem=problem, next_command=command)


async def _last_task_failure(server: Server, run: str) -> str:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest

    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=server.client.namespace, execution=WorkflowExecution(workflow_id=run), maximum_page_size=20
    )
    newest_first = await server.client.workflow_service.get_workflow_execution_history_reverse(request)
    for event in newest_first.history.events:
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message
    return ""


def _activity_findings(run: str, described: "DescribeWorkflowExecutionResponse") -> Iterator[Finding]:
    for pending in described.pending_activities:
        if pending.paused:
            which = f"--workflow-id {as_argument(run)} --activity-id {as_argument(pending.activity_id)}"
            unpause = f"temporal activity unpause {which}"
            yield Finding(subject=run, problem=f"{_attempt(pending)} was paused by hand", next_command=unpause)
        elif pending.last_failure.application_failure_info.type == FROZEN:
            held, _, thaw = pending.last_failure.message.rpartition(GO_ON)  # the last one is ours
            yield Finding(subject=run, problem=f"{held}{_next_look(pending)}", next_command=thaw)
        elif pending.last_failure.application_failure_info.type in _NOT_FAILED:
            problem = f"waits: {pending.last_failure.message}{_next_look(pending)}"
            yield Finding(subject=run, problem=problem, next_command=_next_of_wait(run, pending))
        elif pending.attempt > 1:
            problem = f"{_attempt(pending)} failed before: {pending.last_failure.message}{_next_try(pending)}"
            give_up = f"interlock doctor; or give up: interlock runs cancel {as_argument(run)} --reason WHY"
            yield Finding(subject=run, problem=problem, next_command=give_up)


def _next_of_wait(run: str, pending: "PendingActivityInfo") -> str:
    of_server = pending.last_failure.application_failure_info.type == HELD
    return "interlock servers" if of_server else f"interlock runs watch {as_argument(run)}"


def _attempt(pending: "PendingActivityInfo") -> str:
    return f"{pending.activity_type.name} (attempt {pending.attempt})"


def _next_try(pending: "PendingActivityInfo") -> str:
    if not pending.HasField("next_attempt_schedule_time"):
        return "; trying again now"
    when = pending.next_attempt_schedule_time.ToDatetime(UTC)
    return f"; next try at {local_time(when)} ({time_left(when)})"


def _next_look(pending: "PendingActivityInfo") -> str:
    if not pending.HasField("next_attempt_schedule_time"):
        return f"; {pending.activity_type.name} looks again now"
    left = time_left(pending.next_attempt_schedule_time.ToDatetime(UTC))
    return f"; {pending.activity_type.name} looks again {left}, nothing was sent, and it keeps its place"


def _under_way(pending: "PendingActivityInfo") -> str:
    started = pending.last_started_time.ToDatetime(UTC) if pending.HasField("last_started_time") else None
    since = f" since {local_time(started)}" if started else ", not picked up yet"
    return f"under way: {_attempt(pending)}{since}"

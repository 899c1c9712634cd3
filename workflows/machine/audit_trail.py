"""State changes go along with the run's next activity: a header tells the worker which states were entered since."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from contracts.audit import VISITS_HEADER, NumberedVisit, VisitsToAudit
from contracts.runs import Case


class AuditTrail(Interceptor):
    """Give it to every worker and every replayer. Local activities carry nothing."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See temporalio.worker.Interceptor."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - the SDK's name
        case = _case()
        visits = unaudited_visits(case) if case is not None else ()
        if case is None or not visits:
            return super().start_activity(input)
        told = workflow.payload_converter().to_payload(VisitsToAudit(visits=visits))
        input.headers = {**input.headers, VISITS_HEADER: told}
        handle = super().start_activity(input)
        # Added before anybody waits for the handle, and so called before anybody goes on.
        handle.add_done_callback(_note_audited(case.visits))
        return handle


def unaudited_visits(case: Case) -> tuple[NumberedVisit, ...]:
    """The states that were entered since an activity last took them along, as far as the run remembers them."""
    first_kept = case.visits - len(case.path) + 1
    return tuple(
        NumberedVisit(number=number, state=visit.state, at=visit.at)
        for number, visit in enumerate(case.path, start=first_kept)
        if number > case.audited_visits
    )


def _note_audited(visits: int) -> Callable[["workflow.ActivityHandle[Any]"], None]:
    """Once the activity is done, what it took along is audited; after a failure the next one takes it along again."""

    def note(handle: "workflow.ActivityHandle[Any]") -> None:
        case = _case()
        if case is None or handle.cancelled() or handle.exception() is not None:
            return
        workflow.instance().note(audited_visits=max(visits, case.audited_visits))

    return note


def _case() -> Case | None:
    """The run's whole state; None in a workflow that is no automation."""
    case = getattr(workflow.instance(), "case", None)
    return case if isinstance(case, Case) else None

"""A malformed signal or update must never wedge a run: what handlers cannot take is refused, not retried forever."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from contracts.decisions import Decision
from workflows.machine.approvals import DecidedByPeople
from workflows.machine.decisions import ON_SIGHT


class MessageGuard(Interceptor):
    """Give it to every worker and every replayer."""

    def __init__(self, on_sight: Callable[[Decision], str] | None = None) -> None:
        """`on_sight` says why a decision is not genuine, without waiting for anything; a replayer needs none."""
        self._on_sight = on_sight

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        """See temporalio.worker.Interceptor."""
        if self._on_sight is not None:
            input.unsafe_extern_functions[ON_SIGHT] = self._on_sight
        return _Guard


class _Guard(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - the SDK's name
        try:
            await super().handle_signal(input)
        except Exception as error:  # never BaseException: continue-as-new and cancellation must pass
            if workflow.is_failure_exception(error):
                raise
            workflow.logger.error("signal_dropped", extra={"signal": input.signal, "error": repr(error)})
            run = workflow.instance()
            if isinstance(run, DecidedByPeople):
                run.refuse_message(error)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 - the SDK's name
        if len(input.args) != 1:
            message = f"update {input.update!r} takes one JSON object; {len(input.args)} were sent"
            raise ApplicationError(message, type="DecisionRefused", non_retryable=True)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
        try:
            return await super().handle_update_handler(input)
        except Exception as error:
            if workflow.is_failure_exception(error):
                raise
            message = f"update {input.update!r} failed: {error}"
            raise ApplicationError(message, type=type(error).__name__, non_retryable=True) from error

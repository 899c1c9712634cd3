"""Appends the states a run has entered to the audit chain, before the activity that brings them is executed."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.audit import Audit
from activities.identity import CurrentRun
from contracts.audit import VISITS_HEADER, AuditKind, AuditRecord, VisitsToAudit
from contracts.model import rfc3339


class VisitRecorder(Interceptor):
    """Give it to every worker. Whose run it is comes from Temporal; the header says no more than where it has been."""

    def __init__(self, audit: Audit, current: CurrentRun) -> None:
        self._audit, self._current = audit, current

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See temporalio.worker.Interceptor."""
        return _Recording(next, self._audit, self._current)


class _Recording(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, audit: Audit, current: CurrentRun) -> None:
        super().__init__(following)
        self._audit, self._current = audit, current

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        payload = input.headers.get(VISITS_HEADER)
        if payload is not None:
            await self._record(_visits(payload))
        return await super().execute_activity(input)

    async def _record(self, told: VisitsToAudit) -> None:
        run = await self._current.key()
        records = (
            AuditRecord(
                kind=AuditKind.STATE_ENTERED,
                at=visit.at,
                **run.model_dump(),
                about=visit.state,
                facts={"number": visit.number},
                # With the time: a run that was reset enters a state with the same number once more.
                once=f"{visit.number} {rfc3339(visit.at)}",
            )
            for visit in told.visits
        )
        await self._audit.append(*records)


def _visits(payload: Any) -> VisitsToAudit:
    try:
        told: VisitsToAudit = activity.payload_converter().from_payload(payload, VisitsToAudit)
    except Exception as error:  # whatever stands in a header that no automation of ours has sent
        raise ApplicationError(
            f"the header {VISITS_HEADER!r} cannot be read", type="HeaderMalformed", non_retryable=True
        ) from error
    return told

"""A story that cannot go on says why, to whoever writes an automation."""

from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.decisions import Decision
from tests.story import Story, StoryRun, StoryStuck


@dataclass
class BrokenRun:
    """A run whose workflow task fails whenever it is tried."""

    id: str = "apology/A-21"
    events: list[HistoryEvent] = field(default_factory=list)

    async def query(self, *_: object, **__: object) -> NoReturn:
        raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")

    async def execute_update(self, *_: object, **__: object) -> NoReturn:
        raise WorkflowUpdateFailedError(ApplicationError("verdict 'approve' is no answer to this request"))

    async def fetch_history(self) -> "BrokenRun":
        failed = HistoryEvent()
        failed.workflow_task_failed_event_attributes.failure.message = "ApologyCase has no field 'mial' to note"
        self.events.append(failed)
        return self


def broken() -> StoryRun:
    return StoryRun(cast(Any, BrokenRun()), cast(Story, None))


async def test_a_workflow_task_that_fails_is_told_with_its_reason() -> None:
    with pytest.raises(StoryStuck, match="its workflow task fails: ApologyCase has no field 'mial' to note"):
        await broken().asked()


async def test_a_decision_that_is_refused_is_told_with_its_reason() -> None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await broken().sends(cast(Decision, None))
    assert refused.value.__notes__ == ["verdict 'approve' is no answer to this request"]

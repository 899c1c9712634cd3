"""Which run an activity serves: taken from Temporal, never from the caller's input."""

from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.conversations import RunKey
from activities.remembered import Remembered


class Chains(Protocol):
    """What the Temporal server knows of continue-as-new chains."""

    async def first_run_id(self, workflow_id: str, run_id: str) -> str:
        """The first Temporal run id of the chain that `run_id` belongs to."""


class CurrentRun:
    """Tells the run of the activity that asks; a chain's first run id never changes, so it is remembered."""

    def __init__(self, chains: Chains, remembered: int = 5000) -> None:
        self._chains = chains
        self._known = Remembered[str, str](remembered)

    async def key(self) -> RunKey:
        """Workflow id and first run id of the calling workflow. Raises ApplicationError outside a workflow."""
        info = activity.info()
        if info.workflow_id is None or info.workflow_run_id is None:
            raise ApplicationError("this activity serves runs only", type="NoRun", non_retryable=True)
        first = self._known.get(info.workflow_run_id)
        if first is None:
            first = await self._chains.first_run_id(info.workflow_id, info.workflow_run_id)
            self._known.keep(info.workflow_run_id, first)
        return RunKey(workflow_id=info.workflow_id, first_run_id=first)

"""Which run an activity serves: taken from Temporal, never from the caller's input."""

from collections import OrderedDict
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.conversations import RunKey


class Chains(Protocol):
    """What the Temporal server knows of continue-as-new chains."""

    async def first_run_id(self, workflow_id: str, run_id: str) -> str:
        """The first Temporal run id of the chain that `run_id` belongs to."""


class CurrentRun:
    """Tells the run of the activity that asks; a chain's first run id never changes, so it is remembered."""

    def __init__(self, chains: Chains, remembered: int = 5000) -> None:
        self._chains = chains
        self._known: OrderedDict[str, str] = OrderedDict()
        self._remembered = remembered

    async def key(self) -> RunKey:
        """Workflow id and first run id of the calling workflow. Raises ApplicationError outside a workflow."""
        info = activity.info()
        if info.workflow_id is None or info.workflow_run_id is None:
            raise ApplicationError("this activity serves runs only", type="NoRun", non_retryable=True)
        if info.workflow_run_id not in self._known:
            first = await self._chains.first_run_id(info.workflow_id, info.workflow_run_id)
            self._known[info.workflow_run_id] = first
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return RunKey(workflow_id=info.workflow_id, first_run_id=self._known[info.workflow_run_id])

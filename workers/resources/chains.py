"""Asks the Temporal server which continue-as-new chain a run belongs to."""

from temporalio.client import Client


class TemporalChains:
    """Answers from the server's own records: a caller's word is not taken."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def first_run_id(self, workflow_id: str, run_id: str) -> str:
        """See activities.identity.Chains. Raises RPCError, which Temporal retries."""
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        described = await handle.describe()
        first = described.raw_description.workflow_execution_info.first_run_id
        if not first:
            raise LookupError(
                f"the Temporal server does not tell the first run id of {workflow_id!r}; it is older than 1.32"
            )
        return first

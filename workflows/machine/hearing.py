"""What a run hears of its child runs, and tells its parent: what they ask people. Shown, and nothing more."""

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import FailureError, is_cancelled_exception

from contracts.children import MAX_ASKS_BYTES, ChildAsks
from contracts.decisions import ApprovalRequest
from contracts.runs import CaseT
from workflows.machine.decisions import TakesDecisions

_MISSING = RawValue(Payload())


class HearsChildren(TakesDecisions[CaseT]):
    """A run that shows what its child runs ask people, and tells its own parent what it asks."""

    def show_children(self) -> None:
        """Show in the Web UI what is known of child runs."""
        self._publish_details()

    @workflow.signal(
        name="child_asks", description="Of a child run to its parent: what it asks people. Shown, and nothing more."
    )
    def hear_child(self, raw: RawValue = _MISSING) -> None:
        """Note what a child that is under way asks; whatever else arrives here changes nothing."""
        try:
            told = _parse(raw)
        except (ValueError, TypeError, LookupError, RuntimeError) as error:
            workflow.logger.info("child_not_understood", extra={"error": type(error).__name__})
            return
        heard = (
            child.model_copy(update={"asks": told.asks})
            if child.workflow_id == told.workflow_id and not child.ending
            else child
            for child in self.case.child_runs
        )
        self.note(child_runs=tuple(heard))
        self._publish_details()

    async def tell_parent(self, requests: tuple[ApprovalRequest, ...]) -> None:
        """Tell the run that waits for this one what it asks people now."""
        if not self.case.start.inside:
            return
        asks = "; ".join(f"{request.id}: {request.title}" for request in requests)[:400]
        told = ChildAsks(workflow_id=workflow.info().workflow_id, asks=asks)
        parent = workflow.get_external_workflow_handle(self.case.start.inside[-1].workflow_id)
        try:
            await parent.signal("child_asks", told)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.info("parent_is_over", extra={"error": type(error).__name__})


def _parse(raw: RawValue) -> ChildAsks:
    if raw is _MISSING or len(raw.payload.data) > MAX_ASKS_BYTES:
        raise ValueError("it is no word of a child")
    parsed = workflow.payload_converter().from_payload(raw.payload, ChildAsks)
    if not isinstance(parsed, ChildAsks):
        raise TypeError("it is no word of a child")
    return parsed

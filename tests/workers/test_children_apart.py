"""Children whose parents somebody terminates, deletes or resets, and runs that only say they are somebody's child."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.children import ChildEntry
from activities.conversations import RunKey
from contracts.canonical import digest
from contracts.children import FirstCase
from contracts.decisions import Verdict
from contracts.model import Model
from contracts.runs import Ancestor, Ending, StartStatement
from tests.story import PATIENCE, StoryRun
from tests.workers.swept import sweeper_for, swept
from tests.workers.test_runs_swept import delete, key_of, reset
from tests.workflows.claim_world import CREDITED, Claim, a_claim, desk, verified
from tests.workflows.refund_world import Books

pytestmark = pytest.mark.many


async def terminate(run: StoryRun) -> None:
    """As the Web UI does."""
    await run.handle.terminate("a test")


async def until_told_to_stop(run: StoryRun) -> None:
    """Wait, boundedly, until Temporal has asked the run to stop."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while not any(
            event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
            for event in (await run.handle.fetch_history()).events
        ):
            await asyncio.sleep(0.04)


@pytest.mark.parametrize("stop", [terminate, delete])
async def test_a_refund_whose_claim_is_stopped_in_the_web_ui_stops_and_undoes_what_it_did(
    temporal: WorkflowEnvironment, stop: Callable[[StoryRun], Awaitable[None]]
) -> None:
    toolbox = desk(books := Books())
    release = toolbox.holding("orders.mark_refunded")
    async with a_claim(temporal, 4000, books=books, toolbox=toolbox) as claim:
        await toolbox.until_called("orders.mark_refunded")
        child = await claim.child()
        await stop(claim.run)
        try:
            await until_told_to_stop(child)
        finally:
            release.set()  # else the worker would wait for it for ever
        ending = await child.ending()
        done = await swept(sweeper_for(claim.story))
        report = verified(claim.story)
        claim.forget()

    assert ending.state == "cancelled"
    assert (toolbox.effects()[3:], books.credits) == (["orders.unmark_refunded", "payments.reverse_credit"], [])
    assert done.swept == 1, "the claim; its refund has recorded an ending of its own"
    assert report.found == 0, report


@pytest.mark.parametrize("before", ["enter_child", "refund"])
async def test_a_claim_that_is_reset_while_its_refund_waits_finds_it_and_waits_for_it(
    temporal: WorkflowEnvironment, before: str
) -> None:
    async with a_claim(temporal, 64000) as claim:
        child = await claim.child()
        await child.asked()
        first = (await child.handle.describe()).run_id
        await reset(claim.run, before=before)
        again = await claim.child()
        await child.decides(Verdict.APPROVE)
        ending = await claim.run.ending()
        last = (await child.handle.describe()).run_id
        claim.forget()

    assert (again.handle.id, last) == (child.handle.id, first)
    assert ending.state == "settled"
    assert claim.toolbox.effects() == CREDITED


@pytest.mark.parametrize("before", ["enter_child", "refund"])
async def test_a_claim_that_is_reset_once_its_refund_is_over_takes_the_ending_and_credits_once(
    temporal: WorkflowEnvironment, before: str
) -> None:
    async with a_claim(temporal, 4000) as claim:
        first = await claim.run.ending()
        await reset(claim.run, before=before)
        second = await claim.run.ending()
        view = await claim.run.view()
        report = verified(claim.story)
        claim.forget()

    assert (first.state, second.state) == ("settled", "settled")
    assert [each.ending for each in view.child_runs] == ["refunded"]
    assert (claim.toolbox.effects(), claim.books.credits) == (CREDITED, [4000])
    assert report.found == 0, report


@pytest.mark.parametrize("before", ["enter_child", "refund"])
async def test_a_claim_that_is_reset_and_cancelled_cancels_the_refund_it_has_found(
    temporal: WorkflowEnvironment, before: str
) -> None:
    async with a_claim(temporal, 64000) as claim:
        child = await claim.child()
        await child.asked()
        await reset(claim.run, before=before)
        await claim.child()
        await claim.run.cancel()
        inner, ending = await child.ending(), await claim.run.ending()
        claim.forget()

    assert (inner.state, ending.state) == ("cancelled", "cancelled")
    assert claim.toolbox.effects() == ["desk.take_note", "desk.strike_note"]


class Kidnapping(Model):
    """What an impostor starts as its own child."""

    workflow_id: str
    task_queue: str
    case: FirstCase


@workflow.defn(name="kidnapper", sandboxed=False)
class Kidnapper:
    """Anyone who may write to the namespace can start this; Temporal then names it as the parent."""

    @workflow.run
    async def run(self, wanted: Kidnapping) -> Ending:
        """Start the child of somebody else."""
        named: dict[str, Any] = {"id": wanted.workflow_id, "task_queue": wanted.task_queue, "result_type": Ending}
        ended: Ending = await workflow.execute_child_workflow("refund", wanted.case, **named)
        return ended


def forged(claim: Claim, order_id: str) -> FirstCase:
    """A refund that says it is the claim's child, as the claim itself would have entered it."""
    parent = key_of(claim.run)
    request: dict[str, JsonValue] = {"order_id": order_id, "limit_cents": 500_000}
    start = StartStatement(
        requester="rita",
        automation="refund",
        business_key=order_id,
        input_digest=digest(request),
        issued_at=datetime.now(UTC),
        deployment=claim.story.ports.deployment.id,
        workflow_id=f"refund/{order_id}~forged",
        inside=(Ancestor(**parent.model_dump(), automation="claim"),),
    )
    return FirstCase(start=start, request=request)


async def started_by_anybody(claim: Claim, case: FirstCase) -> Ending:
    """As any client does that may write to the namespace."""
    ended: Ending = await claim.story.client.execute_workflow(
        "refund", case, id=case.start.workflow_id, task_queue=claim.story.task_queue, result_type=Ending
    )
    return ended


async def entered_and_started_by_anybody(claim: Claim, case: FirstCase) -> Ending:
    """The claim has entered it, and somebody is faster than the claim."""
    await claim.story.ports.children.enter(ChildEntry(start=case.start, step="credit", occurrence="9"), _now())
    return await started_by_anybody(claim, case)


async def entered_and_kidnapped(claim: Claim, case: FirstCase) -> Ending:
    """The claim has entered it, and another workflow starts it as its own child."""
    await claim.story.ports.children.enter(ChildEntry(start=case.start, step="credit", occurrence="9"), _now())
    story, queue = claim.story, f"kidnapper-{uuid.uuid4().hex[:8]}"
    runner = UnsandboxedWorkflowRunner()
    wanted = Kidnapping(workflow_id=case.start.workflow_id, task_queue=story.task_queue, case=case)
    async with Worker(story.client, task_queue=queue, workflows=[Kidnapper], workflow_runner=runner):
        ended: Ending = await story.client.execute_workflow(Kidnapper.run, wanted, id=queue, task_queue=queue)
        return ended


def _now() -> datetime:
    return datetime.now(UTC)


NO_ENTRY = "no run has entered this one as its child; start it with `interlock runs start`"


@pytest.mark.parametrize(
    ("start", "says"),
    [
        pytest.param(started_by_anybody, NO_ENTRY, id="a real parent that has entered no such child"),
        pytest.param(entered_and_started_by_anybody, "it was not started by claim/", id="a real entry, no parent"),
        pytest.param(entered_and_kidnapped, "it was not started by claim/", id="a real entry, another parent"),
    ],
)
async def test_a_run_that_only_says_it_is_a_child_is_refused_and_has_no_effect(
    temporal: WorkflowEnvironment, start: Callable[[Claim, FirstCase], Awaitable[Ending]], says: str
) -> None:
    async with a_claim(temporal, 64000) as claim:
        child = await claim.child()
        await child.asked()
        effects = list(claim.toolbox.effects())
        case = forged(claim, f"F-{uuid.uuid4().hex[:8]}")
        ending = await asyncio.wait_for(start(claim, case), PATIENCE.total_seconds())
        known = await claim.story.store.starts.look_up("refund", case.start.business_key, case.request)
        await child.decides(Verdict.REJECT)
        await claim.run.ending()

    assert (ending.state, ending.refused) == ("cancelled", True)
    assert ending.reason.startswith(says)
    assert not known.exists
    assert claim.toolbox.effects() == effects


async def test_an_entry_that_a_child_has_used_makes_no_second_one(temporal: WorkflowEnvironment) -> None:
    async with a_claim(temporal, 4000) as claim:
        await claim.run.ending()
        child = await claim.child()
        record = await claim.record(child)
        assert record is not None
        ending = await started_by_anybody(claim, FirstCase(start=record.start, request=record.request))
        again = await claim.story.client.get_workflow_handle(child.handle.id).describe()
        second = RunKey(workflow_id=child.handle.id, first_run_id=again.run_id)
        known = await claim.story.store.starts.find(second)

    assert (ending.state, ending.refused, known) == ("cancelled", True, None)
    assert claim.toolbox.effects() == CREDITED

"""Runs that somebody terminates, deletes or resets, on the real server: what is settled, and what is left alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.conversations import RunKey
from activities.orphans import Standing
from contracts.audit import AuditKind
from contracts.decisions import Verdict
from contracts.runs import KnownCase
from contracts.wire import DATA_CONVERTER
from tests.story import PATIENCE, StoryRun
from tests.workers.swept import disagreements, sweeper_for, swept, told
from tests.workflows.refund_world import Refund, a_refund
from workers.resources.fates import TemporalFates

ONCE_EACH = ["payments.issue_credit", "orders.mark_refunded", "mail.confirm_refund"]


def key_of(run: StoryRun) -> RunKey:
    """The run's name in the store."""
    return RunKey(workflow_id=run.handle.id, first_run_id=run.handle.first_execution_run_id or "")


def forget(refund: Refund) -> None:
    """It did not end as a story does, so it proves nothing."""
    refund.story.runs.clear()


async def known(refund: Refund) -> KnownCase:
    """What the store says of the business case."""
    request: dict[str, JsonValue] = {"order_id": "A-17", "limit_cents": 500_000}
    return await refund.story.store.starts.look_up("refund", "A-17", request)


async def reset(run: StoryRun, before: str, *, keep_decisions: bool = True) -> None:
    """Reset the run to just before it scheduled the activity `before`, started a child of that type, or took the
    update `decide`, the first time.
    """
    history = await run.handle.fetch_history()
    last_task = 0
    for event in history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            last_task = event.event_id
        updated = event.HasField("workflow_execution_update_accepted_event_attributes")
        scheduled = event.activity_task_scheduled_event_attributes.activity_type.name
        child = event.start_child_workflow_execution_initiated_event_attributes.workflow_type.name
        if before == ("decide" if updated else scheduled or child):
            break
    else:
        raise AssertionError(f"{before} is not in its history")
    excluded = [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE]
    client = run.story.client
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.handle.id, run_id=await current(run)),
            reason="a test",
            workflow_task_finish_event_id=last_task,
            request_id=uuid.uuid4().hex,
            reset_reapply_exclude_types=[] if keep_decisions else excluded,
        )
    )
    run.handle = client.get_workflow_handle(run.handle.id, result_type=run.handle._result_type)


async def current(run: StoryRun) -> str:
    """The last Temporal run id."""
    return (await run.story.client.get_workflow_handle(run.handle.id).describe()).run_id


async def delete(run: StoryRun) -> None:
    """As the Web UI does."""
    client = run.story.client
    execution = WorkflowExecution(workflow_id=run.handle.id)
    request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    await client.workflow_service.delete_workflow_execution(request)
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while (await TemporalFates(client).fate(key_of(run))).standing is not Standing.GONE:
            await asyncio.sleep(0.05)


async def test_a_terminated_run_ends_as_terminated_and_nobody_is_asked_any_more(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        request, run = await refund.run.asked(), key_of(refund.run)
        await refund.run.handle.terminate("a test")
        too_early = await swept(sweeper_for(refund.story, after=timedelta(minutes=1)))
        done = await swept(sweeper := sweeper_for(refund.story, after=timedelta(hours=1)))
        again = await swept(sweeper)
        entry = await refund.story.store.inbox.find(request.id, run.first_run_id)
        ending = (await known(refund)).ending
        reported = await refund.story.store.orphans.orphans(10)
        wrong = disagreements(refund.story.store)
        forget(refund)

    assert (too_early.looked_at, done.swept, done.orphaned_requests, again.looked_at) == (0, 1, 1, 0)
    assert ending == "terminated"
    assert entry is not None
    assert (entry.outcome, entry.by) == ("orphaned", "")
    assert [(each.workflow_id, each.ending, each.requests) for each in reported] == [
        (run.workflow_id, "terminated", (request.id,))
    ]
    assert refund.toolbox.effects() == []
    assert wrong == []


async def test_a_deleted_run_is_gone(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.asked()
        await delete(refund.run)
        done = await swept(sweeper_for(refund.story))
        ending = (await known(refund)).ending
        forget(refund)

    assert (done.swept, done.orphaned_requests, ending) == (1, 1, "gone")


async def test_a_living_run_is_left_alone(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        request = await refund.run.asked()
        done = await swept(sweeper_for(refund.story))
        entry = await refund.story.store.inbox.find(request.id)
        await refund.run.decides(Verdict.REJECT)
        ending = await refund.run.ending()

    assert (done.looked_at, done.swept, done.orphaned_requests) == (1, 0, 0)
    assert entry is not None
    assert entry.closed_at is None
    assert ending.state == "rejected"


async def test_of_a_credit_that_was_under_way_nobody_says_whether_it_happened(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        run, store = key_of(refund.run), refund.story.store
        answer = refund.toolbox.holding("payments.issue_credit")
        await refund.toolbox.until_called("payments.issue_credit")
        await refund.run.handle.terminate("a test")
        done = await swept(sweeper_for(refund.story))
        [reported] = await store.orphans.orphans(10)
        answer.set()  # the server answers after all
        [key] = refund.toolbox.keys_of("payments.issue_credit")
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while (entry := await store.ledger.find(key)) is None or not entry.final:
                await asyncio.sleep(0.05)
        [answered] = await store.orphans.orphans(10)
        records = told(store, run, AuditKind.ORPHANED)
        forget(refund)

    assert (done.swept, done.without_verdict) == (1, 1)
    assert [(each.server, each.tool, each.key) for each in reported.without_verdict] == [
        ("payments", "issue_credit", key)
    ]
    assert entry.state == "done"
    assert answered.without_verdict == ()
    assert [record.facts["unknown"] for record in records] == [[key]]
    assert refund.toolbox.effects() == ["payments.issue_credit"]


async def test_a_refund_that_is_reset_to_before_its_credit_credits_once(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        first = await refund.run.ending()
        await reset(refund.run, before="call_tool")
        second = await refund.run.ending()
        done = await swept(sweeper_for(refund.story))
        forget(refund)

    assert (first.state, second.state) == ("refunded", "refunded")
    assert refund.toolbox.effects() == ONCE_EACH
    assert refund.books.credits == [4000]
    assert done.swept == 0


async def test_what_a_reset_run_no_longer_holds_is_closed_and_it_asks_anew(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        old, store = await refund.run.asked(1), refund.story.store
        decision = await refund.run.decision(Verdict.APPROVE)
        await reset(refund.run, before="open_request")
        new = await refund.run.asked(2)
        refused = await refund.run.refused(decision)
        closed, listed = await store.inbox.find(old.id), await store.inbox.waiting(10)
        await refund.run.decides(Verdict.APPROVE, number=2)
        ending = await refund.run.ending()
        wrong = disagreements(store)
        forget(refund)

    assert closed is not None
    assert closed.outcome == "orphaned"
    assert [entry.request_id for entry in listed] == [new.id]
    assert refused.startswith(f"'{old.id}' is not open in this run")
    assert ending.state == "refunded"
    assert refund.books.credits == [64000]
    assert wrong == []


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.APPROVE])
async def test_an_answer_from_before_a_reset_is_not_taken_for_one_now(
    temporal: WorkflowEnvironment, verdict: Verdict
) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.decides(verdict)
        await refund.run.ending()
        await reset(refund.run, before="open_request")
        await refund.run.asked(2)
        view = await refund.run.view()
        await refund.run.decides(Verdict.APPROVE, number=2, by="erik")
        ending = await refund.run.ending()
        forget(refund)

    assert view.state == "awaiting_approval"
    assert view.decided == ()
    assert ending.state == "refunded"
    assert refund.books.credits == [64000]


async def test_a_request_that_was_answered_before_a_reset_and_is_held_after_it_is_asked_again(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        store = refund.story.store
        request = await refund.run.asked()
        await refund.run.decides(Verdict.REJECT)
        await refund.run.ending()
        await reset(refund.run, before="decide", keep_decisions=False)
        await refund.run.asked()
        before = await store.inbox.waiting(10)
        sweeper = sweeper_for(refund.story, after=timedelta(0))
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not (done := await swept(sweeper)).reopened_requests:  # Temporal's lists lag
                await asyncio.sleep(0.05)
        [asked_again] = await store.inbox.waiting(10)
        still = await swept(sweeper)
        await refund.run.decides(Verdict.APPROVE)
        ending = await refund.run.ending()
        wrong = disagreements(store)
        forget(refund)

    assert before == ()
    assert (done.reopened_requests, done.swept, still.reopened_requests) == (1, 0, 0)
    assert asked_again.request_id == request.id
    assert ending.state == "refunded"
    assert wrong == []


@workflow.defn(name="brief")
class Brief:
    """Ends as it is told."""

    @workflow.run
    async def run(self, how: str) -> None:
        """Fail, or wait for ever."""
        if how == "fail":
            raise ApplicationError("no")
        await workflow.wait_condition(lambda: False)


@pytest_asyncio.fixture(loop_scope="session")
async def brief(temporal: WorkflowEnvironment) -> AsyncIterator[Any]:
    """Starts a run that is none of ours."""
    queue = f"brief-{uuid.uuid4().hex[:8]}"
    runner = UnsandboxedWorkflowRunner()

    async def start(how: str, **more: Any) -> Any:
        named = {"id": f"brief/{uuid.uuid4().hex[:8]}", "task_queue": queue} | more
        with temporal.with_time_skipping_disabled():
            return await temporal.client.start_workflow("brief", how, **named)

    async with Worker(temporal.client, task_queue=queue, workflows=[Brief], workflow_runner=runner):
        yield start


async def standing(temporal: WorkflowEnvironment, handle: Any) -> Standing:
    """What Temporal says, by workflow id and first run id."""
    run = RunKey(workflow_id=handle.id, first_run_id=handle.first_execution_run_id)
    return (await TemporalFates(temporal.client).fate(run)).standing


async def test_what_temporal_says_of_a_run_is_told_apart(temporal: WorkflowEnvironment, brief: Any) -> None:
    failed, late, stopped = (
        await brief("fail"),
        await brief("wait", run_timeout=timedelta(seconds=1)),
        await brief("wait"),
    )
    await stopped.cancel()
    for handle in (failed, late, stopped):
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), PATIENCE.total_seconds())

    found = [await standing(temporal, handle) for handle in (failed, late, stopped)]

    assert found == [Standing.FAILED, Standing.TIMED_OUT, Standing.STOPPED]


async def test_a_run_is_not_taken_for_another_one_of_its_name(temporal: WorkflowEnvironment, brief: Any) -> None:
    first = await brief("wait")
    await first.terminate("a test")
    second = await brief("wait", id=first.id)

    assert first.first_execution_run_id != second.first_execution_run_id
    assert await standing(temporal, first) is Standing.TERMINATED
    assert await standing(temporal, second) is Standing.RUNNING


async def test_without_its_namespace_nothing_is_said_of_a_run(temporal: WorkflowEnvironment) -> None:
    target = temporal.client.service_client.config.target_host
    elsewhere = await Client.connect(target, namespace="elsewhere", data_converter=DATA_CONVERTER)

    with pytest.raises(RPCError):
        await TemporalFates(elsewhere).fate(RunKey(workflow_id="refund/A-17", first_run_id="run-1"))


async def test_a_run_that_does_anything_is_not_asked_what_it_waits_for(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 4000) as refund:
        fates = TemporalFates(refund.story.client)
        answer = refund.toolbox.holding("payments.issue_credit")
        await refund.toolbox.until_called("payments.issue_credit")
        held = await fates.held_requests(key_of(refund.run))
        answer.set()
        await refund.run.ending()
        afterwards = await fates.held_requests(key_of(refund.run))

    assert (held, afterwards) == (None, None)

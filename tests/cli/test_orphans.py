"""`runs orphans`: what became of runs that somebody terminated, and who has seen to it."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.testing import WorkflowEnvironment

from activities.conversations import RunKey
from contracts.audit import AuditKind
from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.cli.test_following import waiting_run
from tests.workers.swept import sweeper_of, told
from workers.resources.fates import TemporalFates

pytestmark = pytest.mark.timeout(90)


async def sweep(temporal: WorkflowEnvironment, shop: Shop) -> None:
    """One round, an hour later."""
    await sweeper_of(shop.store, TemporalFates(temporal.client), datetime.now(UTC) + timedelta(hours=1)).once()


@pytest_asyncio.fixture(loop_scope="session")
async def free_lease(shop: Shop) -> AsyncIterator[None]:
    """Every test has a sweeper of its own."""
    yield
    await shop.store.leases.take("sweeper", "nobody", datetime.now(UTC), datetime.now(UTC) + timedelta(days=1))


@pytest.mark.usefixtures("free_lease")
async def test_a_terminated_run_is_reported_with_what_nobody_knows_until_somebody_has_seen_to_it(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = f"refund/{order}"
    small = ("runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=4000")
    answer = shop.toolbox.holding("payments.issue_credit")
    started = await interlock(*small, "--json")
    await shop.toolbox.until_called("payments.issue_credit")
    await temporal.client.get_workflow_handle(run).terminate("by hand")
    await sweep(temporal, shop)

    listed, document = await interlock("runs", "orphans"), await interlock("runs", "orphans", "--json")
    attached = await interlock(*small)
    unknown = await interlock("runs", "orphans", "--acknowledge", f"refund/NO-{order}", "--reason", "seen")
    seen = await interlock("runs", "orphans", "--acknowledge", run, "--reason", "the bank has it", "--as", "omar")
    after = await interlock("runs", "orphans", "--json")
    [record] = told(
        shop.store, RunKey(workflow_id=run, first_run_id=started.document["first_run_id"]), AuditKind.ACKNOWLEDGED
    )
    shop.toolbox.hold.pop("payments.issue_credit")
    answer.set()

    [reported] = [each for each in document.document["orphans"] if each["workflow_id"] == run]
    assert reported["ending"] == "terminated"
    assert [(each["server"], each["tool"]) for each in reported["without_verdict"]] == [("payments", "issue_credit")]
    assert f"{run} ended as terminated, settled" in listed.out
    assert "  nobody knows whether payments.issue_credit happened: sent" in listed.out
    assert f"  next: interlock runs orphans --acknowledge {run} --reason WHY" in listed.out
    assert "ended: terminated" in attached.out
    assert unknown.code == 1
    assert f"nothing is reported of 'refund/NO-{order}'" in unknown.err
    assert (seen.code, seen.out.splitlines()[0]) == (0, f"{run} is no longer reported")
    assert run not in [each["workflow_id"] for each in after.document["orphans"]]
    assert record.who == "omar"


@pytest.mark.usefixtures("free_lease")
async def test_a_case_that_was_terminated_and_then_reset_is_under_way_and_not_started_twice(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    large = ("runs", "start", "refund", "--set", f"order_id={order}")
    await temporal.client.get_workflow_handle(run).terminate("by hand")
    await sweep(temporal, shop)
    ended = await interlock(*large)
    await reset_to_its_beginning(temporal, run)
    attached, again = await interlock(*large), await interlock(*large, "--again", "it was terminated")

    assert "ended: terminated" in ended.out
    assert f"{run} was started before with the same input, and is under way" in attached.out
    assert again.code == 1
    assert f"{run} is under way, so it cannot be started again" in again.err


async def reset_to_its_beginning(temporal: WorkflowEnvironment, run: str) -> None:
    """As the Web UI does."""
    handle = temporal.client.get_workflow_handle(run)
    events = (await handle.fetch_history()).events
    first = next(event for event in events if event.HasField("workflow_task_completed_event_attributes"))
    await temporal.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=temporal.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run),
            reason="a test",
            workflow_task_finish_event_id=first.event_id,
            request_id=uuid.uuid4().hex,
        )
    )


async def test_reason_and_run_stand_together(interlock: CommandLine) -> None:
    done = await interlock("runs", "orphans", "--acknowledge", "refund/A-17")

    assert done.code == 2
    assert "--acknowledge RUN and --reason WHY stand together" in done.err

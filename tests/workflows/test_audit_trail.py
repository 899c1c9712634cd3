"""What auditors learn of a run: every state it entered, in order and once, and that its history agrees."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.conversations import RunKey
from activities.ledger import Claim, LedgerState
from activities.toolbox import NotSent
from contracts.audit import VISITS_HEADER, AuditKind, AuditRecord, VisitsToAudit
from contracts.canonical import digest
from contracts.decisions import Verdict
from contracts.tools import CallStatus, EffectClass, Purpose, ToolCall, ToolOutcome
from contracts.wire import DATA_CONVERTER
from tests.doubles import in_turn
from tests.story import Story, StoryRun
from tests.workflows.errand_world import DONE, FIND, NOTE, READ, an_errand, tools
from tests.workflows.refund_world import a_refund
from workers.resources.audit import rows
from workers.resources.audit.findings import Finding, Report
from workers.resources.audit.history import Histories, disagreements, done_by_run, runs_of
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.told import Accounts
from workers.resources.audit.verification import verify_store
from workers.resources.store import Store

pytestmark = pytest.mark.many

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PLANTED = digest(b"planted")


def told(story: Story, run: StoryRun, kind: AuditKind | None = None) -> list[AuditRecord]:
    """What the chain tells of a run."""
    links = story.store.at_one_moment(lambda connection: list(rows.records_of_run(connection, run.handle.id)))
    records = [AuditRecord.model_validate_json(link.payload) for link in links]
    return [record for record in records if kind in (None, record.kind)]


async def headers(run: StoryRun) -> list[tuple[str, list[str]]]:
    """The activities of a run that took states along, and which."""
    found = []
    for event in (await run.handle.fetch_history()).events:
        scheduled = event.activity_task_scheduled_event_attributes
        if VISITS_HEADER in scheduled.header.fields:
            (carried,) = await DATA_CONVERTER.decode([scheduled.header.fields[VISITS_HEADER]], [VisitsToAudit])
            found.append((scheduled.activity_type.name, [visit.state for visit in carried.visits]))
    return found


async def test_auditors_have_every_state_of_a_refund_in_order_with_its_time(temporal: WorkflowEnvironment) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.decides(Verdict.APPROVE)
        await refund.run.ending()
        view = await refund.run.view()
        records = told(refund.story, refund.run, AuditKind.STATE_ENTERED)

    assert [(record.about, record.at) for record in records] == [(visit.state, visit.at) for visit in view.path]
    assert [record.facts["number"] for record in records] == list(range(1, view.visits + 1))
    assert {record.first_run_id for record in records} == {view.first_run_id}


async def test_the_account_of_a_run_begins_with_its_start_and_ends_with_its_ending(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund(temporal, 64000) as refund:
        await refund.run.decides(Verdict.APPROVE)
        await refund.run.ending()
        kinds = [record.kind for record in told(refund.story, refund.run)]

    assert (kinds[0], kinds[-1]) == (AuditKind.RUN_STARTED, AuditKind.RUN_ENDED)
    in_order = [AuditKind.REQUEST_OPENED, AuditKind.DECISION, AuditKind.CLAIMED, AuditKind.SENT]
    places = [kinds.index(kind) for kind in in_order]
    assert places == sorted(places)


async def test_an_activity_takes_along_what_is_new_and_nothing_when_nothing_is(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (FIND, READ, NOTE), DONE) as errand:
        await errand.run.ending()
        carried = await headers(errand.run)

    assert carried == [
        ("ask_claude", ["thinking"]),
        *[("call_tool", ["calling"])] * 3,
        ("ask_claude", ["thinking"]),
        ("record_ending", ["answered"]),
    ]


async def test_what_was_told_is_told_once_however_often_the_activity_is_tried(temporal: WorkflowEnvironment) -> None:
    answers = in_turn(NotSent("not yet"), NotSent("not yet"), {"order_id": "A-17", "status": "delivered"})
    async with an_errand(temporal, (FIND,), DONE, toolbox=tools(orders__find_order=answers)) as errand:
        await errand.run.ending()
        records = told(errand.story, errand.run, AuditKind.STATE_ENTERED)

    assert [record.about for record in records] == ["thinking", "calling", "thinking", "answered"]


async def test_a_run_that_continues_as_new_tells_no_state_twice_and_forgets_none(
    suggesting: WorkflowEnvironment,
) -> None:
    async with an_errand(suggesting, (FIND,), (READ,), (NOTE,), DONE) as errand:
        await errand.run.ending()
        view = await errand.run.view()
        records = told(errand.story, errand.run, AuditKind.STATE_ENTERED)
        description = await errand.run.handle.describe()

    assert description.run_id != view.first_run_id
    assert [record.about for record in records] == [visit.state for visit in view.path]
    assert {record.first_run_id for record in records} == {view.first_run_id}


async def test_a_run_whose_history_says_what_the_chain_says_is_whole(suggesting: WorkflowEnvironment) -> None:
    async with an_errand(suggesting, (FIND,), (NOTE,), (READ,), DONE) as errand:
        await errand.run.ending()
        findings, histories = await compared(errand.story)
        run = key_of(errand.run)

    assert findings == []
    assert len(histories.calls[run].done) == 3
    assert histories.calls[run].complete


async def test_an_effect_that_was_planted_in_the_chain_alone_is_found(temporal: WorkflowEnvironment) -> None:
    async with an_errand(temporal, (FIND,), DONE) as errand:
        await errand.run.ending()
        await plant(errand.story.store, key_of(errand.run))
        report, _ = accounts_of(errand.story.store)
        findings, _ = await compared(errand.story)

    assert report.found == 0, "chain and store agree: only the history can tell"
    (found,) = findings
    assert f"has done the call {PLANTED}, and its history does not know of it" in found.problem
    assert found.seq > 0


@pytest.mark.parametrize("impostor", ["Impostor", "LocalImpostor"])
async def test_a_call_that_was_planted_in_a_history_alone_is_found(
    temporal: WorkflowEnvironment, tmp_path: Path, impostor: str
) -> None:
    queue = f"planted-{uuid.uuid4().hex[:8]}"
    store = await asyncio.to_thread(Store.open, f"sqlite:///{tmp_path}/store.db")
    async with Worker(
        temporal.client,
        task_queue=queue,
        workflows=[Impostor, LocalImpostor],
        activities=[planted_call],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await temporal.client.start_workflow(impostor, id=queue, task_queue=queue)
        await asyncio.wait_for(handle.result(), 20)
    histories = Histories(temporal.client, queue)
    await histories.read([RunKey(workflow_id=queue, first_run_id=str(handle.first_execution_run_id))])

    (found,) = disagreements(histories.calls, {}, lambda run: recorded(store, run))

    assert f"the history of {queue}" in found.problem
    assert PLANTED in found.problem
    await asyncio.to_thread(store.close)


async def test_a_history_that_temporal_has_forgotten_proves_nothing_and_is_counted(
    temporal: WorkflowEnvironment,
) -> None:
    gone = RunKey(workflow_id=f"refund/{uuid.uuid4().hex}", first_run_id=str(uuid.uuid4()))
    async with an_errand(temporal, (FIND,), DONE) as errand:
        await errand.run.ending()
        await plant(errand.story.store, gone)
        findings, histories = await compared(errand.story)

    assert findings == []
    assert not histories.calls[gone].complete


async def compared(story: Story) -> tuple[list[Finding], Histories]:
    """What a comparison of the story's store with its histories finds."""
    _, before = accounts_of(story.store)
    histories = Histories(story.client, story.task_queue)
    await asyncio.wait_for(histories.read(runs_of(before)), 60)
    found = disagreements(histories.calls, done_by_run(before), lambda run: recorded(story.store, run))
    return list(found), histories


def accounts_of(store: Store) -> tuple[Report, Accounts]:
    """What the chain tells, and whether it agrees with the store."""
    signed = SignedHeads(unverifiable="histories are enough here")
    return store.at_one_moment(lambda connection: verify_store(connection, signed, NOW))


def recorded(store: Store, run: RunKey) -> set[str]:
    """The calls of a run that the chain tells of as done."""
    return set(done_by_run(accounts_of(store)[1]).get(run, {}))


def key_of(run: StoryRun) -> RunKey:
    """How the store names it."""
    return RunKey(workflow_id=run.handle.id, first_run_id=str(run.handle.first_execution_run_id))


async def plant(store: Store, run: RunKey) -> None:
    """An effect that nobody's activity has made, entered as the gate would."""
    claim = Claim(
        key="planted",
        **run.model_dump(),
        step="payments.issue_credit",
        occurrence="1",
        server="payments",
        tool="issue_credit",
        pin=digest(b"pin"),
        effect_class=EffectClass.KEYED,
        purpose=Purpose.FORWARD,
        action_digest=PLANTED,
        arguments={},
    )
    outcome = ToolOutcome(status=CallStatus.DONE, action_digest=PLANTED)
    await store.ledger.claim(claim, NOW)
    await store.ledger.mark_sent("planted", 0, "nobody", NOW)
    await store.ledger.finish("planted", 1, LedgerState.DONE, outcome, None, NOW)


@activity.defn(name="call_tool")
async def planted_call(call: ToolCall) -> ToolOutcome:
    """Says that it was done."""
    return ToolOutcome(status=CallStatus.DONE, action_digest=PLANTED)


@workflow.defn
class Impostor:
    """Lets its history say that something was done."""

    @workflow.run
    async def run(self) -> None:
        """One call."""
        call = ToolCall(server="payments", tool="issue_credit", step="payments.issue_credit")
        await workflow.execute_activity(planted_call, call, start_to_close_timeout=timedelta(seconds=20))


@workflow.defn
class LocalImpostor:
    """The same, in a marker."""

    @workflow.run
    async def run(self) -> None:
        """One call, within the workflow task."""
        call = ToolCall(server="payments", tool="issue_credit", step="payments.issue_credit")
        await workflow.execute_local_activity(planted_call, call, start_to_close_timeout=timedelta(seconds=20))

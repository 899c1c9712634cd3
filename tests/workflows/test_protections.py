"""What no automation and no impostor can get around (invariants I1 to I3)."""

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.starts import StartActivities
from activities.toolbox import OutcomeUnknown
from activities.tools import ToolActivities
from contracts.canonical import digest
from contracts.decisions import Decision, Verdict
from contracts.model import Model
from contracts.runs import Registered, RunToRegister, StartStatement
from contracts.tools import CallStatus, EffectClass, Purpose, ToolCall, ToolOutcome
from tests.doubles import in_turn
from tests.story import DEPLOYMENT, Story, a_story
from tests.workflows.refund_world import Books, a_refund, claude_advising
from workers.assembly import activities_of

pytestmark = pytest.mark.many

CREDIT = ToolCall(
    server="payments",
    tool="issue_credit",
    arguments={"order_id": "A-17", "customer_id": "C-7", "cents": 64000, "currency": "EUR"},
    step="payments.issue_credit",
)
WANDERER = """
    '''Wanderer: moves where its handler never said it would.'''

    from enum import StrEnum
    from typing import Literal, cast

    from temporalio import workflow

    with workflow.unsafe.imports_passed_through():
        from contracts.model import Model
        from contracts.runs import Case, Ending
        from workflows.machine.automation import Automation
        from workflows.machine.definition import Machine

    class State(StrEnum):
        HERE = "here"
        BETWEEN = "between"
        THERE = "there"
        FAR = "far"

    class Request(Model):
        name: str

    class WandererCase(Case):
        request: Request

    WANDERER = Machine(State, initial=State.HERE, final=(State.THERE, State.FAR), good=(State.THERE,))

    @workflow.defn(name="wanderer")
    class Wanderer(Automation[WandererCase]):
        machine = WANDERER
        name = "wanderer"

        @workflow.init
        def __init__(self, case: WandererCase) -> None:
            super().__init__(case)

        @workflow.run
        async def run(self, case: WandererCase) -> Ending:
            return await self.drive()

        @WANDERER.state(State.HERE)
        async def go(self) -> Literal[State.BETWEEN, State.THERE]:
            return cast(Literal[State.THERE], State.FAR)

        @WANDERER.state(State.BETWEEN)
        async def go_on(self) -> Literal[State.FAR]:
            return State.FAR
    """


class Attempt(Model):
    """What the impostor tries."""

    call: ToolCall
    start: StartStatement | None = None


@workflow.defn(name="impostor", sandboxed=False)
class Impostor:
    """Anyone who may write to the namespace can start this; it schedules the gate itself, past every machine."""

    @workflow.run
    async def run(self, attempt: Attempt) -> ToolOutcome:
        """Perhaps take out a start record, then call."""
        within = timedelta(seconds=20)
        if attempt.start is not None:
            wanted = RunToRegister(start=attempt.start, request={})
            registered: Registered = await workflow.execute_activity_method(
                StartActivities.register_run, wanted, start_to_close_timeout=within
            )
            if registered.refused:
                return ToolOutcome(status=CallStatus.REFUSED, message=registered.refused)
        return await workflow.execute_activity_method(
            ToolActivities.call_tool, attempt.call, start_to_close_timeout=within
        )


@asynccontextmanager
async def impostors(temporal: WorkflowEnvironment, books: Books) -> AsyncIterator[tuple[Story, Books]]:
    """A production worker's activities, within reach of an impostor."""
    async with a_story(temporal, claude_advising(4000), books.toolbox()) as story:
        queue = f"{story.task_queue}-impostor"
        activities, runner = activities_of(story.ports), UnsandboxedWorkflowRunner()
        async with Worker(
            story.client, task_queue=queue, workflows=[Impostor], activities=activities, workflow_runner=runner
        ):
            yield story, books


async def outcome_of(story: Story, attempt: Attempt) -> ToolOutcome:
    """What the impostor gets."""
    queue = f"{story.task_queue}-impostor"
    named = (attempt.call.arguments or {}) | {"reference": f"{queue}-1"}
    attempt = attempt.model_copy(update={"call": attempt.call.model_copy(update={"arguments": named})})
    return await story.client.execute_workflow(Impostor.run, attempt, id=f"{queue}-1", task_queue=queue)


def statement(automation: str) -> StartStatement:
    """A start statement that fits its input."""
    now = "2026-11-20T09:00:00.000Z"
    named = {"requester": "mallory", "automation": automation, "business_key": "A-17", "issued_at": now}
    return StartStatement.model_validate(named | {"input_digest": digest({})})


def forged(workflow_id: str) -> Decision:
    """An approval nobody gave."""
    return Decision(
        deployment=DEPLOYMENT.id,
        namespace=DEPLOYMENT.namespace,
        workflow_id=workflow_id,
        first_run_id="of another run",
        approval_id=f"{workflow_id}#1",
        action_digest=digest({}),
        verdict=Verdict.APPROVE,
        approver="dana",
        issued_at=statement("refund").issued_at,
        expires_at=statement("refund").issued_at + timedelta(days=30),
        display_digest=digest({}),
    )


async def test_a_state_that_the_handler_does_not_declare_is_not_entered(
    temporal: WorkflowEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "wanderer.py").write_text(textwrap.dedent(WANDERER).lstrip())
    async with a_story(temporal, claude_advising(4000), Books().toolbox(), outside=tmp_path) as story:
        run = await story.start("wanderer", name="w")
        problem = await run.failing()
        await run.handle.terminate("it was a test")
        story.runs.remove(run)

    assert "'here' declares 'between', 'there'; its handler returned <State.FAR: 'far'>" in problem


async def test_the_gate_refuses_a_workflow_without_a_start_record(temporal: WorkflowEnvironment) -> None:
    async with impostors(temporal, Books()) as (story, books):
        outcome = await outcome_of(story, Attempt(call=CREDIT))

    assert outcome.status is CallStatus.REFUSED
    assert outcome.message == "this run has no start record; without one nothing has an effect"
    assert books.credits == []


async def test_forged_evidence_does_not_stand_in_for_a_start_record(temporal: WorkflowEnvironment) -> None:
    async with impostors(temporal, Books()) as (story, books):
        call = CREDIT.model_copy(update={"evidence": (forged(f"{story.task_queue}-impostor-1"),)})
        outcome = await outcome_of(story, Attempt(call=call))

    assert outcome.status is CallStatus.REFUSED
    assert books.credits == []


async def test_a_start_record_cannot_be_taken_out_for_another_automation(temporal: WorkflowEnvironment) -> None:
    async with impostors(temporal, Books()) as (story, books):
        outcome = await outcome_of(story, Attempt(call=CREDIT, start=statement("refund")))

    assert outcome.message == "the start statement is for 'refund', not for 'impostor'"
    assert books.credits == []


async def test_policy_decides_over_a_registered_impostor_whatever_evidence_it_brings(
    temporal: WorkflowEnvironment,
) -> None:
    async with impostors(temporal, Books()) as (story, books):
        call = CREDIT.model_copy(update={"evidence": (forged(f"{story.task_queue}-impostor-1"),)})
        outcome = await outcome_of(story, Attempt(call=call, start=statement("impostor")))

    assert outcome.status is CallStatus.FORBIDDEN
    assert books.credits == []


async def test_an_impostor_that_says_it_undoes_something_undoes_nothing(temporal: WorkflowEnvironment) -> None:
    async with impostors(temporal, Books(credits=[4000])) as (story, books):
        undo = ToolCall(
            server="payments",
            tool="reverse_credit",
            arguments={"order_id": "A-17"},
            step="payments.reverse_credit",
            purpose=Purpose.COMPENSATION,
        )
        outcome = await outcome_of(story, Attempt(call=undo, start=statement("impostor")))

    assert outcome.message == "nothing was sent that could be undone"
    assert books.credits == [4000]


async def test_an_approval_does_not_carry_over_to_another_amount(temporal: WorkflowEnvironment) -> None:
    """The evidence of a first credit is not evidence for a second one."""
    async with a_refund(temporal, 64000, 70000) as refund:
        first = await refund.run.decision(Verdict.APPROVE)
        await refund.run.decides(Verdict.RETURN, note="more", by="erik")
        second = await refund.run.asked(2)
        why = await refund.run.refused(first.model_copy(update={"approval_id": second.id}))
        await refund.run.decides(Verdict.REJECT, number=2)
        await refund.run.ending()

    assert why.startswith("action_digest is ")
    assert refund.toolbox.effects() == []


async def test_a_keyed_effect_whose_answer_was_lost_is_sent_again_with_the_same_key(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books()
    lost = OutcomeUnknown("the wire went silent")
    toolbox = books.toolbox(payments__issue_credit=in_turn(lost, books.credit))
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        ending = await refund.run.ending()

    assert ending.state == "refunded"
    first, second = toolbox.keys_of("payments.issue_credit")
    assert first == second


async def test_an_opaque_effect_whose_answer_was_lost_is_never_sent_again(temporal: WorkflowEnvironment) -> None:
    books = Books()

    def credited_and_silent(arguments: dict[str, int]) -> None:
        books.credit(arguments)
        raise OutcomeUnknown("the wire went silent")

    toolbox = books.toolbox(payments__issue_credit=credited_and_silent)
    toolbox.classes = {**toolbox.classes, "payments.issue_credit": EffectClass.OPAQUE}
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        request = await refund.run.asked()
        await refund.run.decides(Verdict.HAPPENED, note="the credit stands in the books of payments")
        ending = await refund.run.ending()

    assert request.title.startswith("nobody knows whether payments.issue_credit 40.00 EUR happened")
    assert ending.state == "refunded"
    assert toolbox.called.count("payments.issue_credit") == 1


async def test_an_opaque_credit_that_is_abandoned_is_reversed_in_case_it_happened(
    temporal: WorkflowEnvironment,
) -> None:
    books = Books(credits=[])
    toolbox = books.toolbox(payments__issue_credit=OutcomeUnknown("the wire went silent"))
    toolbox.classes = {**toolbox.classes, "payments.issue_credit": EffectClass.OPAQUE}
    async with a_refund(temporal, 4000, books=books, toolbox=toolbox) as refund:
        await refund.run.decides(Verdict.ABANDON)
        ending = await refund.run.ending()

    assert ending.state == "cancelled"
    assert toolbox.effects() == ["payments.issue_credit", "payments.reverse_credit"]

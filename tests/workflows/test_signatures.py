"""Updates are refused on sight when they are not genuine: before they cost the run anything, and never at replay."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pydantic
import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from contracts.decisions import Decision, Verdict
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from tests.authority import Signer, roster_of
from tests.story import DEPLOYMENT, StoryRun, a_story
from tests.workflows.refund_world import Books, claude_advising
from workers.assembly import sandbox
from workers.resources.known_keys import KnownKeys
from workflows.catalog import Catalog
from workflows.machine.guard import MessageGuard

pytestmark = pytest.mark.many

PRODUCTION = Deployment(id=DEPLOYMENT.id, namespace=DEPLOYMENT.namespace, mode=Mode.PRODUCTION)
RITA, DANA, ERIK = Signer("rita"), Signer("dana", ("finance_manager",)), Signer("erik", ("finance_manager",))
STRANGER = Signer("dana", ("finance_manager",))
NOT_GENUINE: dict[str, tuple[Callable[[Decision], Decision], str]] = {
    "unsigned": (lambda plain: plain, "unsigned decisions count in development mode only"),
    "by a key nobody enrolled": (STRANGER.signed, "is in nobody's name"),
    "changed after signing": (lambda plain: DANA.signed(plain).model_copy(update={"note": "x"}), "signature"),
    "with the signature of another decision": (
        lambda plain: DANA.signed(plain).model_copy(update={"signature": DANA.signed(plain).signature}),
        "signature",
    ),
    "signed by somebody else": (
        lambda plain: DANA.signed(plain).model_copy(update={"signature": ERIK.signed(plain).signature}),
        "signature",
    ),
}


@dataclass
class Looking:
    """The worker's check of signatures, which counts how often it is asked."""

    keys: KnownKeys
    looked_at: list[Decision] = field(default_factory=list)

    def problem_with(self, decision: Decision) -> str:
        """What the keys say."""
        self.looked_at.append(decision)
        return self.keys.problem_with(decision)


@asynccontextmanager
async def a_refund_in_production(
    temporal: WorkflowEnvironment, cached_runs: int = 1000
) -> AsyncIterator[tuple[StoryRun, Looking]]:
    """Rita's refund waits for a finance manager, on a worker that knows the keys of the roster."""
    toolbox, roster = Books().toolbox(), roster_of(RITA, DANA, ERIK)
    async with a_story(temporal, claude_advising(64000), toolbox, deployment=PRODUCTION, roster=roster) as story:
        await story.accept_pins(toolbox)
        looking = Looking(KnownKeys(story.authority, PRODUCTION))
        await looking.keys.refresh()
        queue = f"{story.task_queue}-looking"
        async with story.worker(queue, cached_runs, on_sight=looking.problem_with):
            yield await story.start("refund", signer=RITA, task_queue=queue, order_id="A-17"), looking


@pytest.mark.parametrize(("forge", "said"), NOT_GENUINE.values(), ids=NOT_GENUINE)
async def test_an_update_that_is_not_genuine_leaves_no_event_in_the_history(
    temporal: WorkflowEnvironment, forge: Callable[[Decision], Decision], said: str
) -> None:
    async with a_refund_in_production(temporal) as (run, _):
        plain = await run.decision(Verdict.APPROVE)
        before = (await run.handle.describe()).history_length
        why = await run.refused(forge(plain))
        after = (await run.handle.describe()).history_length
        view = await run.view()
        receipt = await run.sends(DANA.signed(plain))
        ending = await run.ending()

    assert said in why
    assert (after, view.refused_count) == (before, 0)
    assert (receipt.outcome, ending.state) == ("approved", "refunded")


async def test_a_replay_neither_looks_at_signatures_nor_needs_anybody_who_could(temporal: WorkflowEnvironment) -> None:
    async with a_refund_in_production(temporal, cached_runs=0) as (run, looking):
        plain = await run.decision(Verdict.APPROVE)
        await run.refused(plain)
        genuine = DANA.signed(plain)
        await run.sends(genuine)
        await run.ending()
        history = await run.handle.fetch_history()
        data_converter = run.story.client.data_converter

    assert looking.looked_at == [plain, genuine], "though every workflow task replayed the run from its beginning"
    catalog = Catalog.load()
    replayer = Replayer(
        workflows=[entry.workflow for entry in catalog.entries()],
        workflow_runner=sandbox(catalog),
        data_converter=data_converter,
        interceptors=[MessageGuard()],
        workflow_failure_exception_types=[pydantic.ValidationError],
    )
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None


async def test_a_key_that_was_revoked_is_refused_on_sight_once_the_worker_has_read_the_roster_again(
    temporal: WorkflowEnvironment,
) -> None:
    async with a_refund_in_production(temporal) as (run, looking):
        genuine = DANA.signed(await run.decision(Verdict.APPROVE))
        (key,) = DANA.person().keys
        revoked = DANA.person(keys=(key.model_copy(update={"revoked_at": genuine.issued_at}),))
        run.story.authority.people = Roster(people=(RITA.person(), ERIK.person(), revoked))
        await looking.keys.refresh()
        before = (await run.handle.describe()).history_length
        why = await run.refused(genuine)
        after = (await run.handle.describe()).history_length
        await run.sends(ERIK.signed(await run.decision(Verdict.REJECT)))
        ending = await run.ending()

    assert "was revoked at" in why
    assert after == before
    assert ending.state == "rejected"

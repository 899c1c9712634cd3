"""Every recorded history replays on today's code, as a worker would replay it; one with another command does not."""

import json
from collections.abc import Iterable

import pydantic
import pytest
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from contracts.runs import BuiltIn
from contracts.wire import DATA_CONVERTER
from tests.replay.histories import as_history, recorded
from tests.story import DEPLOYMENT
from tests.workflows.trip_world import OUTSIDE
from workers.assembly import WORKFLOW_INTERCEPTORS
from workflows.catalog import Catalog, CatalogEntry

CATALOG = Catalog.load(OUTSIDE)
"""With the automation of the stories about failed steps, which ours do not try again or undo by themselves."""
HISTORIES = recorded()


@pytest.fixture(scope="module")
def replayer() -> Replayer:
    """Set up as production sets its workers up."""
    return Replayer(
        workflows=[entry.workflow for entry in CATALOG.entries()],
        namespace=DEPLOYMENT.namespace,  # a decision that came as a signal is compared with it again
        workflow_runner=UnsandboxedWorkflowRunner(),  # as workers run them; stories have run them in the sandbox
        data_converter=DATA_CONVERTER,
        interceptors=list(WORKFLOW_INTERCEPTORS),
        workflow_failure_exception_types=[pydantic.ValidationError],
    )


async def failure(replayer: Replayer, name: str, text: str) -> Exception | None:
    """What replaying says."""
    result = await replayer.replay_workflow(as_history(name, text), raise_on_replay_failure=False)
    return result.replay_failure


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_recorded_history_replays(replayer: Replayer, name: str) -> None:
    assert await failure(replayer, name, HISTORIES[name]) is None


@pytest.mark.parametrize("name", ["refund-refunded", "errand-answered-after-approval"])
async def test_a_history_with_another_command_does_not_replay(replayer: Replayer, name: str) -> None:
    history = json.loads(HISTORIES[name])
    last = [event for event in history["events"] if "activityTaskScheduledEventAttributes" in event][-1]
    last["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "something_else"
    problem = await failure(replayer, name, json.dumps(history))
    assert "Nondeterminism" in str(problem)


def test_a_history_is_recorded_for_everything_that_may_follow_a_failed_step() -> None:
    kinds = {"trip-booked-after-failure", "trip-called_off-after-failure", "trip-cancelled-after-failure"}
    assert kinds - HISTORIES.keys() == set()


def test_a_history_is_recorded_of_runs_that_wait_for_a_child_are_cancelled_meanwhile_and_continue_after_it() -> None:
    kinds = {"claim-settled", "claim-cancelled", "claim-settled-after-escalation-continued"}
    assert kinds - HISTORIES.keys() == set()


@pytest.mark.parametrize("entry", Catalog.load().entries(), ids=lambda entry: entry.name)
def test_a_history_is_recorded_for_every_ending_and_every_waiting_state(entry: CatalogEntry) -> None:
    machine = entry.machine
    ends = {state.value for state in (*machine.final, *machine.waiting)}
    ends |= {BuiltIn.CANCELLED.value, BuiltIn.ESCALATED.value}
    assert {f"{entry.name}-{state}" for state in ends} - set(_without_detours(HISTORIES)) == set()


def test_recorded_histories_tell_nothing_of_the_machine_they_were_recorded_on() -> None:
    for name, text in HISTORIES.items():
        assert "stackTrace" not in text, name
        assert all(identity == "recorder" for identity in _identities(json.loads(text))), name
        assert len(text) < 300_000, f"{name} is {len(text)} bytes; tell a shorter story"


def _without_detours(names: Iterable[str]) -> Iterable[str]:
    return (name.split("-after-")[0].removesuffix("-continued") for name in names)


def _identities(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        yield from (item for name, item in value.items() if name == "identity")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _identities(item)

"""The next version of an automation: what was recorded of this one replays on it, as its change is behind a patch."""

import pydantic
import pytest
from temporalio.worker import Replayer

from contracts.wire import DATA_CONVERTER
from tests.replay.histories import as_history, recorded
from tests.story import DEPLOYMENT
from tests.workflows.later_onboarding import CarelessOnboarding, LaterOnboarding
from workers.assembly import WORKFLOW_INTERCEPTORS, sandbox
from workflows.catalog import Catalog
from workflows.employee_onboarding import EmployeeOnboardingWorkflow

HISTORIES = {name: text for name, text in recorded().items() if name.startswith("employee_onboarding-")}
ORDERED = "employee_onboarding-onboarded-after-approval"


async def failure(version: type[EmployeeOnboardingWorkflow], name: str) -> Exception | None:
    """What replaying a history on this version says."""
    replayer = Replayer(
        workflows=[version],
        namespace=DEPLOYMENT.namespace,
        workflow_runner=sandbox(Catalog.load()),
        data_converter=DATA_CONVERTER,
        interceptors=list(WORKFLOW_INTERCEPTORS),
        workflow_failure_exception_types=[pydantic.ValidationError],
    )
    result = await replayer.replay_workflow(as_history(name, HISTORIES[name]), raise_on_replay_failure=False)
    return result.replay_failure


@pytest.mark.parametrize("name", HISTORIES)
async def test_what_was_recorded_of_an_onboarding_replays_on_its_next_version(name: str) -> None:
    assert await failure(LaterOnboarding, name) is None


async def test_without_a_patch_it_would_not() -> None:
    assert "Nondeterminism" in str(await failure(CarelessOnboarding, ORDERED))

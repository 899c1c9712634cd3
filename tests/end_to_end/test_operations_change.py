"""Production is changed by real processes: from the command line, and though the worker is killed on the way."""

import json

import pytest

from contracts.decisions import Verdict
from contracts.runs import Ending
from demo.mcp_servers.archive.stacks import Stacks
from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.vault.strongroom import Strongroom
from tests.end_to_end.processes import INTERLOCK, output_of, until, with_our_packages
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup
from workers.embedded.plan import WORKER
from workers.embedded.temporal_server import NAMESPACE
from workers.settings import REPOSITORY

pytestmark = pytest.mark.many


async def interlock(setup: Setup, *arguments: str) -> str:
    """What a command prints."""
    address = ("--address", setup.planned.temporal.address)
    return await output_of(*INTERLOCK, *arguments, *address, environment=with_our_packages(setup.environ))


async def asked_for(setup: Setup, request: str) -> Run:
    """A run that somebody asks for with one of the demo's requests."""
    path = REPOSITORY / "demo" / "requests" / f"{request}.json"
    said = await interlock(setup, "runs", "start", "operations_change", "--from", str(path), "--as", "rita", "--json")
    handle = (await setup.client()).get_workflow_handle(json.loads(said)["run"], result_type=Ending)
    return Run(handle, NAMESPACE, setup.folder.deployment())


async def test_a_service_is_deployed_from_the_command_line_once_two_people_have_signed_the_plan(setup: Setup) -> None:
    run = await asked_for(setup, "deployment")
    await run.asked()
    shown = await interlock(setup, "approvals", "show", f"{run.id}#1", "--full")
    counted = await interlock(setup, "approvals", "approve", f"{run.id}#1", "--as", "carla")
    await interlock(setup, "approvals", "approve", f"{run.id}#1", "--as", "sven")
    asking = ("runs", "start", "operations_change", "--from", str(REPOSITORY / "demo" / "requests" / "deployment.json"))
    ended = await interlock(setup, *asking, "--as", "rita", "--wait")
    (service,) = Fleet(setup.folder.demo_data).find_service("checkout-api").services

    assert "action: changes.open_change" in shown and "undone by releases.roll_back" in shown
    assert "counted" in counted or "1 of 2" in counted
    assert "ended: verified" in ended
    assert (service.version, service.canary, service.changed_by) == ("2.15.0", None, run.id)


async def test_a_credential_is_rotated_once_though_the_worker_is_killed_while_its_consumers_are_switched(
    setup: Setup,
) -> None:
    run = await asked_for(setup, "credential_rotation")
    for person in ("carla", "sven"):
        await run.decides(Verdict.APPROVE, by=person)
    await until(lambda: bool(setup.sends(run, "issue_version")), "a new version is issued, or about to be")
    await setup.kill(WORKER)
    await setup.start_programs(WORKER)
    ending = await run.ending()
    (credential,) = Strongroom(setup.folder.demo_data).find("payments-gateway-key").credentials

    assert ending == "verified"
    assert (credential.current_version, credential.pending_version, credential.revoked_version) == (8, None, 7)
    assert [state for state, _ in setup.sends(run, "switch_consumer")] == ["done", "done"]


async def test_a_deletion_is_stopped_from_the_command_line_while_it_cools_off(setup: Setup) -> None:
    run = await asked_for(setup, "data_deletion")
    for person in ("carla", "nora"):
        await run.decides(Verdict.APPROVE, by=person)
    await run.asked(2)
    marked = Stacks(setup.folder.demo_data).find("newsletter-2019").datasets[0]
    shown = await interlock(setup, "approvals", "show", f"{run.id}#2")
    await interlock(setup, "approvals", "abandon", f"{run.id}#2", "--as", "nora", "--note", "marketing needs it")
    ending = await run.ending()
    restored = Stacks(setup.folder.demo_data).find("newsletter-2019").datasets[0]

    assert "if nobody decides: what may be stopped goes on" in shown
    assert (marked.status, marked.marked_by) == ("marked", run.id)
    assert (ending, restored.status, restored.marked_by) == ("stopped", "active", None)

"""Somebody is onboarded by real processes: papers, signatures and a killed worker, all from the command line."""

import sys
from pathlib import Path

import pytest

from contracts.runs import Ending
from tests.end_to_end.processes import INTERLOCK, Said, output_of, said_by, with_our_packages
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup
from tests.workflows.onboarding_world import KINDS, Books, books_in
from workers.embedded.plan import WORKER
from workers.embedded.temporal_server import NAMESPACE

pytestmark = pytest.mark.many

RUN = "employee_onboarding/E-2044"
NOTHING = "sha256:" + "0" * 64


async def interlock(setup: Setup, *arguments: str) -> Said:
    """Run a command against this setup."""
    address = ("--address", setup.planned.temporal.address)
    return await said_by(*INTERLOCK, *arguments, *address, environment=with_our_packages(setup.environ))


async def stored(setup: Setup, paper: Path, kind: str) -> str:
    """Have the personnel records take a paper in, as the staff portal does; its reference."""
    command = ("-m", "demo.mcp_servers.people_records", "--data", str(setup.folder.demo_data))
    said = await output_of(sys.executable, *command, "--store", "E-2044", kind, str(paper))
    return said.split()[0]


async def test_somebody_is_onboarded_from_the_command_line_though_the_worker_is_killed_meanwhile(
    setup: Setup, tmp_path: Path
) -> None:
    started = await interlock(
        setup, "runs", "start", "employee_onboarding", "--set", "employee_id=E-2044", "--as", "rita"
    )
    assert started.code == 0, started.err
    run = Run((await setup.client()).get_workflow_handle(RUN, result_type=Ending), NAMESPACE, setup.folder.deployment())
    await run.until(lambda view: "next letter" in view.facts)
    await setup.kill(WORKER)
    await setup.start_programs(WORKER)

    for kind in KINDS:
        paper = tmp_path / f"{kind}.pdf"
        paper.write_text(f"{kind} of Amara Diallo")
        told = ("runs", "deliver", RUN, kind, "--reference", await stored(setup, paper, kind), "--as", "rita")
        if kind == "contract":
            untrue = await interlock(setup, *told, "--digest", NOTHING)
            assert (untrue.code, "store the paper anew" in untrue.err) == (1, True)
        for outcome in ("taken", "known") if kind == "contract" else ("taken",):
            receipt = await interlock(setup, *told, "--file", str(paper))
            assert (receipt.code, receipt.out.partition(":")[0]) == (0, outcome), receipt.err
    await run.until(lambda view: len(view.waiting_for) == 2)
    for number in (1, 2):
        signed = await interlock(setup, "approvals", "approve", f"{RUN}#{number}", "--as", "marcus")
        assert signed.code == 0, signed.err

    assert await run.ending() == "onboarded"
    letters = ("bank_details,contract,identity,tax_form",)
    assert books_in(setup.folder.demo_data, "E-2044") == Books(open_tickets=2, active_accounts=2, letters=letters)
    assert [state for state, _ in setup.sends(run, "create_account")] == ["done", "done"]

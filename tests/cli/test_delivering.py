"""`runs deliver`: a run is told of a paper that was stored; what is wrong with it is said, and never harms the run."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.delivering import make_delivery
from cli.exits import WrongInput
from contracts.deployment import Deployment, Mode
from contracts.wire import DATA_CONVERTER
from tests.cli.conftest import CommandLine, a_worker
from tests.cli.shop import Shop
from tests.cli.test_following import until, waiting_run
from tests.demo_servers import DemoServers, a_folder
from tests.workflows.onboarding_world import COMPANY, hand_in
from workers.embedded.temporal_server import server_arguments, temporal_binary

DIGEST = "sha256:" + "0" * 64
START = ("runs", "start", "employee_onboarding", "--set")


@asynccontextmanager
async def a_company(folder: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[tuple[DemoServers, CommandLine]]:
    """A worker that serves a company, on a server of its own: the shop has the queue of the other one."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        with a_folder(COMPANY) as data:
            world, company = Shop(), await DemoServers.at(data, COMPANY)
            world.toolbox = company
            deployment = Deployment(id="cli-company", namespace="default", mode=Mode.DEVELOPMENT)
            async with a_worker(environment, world, deployment, folder):
                address = environment.client.service_client.config.target_host
                yield company, CommandLine(address, "default", capsys)


@pytest.mark.many
async def test_a_paper_is_told_of_by_reference_and_digest_and_twice_is_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = "employee_onboarding/E-2042"
    async with a_company(tmp_path, capsys) as (company, interlock):
        started = await interlock(*START, "employee_id=E-2042", "--as", "rita")
        await until(
            lambda: interlock("runs", "show", run, "--json"),
            lambda view: view["facts"].get("missing") == "tax form, bank details" and "next letter" in view["facts"],
        )
        paper = tmp_path / "tax.pdf"
        paper.write_bytes(b"my tax_form")
        stored = hand_in(company.data, "E-2042", "tax_form")
        told = ("runs", "deliver", run, "tax_form", "--as", "rita", "--reference")
        once, twice = [await interlock(*told, stored.reference, "--file", str(paper)) for _ in range(2)]
        other = await interlock(*told, stored.reference, "--digest", DIGEST)
        elsewhere = await interlock(*told, "DOC-9999", "--digest", DIGEST)
        shown = await interlock("runs", "show", run)

    assert started.code == 0
    assert (once.code, once.out.splitlines()) == (
        0,
        [
            f"taken: {stored.reference} is taken; still missing: bank details",
            f"next: interlock runs show {run}",
        ],
    )
    assert (twice.code, twice.out.splitlines()[0]) == (
        0,
        f"known: {stored.reference} was taken before, and counts once",
    )
    assert (other.code, other.out) == (1, "") and "store the paper anew" in other.err
    assert (elsewhere.code, "no paper 'DOC-9999' stands in the records of E-2042" in elsewhere.err) == (1, True)
    assert "missing: bank details\n" in shown.out


async def test_a_run_that_takes_no_papers_and_one_that_is_not_there_are_refused(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    told = ("contract", "--reference", "DOC-1", "--digest", DIGEST)
    refund = await interlock("runs", "deliver", run, *told)
    nothing = await interlock("runs", "deliver", "employee_onboarding/E-1", *told)

    assert (refund.code, refund.err) == (1, f"{run} takes no papers; runs of 'refund' are not handed any\n")
    assert (nothing.code, nothing.err) == (
        1,
        "no run 'employee_onboarding/E-1'; `interlock runs list` shows those there are\n",
    )


def test_of_a_file_the_digest_alone_is_told(tmp_path: Path) -> None:
    paper = tmp_path / "contract.pdf"
    paper.write_bytes(b"signed twice" * 100_000)

    delivery = make_delivery("contract", "DOC-1", str(paper), "", "rita")

    assert delivery.digest == f"sha256:{hashlib.sha256(b'signed twice' * 100_000).hexdigest()}"
    assert "signed" not in delivery.model_dump_json()


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (("contract", "DOC-1", "", "", "rita"), "--file PAPER or --digest DIGEST says which content was stored"),
        (("contract", "DOC-1", "x.pdf", DIGEST, "rita"), "give one of them"),
        (("contract", "DOC-1", "no/such.pdf", "", "rita"), "--file 'no/such.pdf' cannot be read: No such file"),
        (("Contract!", "DOC-1", "", DIGEST, "rita"), "KIND 'Contract!' cannot be used: "),
        (("contract", "DOC 1", "", DIGEST, "rita"), "--reference 'DOC 1' cannot be used: "),
        (("contract", "DOC-1", "", "sha256:12", "rita"), "--digest 'sha256:12' cannot be used: "),
        (("contract", "DOC-1", "", DIGEST, "x" * 201), "--as has 201 characters and may have 200; shorten it"),
    ],
)
def test_what_cannot_be_told_is_wrong_input_that_names_the_option(told: tuple[str, ...], problem: str) -> None:
    with pytest.raises(WrongInput) as wrong:
        make_delivery(*told)

    assert problem in str(wrong.value)

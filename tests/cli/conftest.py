"""A worker on the queue that the command line talks to, and a way to call commands as people do."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities.prompt_files import PromptFiles
from cli.main import run
from contracts.deployment import Deployment, Mode
from contracts.runs import TASK_QUEUE
from policies.document import TOTALS
from policies.engine import CedarRules
from tests.authority import FixedAuthority, store_ports
from tests.cli.shop import Shop, claude
from tests.doubles import MovableClock
from workers.assembly import Ports, activities_of, interceptors_of, make_worker
from workers.resources.chains import TemporalChains
from workers.resources.families import TemporalFamilies
from workers.resources.store import Store
from workers.settings import Settings
from workflows.catalog import Catalog


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which is one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Calls commands in this process, on a thread of their own."""

    address: str
    namespace: str
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, *arguments: str) -> Outcome:
        """Run `interlock ARGUMENTS` against the server of this test."""
        return await self.anywhere(*arguments, "--address", self.address, "--namespace", self.namespace)

    async def anywhere(self, *arguments: str) -> Outcome:
        """Run `interlock ARGUMENTS` as they are."""
        self.capsys.readouterr()
        code = await asyncio.to_thread(run, list(arguments))
        out, err = self.capsys.readouterr()
        return Outcome(code, out, err)


@pytest.fixture
def interlock(temporal: WorkflowEnvironment, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, talking to the test's server."""
    return CommandLine(temporal.client.service_client.config.target_host, "default", capsys)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(temporal: WorkflowEnvironment, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A worker in development mode, and the world it works on."""
    world = Shop()
    deployment = Deployment(id="cli-tests", namespace="default", mode=Mode.DEVELOPMENT)
    async with a_worker(temporal, world, deployment, tmp_path_factory.mktemp("store")):
        yield world


@asynccontextmanager
async def a_worker(
    temporal: WorkflowEnvironment, world: Shop, deployment: Deployment, folder: Path
) -> AsyncIterator[None]:
    """A worker with doubles at the ports to Claude, tools and clock, on the real queue's name."""
    settings, catalog = Settings(mode=Mode.DEVELOPMENT), Catalog.load()
    store = await asyncio.to_thread(Store.open, f"sqlite:///{folder}/store.db")
    authority = FixedAuthority(_without_sums(CedarRules.load(settings.policy_folders())))
    world.store = store
    ports = Ports(
        claude=claude(),
        toolbox=world.toolbox,
        **store_ports(store, authority, deployment),
        authority=authority,
        prompts=PromptFiles(settings.prompt_folders()),
        clock=MovableClock(),
        chains=TemporalChains(temporal.client),
        families=TemporalFamilies(temporal.client),
        deployment=deployment,
        default_model="scripted",
        owner_roles=catalog.owner_roles(),
        may_start=catalog.may_start(),
    )
    around = interceptors_of(ports)
    async with make_worker(temporal.client, catalog, activities_of(ports), task_queue=TASK_QUEUE, interceptors=around):
        yield
    await asyncio.to_thread(store.close)


def _without_sums(rules: CedarRules) -> CedarRules:
    """Every order is Rita's, and all on one day: their sum would ask for ever more signatures."""
    return CedarRules({name: text for name, text in rules.files.items() if name != TOTALS})


@pytest.fixture
def order() -> str:
    """An order nobody has heard of."""
    return f"A-{uuid.uuid4().hex[:8]}"

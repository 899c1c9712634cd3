"""A development setup of real processes, as `interlock dev` plans it; what is killed stays dead until it is started."""

import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

from temporalio.client import Client

from contracts.canonical import digest
from contracts.runs import TASK_QUEUE, WORKFLOW_TASK_TIMEOUT, Ending, StartStatement
from contracts.wire import DATA_CONVERTER
from demo.mcp_servers.crm.cards import CardIndex
from demo.mcp_servers.payments.ledger import PaymentLedger
from tests.end_to_end.processes import (
    INTERLOCK,
    children_of,
    kill,
    output_of,
    until,
    usual_ports_taken,
    with_our_packages,
)
from tests.end_to_end.runs import Run
from tests.end_to_end.simulator import Simulator
from workers.embedded.folder import Folder
from workers.embedded.plan import HOLD_FILE, WORKER, Options, Plan, plan
from workers.embedded.program import Program
from workers.embedded.running import RunningProcess
from workers.embedded.supervisor import Supervisor
from workers.embedded.temporal_server import NAMESPACE
from workflows.catalog import Catalog, run_id

COMPLAINED_OF = tuple(f"H-{number:04}" for number in range(1, 21))
"""Orders that a customer asks a very small refund for, beside those the demo begins with: one for each fault.

Very small, because what one customer gets in a day is added up."""
COMPLAINT = "The parcel of order {} arrived soaked through; kindly give us {} EUR back for the spoiled part."
CATALOG = Catalog.load()


@dataclass
class Setup:
    """The processes, and what tests ask and do to them."""

    folder: Folder
    planned: Plan
    programs: Mapping[str, Program]
    supervisor: Supervisor
    environ: Mapping[str, str]
    orders: Iterator[str] = field(default_factory=lambda: iter(COMPLAINED_OF))
    numbers: Iterator[int] = field(default_factory=count)
    _client: Client | None = None

    # Processes.

    def process(self, name: str) -> RunningProcess:
        """The newest process of that name."""
        return next(each for each in reversed(self.supervisor.running()) if each.name == name)

    async def start_programs(self, *names: str) -> None:
        await self.supervisor.start([self.programs[name] for name in names])

    async def kill(self, name: str) -> None:
        """kill -9, and wait until it is gone."""
        await kill(self.process(name).pid)

    def stdio_server(self, name: str) -> int:
        """Pid of the MCP server that the worker started."""
        (found,) = children_of(self.process(WORKER).pid, f"demo.mcp_servers.{name}")
        return found

    # Runs.

    async def client(self) -> Client:
        if self._client is None:
            self._client = await Client.connect(self.planned.temporal.address, data_converter=DATA_CONVERTER)
        return self._client

    async def start(self, automation: str, **request: object) -> Run:
        """Start a run, as `interlock runs start` does."""
        return await started(await self.client(), self.folder.deployment(), automation, **request)

    async def refund(self, order_id: str = "", **request: object) -> Run:
        """Start a refund, for an order that no other test uses unless one is named."""
        return await self.start("refund", order_id=order_id or next(self.orders), **request)

    async def errand(self) -> Run:
        """Start an errand of two turns: one that asks for a read, and one that answers."""
        goal = "Tell me the open orders of customer C-7."
        return await self.start("errand", name=f"reads-{next(self.numbers)}", goal=goal, servers=("orders",))

    async def refund_by_command(self) -> Run:
        """Start a refund with the CLI, for an order that no other test uses, in this setup's environment."""
        assigned = ("--set", f"order_id={next(self.orders)}", "--as", "rita", "--json")
        address = ("--address", self.planned.temporal.address)
        environment = with_our_packages(self.environ)
        said = await output_of(*INTERLOCK, "runs", "start", "refund", *assigned, *address, environment=environment)
        handle = (await self.client()).get_workflow_handle(json.loads(said)["run"], result_type=Ending)
        return Run(handle, NAMESPACE, self.folder.deployment())

    # The outside world.

    @property
    def simulator(self) -> Simulator:
        assert self.planned.simulator_url is not None
        return Simulator(self.planned.simulator_url)

    @contextmanager
    def answers_held(self) -> Iterator[Callable[[], None]]:
        """Payments does what it is told, and withholds its answers until released."""
        hold = self.folder.demo_data / HOLD_FILE
        hold.touch()
        try:
            yield lambda: hold.unlink(missing_ok=True)
        finally:
            hold.unlink(missing_ok=True)

    def credits_standing(self, order_id: str) -> int:
        """What stands in the payments server's books at this moment."""
        return PaymentLedger.open_existing(self.folder.demo_data).credits(order_id).count

    async def credits_counted(self, order_id: str) -> int:
        """What the payments server itself says."""
        return int(await self._demo_says("payments", "--count-credits", order_id))

    async def mails_counted(self, to: str) -> int:
        """What the mail server itself says."""
        return int(await self._demo_says("mail", "--count-mails", to))

    def notes_of(self, customer_id: str) -> int:
        return len(CardIndex(self.folder.demo_data).notes_of(customer_id).notes)

    @contextmanager
    def locked(self, server: str) -> Iterator[None]:
        """Nobody can use this server's database: a call that arrives stays under way."""
        with closing(sqlite3.connect(self.folder.demo_data / f"{server}.db", isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    async def _demo_says(self, server: str, *arguments: str) -> str:
        command = ("-m", f"demo.mcp_servers.{server}", "--data", str(self.folder.demo_data), *arguments)
        return await output_of(sys.executable, *command)

    # The ledger.

    def sends(self, run: Run, tool: str) -> list[tuple[str, int]]:
        """State and number of sends of every entry for this tool of this run."""
        with closing(sqlite3.connect(self.folder.path / "store.db")) as store:
            found = store.execute(
                "SELECT state, sends FROM ledger WHERE workflow_id = ? AND tool = ? ORDER BY claimed_at", (run.id, tool)
            )
            return [(str(state), int(sends)) for state, sends in found]

    async def until_sent(self, run: Run, tool: str) -> None:
        """Once a call of this tool is under way."""
        await until(lambda: ("sent", 1) in self.sends(run, tool), f"{run.id}: {tool} sent")


async def started(client: Client, deployment: str, automation: str, **request: object) -> Run:
    """Start a run of `automation`, each for a requester of its own: what one asks for in a day is added up."""
    return await started_of(CATALOG, client, deployment, automation, **request)


async def started_of(catalog: Catalog, client: Client, deployment: str, automation: str, **request: object) -> Run:
    """The same of an automation outside the repository."""
    entry = catalog.find(automation)
    given = entry.request.model_validate(request)
    key = entry.business_key(given)
    start = StartStatement(
        requester=f"rita of {key}"[:200],
        automation=automation,
        business_key=key,
        input_digest=digest(given.model_dump(mode="json")),
        issued_at=datetime.now().astimezone(),
    )
    case = entry.first_case(given, start)
    handle = await client.start_workflow(
        automation,
        case,
        id=run_id(automation, key),
        task_queue=TASK_QUEUE,
        task_timeout=WORKFLOW_TASK_TIMEOUT,
        result_type=Ending,
    )
    return Run(handle, client.namespace, deployment)


@asynccontextmanager
async def a_setup(parent: Path, **environment: str) -> AsyncIterator[Setup]:
    """Everything running. Its processes end with the block, and with this process, however that ends."""
    folder = Folder.within(parent)
    environ = {**os.environ, **environment}
    with usual_ports_taken():
        planned = plan(Options(parent=parent, environ=environ), folder)
    programs = {program.name: program for program in (*planned.outside, *planned.workers)}
    receive_complaints(folder.demo_data)
    supervisor = Supervisor(folder.logs, report=lambda _: None, restarted=lambda: None)
    setup = Setup(folder, planned, programs, supervisor, environ)
    try:
        await setup.start_programs(*(program.name for program in planned.outside))
        await setup.start_programs(WORKER)
        yield setup
    finally:
        supervisor.hurry()
        await supervisor.stop()


def receive_complaints(demo_data: Path, wanted: str = "1.20") -> None:
    """More customers write in than the demo begins with; each wants so much, in EUR."""
    CardIndex(demo_data)
    complaints = [(order, "C-42", "2026-01-05", COMPLAINT.format(order, wanted)) for order in COMPLAINED_OF]
    with closing(sqlite3.connect(demo_data / "crm.db")) as crm, crm:
        crm.executemany("INSERT INTO complaints VALUES (?, ?, ?, ?)", complaints)


def temporal_cli(setup: Setup) -> tuple[str, ...]:
    """How the stock CLI is called for this setup."""
    return (setup.planned.temporal.argv()[0], "--address", setup.planned.temporal.address)

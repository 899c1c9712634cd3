"""Interlock as it runs in production on one host: keys, signed starts, rules in force, a store with fsync."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select
from temporalio.client import Client

from activities.inbox import InboxEntry
from benchmarks.goals import RECALLS, Goal, Posting, Reading
from benchmarks.world.contestant import Decide, Processes, Run, RunFailed, each_of
from benchmarks.world.outside import Outside, make_folder, supervised
from benchmarks.world.people import AUTOMATIONS, People
from contracts.audit import AuditKind
from contracts.canonical import digest
from contracts.decisions import Decision, Receipt, Verdict
from contracts.deployment import Mode
from contracts.runs import TASK_QUEUE, WORKFLOW_TASK_TIMEOUT, Ending, RunView, StartStatement
from contracts.wire import DATA_CONVERTER
from workers.embedded import environment
from workers.embedded.polling import until
from workers.embedded.ports import choose_ports
from workers.embedded.program import Program, ReadyLine, ServingTemporal
from workers.embedded.temporal_server import NAMESPACE, TemporalServer
from workers.resources.key_file import read_or_make_key
from workers.resources.store import Store
from workers.resources.store.load import load_of
from workers.resources.store.schema import AUDIT, LEDGER, REQUESTS
from workflows.catalog import Catalog, run_id
from workflows.errand import ErrandRequest

DEPLOYMENT = "bench"
TEMPORAL_PORT = 7243
SERVERS = """\
[servers.bench]
owner = "the benchmark"
purpose = "books and a ledger"
transport = "http"
url = "{url}"
reads = ["private"]
sends_out = false
limits = {{ concurrency = 200 }}

[servers.bench.tools.page]
effect_class = "read"

[servers.bench.tools.post]
effect_class = "keyed"
key = {{ argument = "idempotency_key", horizon = "PT24H" }}
risk = "low"
"""
MORE_TURNS = 3 * len(RECALLS)
"""Turns in which an old result may be looked at once more."""
UNTIL_WAITING = timedelta(minutes=8)
GOOD = "answered"


@dataclass
class Interlock:
    """See benchmarks.world.contestant.Contestant."""

    client: Client
    processes: Processes
    people: People
    store: Store
    lots: random.Random = field(default_factory=lambda: random.Random(1))
    name: str = "interlock"
    asking: str = "ask_claude"

    async def start(self, goal: Goal) -> Run:
        """Start an errand, signed by rita."""
        entry = Catalog.load().find("errand")
        turns = goal.pages + 1 + MORE_TURNS if isinstance(goal, Reading) else 4
        request = ErrandRequest(goal=goal.words, servers=("bench",), turns=min(turns, 2000), name=goal.name)
        key = entry.business_key(request)
        workflow_id = run_id(entry.name, key)
        statement = StartStatement(
            requester=self.people.rita.subject,
            automation=entry.name,
            business_key=key,
            input_digest=digest(request.model_dump(mode="json")),
            issued_at=datetime.now(UTC),
            deployment=DEPLOYMENT,
            workflow_id=workflow_id,
        )
        case = entry.first_case(request, self.people.rita.starts(statement))
        handle = await self.client.start_workflow(
            entry.name, case, id=workflow_id, task_queue=TASK_QUEUE, task_timeout=WORKFLOW_TASK_TIMEOUT
        )
        return Run(workflow_id, handle.first_execution_run_id or "", goal)

    async def ended(self, run: Run) -> None:
        """Once it has answered. Raises RunFailed."""
        ending = await self.client.get_workflow_handle(run.id, result_type=Ending).result()
        if ending.state != GOOD:
            raise RunFailed(f"{run.id} ended as {ending.state}: {ending.reason}")

    async def until_active(self, count: int) -> None:
        """Once so many runs are registered and have not ended."""

        async def active() -> bool:
            return (await asyncio.to_thread(self.store.at_one_moment, load_of)).active >= count

        async with asyncio.timeout(UNTIL_WAITING.total_seconds()):
            await until(active)

    async def start_waiting(self, goal: Posting) -> Run:
        """An errand whose first call must be approved."""
        return await self.start(goal)

    async def until_waiting(self, runs: Sequence[Run]) -> None:
        """Once each has put its request into the inbox, and waits for the answer."""
        wanted = {run.id for run in runs}

        async def asked() -> bool:
            return wanted <= set(await asyncio.to_thread(self.store.at_one_moment, _waiting))

        async with asyncio.timeout(UNTIL_WAITING.total_seconds()):
            await until(asked)
            await each_of(runs, lambda run: until(lambda: self._waits(run)))

    async def _waits(self, run: Run) -> bool:
        view = await self.client.get_workflow_handle(run.id).query("view", result_type=RunView)
        return bool(view.waiting_for)

    async def decision(self, run: Run) -> Decide:
        """A signed approval, sent as an update."""
        entry = await asyncio.to_thread(self.store.at_one_moment, lambda connection: _request_of(connection, run))
        signed = self.lots.choice(self.people.approvers).decides(_approval(entry))
        handle = self.client.get_workflow_handle(run.id)

        async def send() -> None:
            await handle.execute_update("decide", signed, result_type=Receipt)

        return send

    async def check_records(self, calls: int) -> None:
        """Each call has one entry in the ledger that is done and was sent once, and one outcome in the audit chain."""
        done, sends, outcomes = await asyncio.to_thread(self.store.at_one_moment, _records)
        assert (done, sends, outcomes) == (calls, calls, calls), (
            f"{calls} calls reached the server; the ledger has {done} done and {sends} sends, "
            f"the audit chain {outcomes} outcomes"
        )


def _approval(entry: InboxEntry) -> Decision:
    now = datetime.now(UTC)
    return Decision(
        deployment=DEPLOYMENT,
        namespace=NAMESPACE,
        workflow_id=entry.workflow_id,
        first_run_id=entry.first_run_id,
        approval_id=entry.request_id,
        action_digest=entry.action_digest,
        verdict=Verdict.APPROVE,
        approver="whoever signs",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        display_digest=entry.display_digest,
    )


def _waiting(connection: Connection) -> list[str]:
    wanted = select(REQUESTS.c.workflow_id).where(REQUESTS.c.closed_at.is_(None))
    return [str(each) for each in connection.execute(wanted).scalars()]


def _request_of(connection: Connection, run: Run) -> InboxEntry:
    wanted = select(REQUESTS.c.entry).where(REQUESTS.c.workflow_id == run.id, REQUESTS.c.closed_at.is_(None))
    return InboxEntry.model_validate(connection.execute(wanted).scalar_one())


def _records(connection: Connection) -> tuple[int, int, int]:
    ledger = select(func.count(), func.coalesce(func.sum(LEDGER.c.sends), 0)).where(LEDGER.c.state == "done")
    audit = select(func.count()).where(AUDIT.c.kind == AuditKind.OUTCOME.value)
    done, sends = connection.execute(ledger).one()
    return int(done), int(sends), int(connection.scalar(audit) or 0)


@asynccontextmanager
async def interlock(
    folder: Path, outside: Outside, workers: int = 1, settings: dict[str, str] | None = None
) -> AsyncIterator[Interlock]:
    """Everything of it running; it ends with the block."""
    make_folder(folder)
    servers = _servers_file(folder, outside)
    temporal = TemporalServer(choose_ports({"temporal": TEMPORAL_PORT})["temporal"], database=folder / "temporal.db")
    read_or_make_key(environment.audit_key(folder))
    url, people = f"sqlite:///{folder / 'store.db'}", People()
    store = await asyncio.to_thread(Store.open, url)
    try:
        await asyncio.to_thread(store.keep_mode, Mode.PRODUCTION)
        await people.put_in_force(store, DEPLOYMENT, servers, folder / "private")
        environ = _environment(folder, outside, temporal, url, servers) | (settings or {})
        programs = [_worker(f"worker-{number}", environ) for number in range(1, workers + 1)]
        async with (
            supervised(folder / "logs", _temporal(temporal)) as server,
            supervised(folder / "logs", *programs) as running,
        ):
            client = await Client.connect(temporal.address, data_converter=DATA_CONVERTER)
            processes = Processes(tuple(each.pid for each in running.running()), server.running()[0].pid)
            yield Interlock(client, processes, people, store)
    finally:
        await asyncio.to_thread(store.close)


def _servers_file(folder: Path, outside: Outside) -> Path:
    file = folder / "servers.toml"
    file.write_text(SERVERS.format(url=outside.mcp_url))
    return file


def _temporal(server: TemporalServer) -> Program:
    return Program("temporal", server.argv(), environment.for_temporal(os.environ), ServingTemporal(server.address))


def _worker(name: str, environ: dict[str, str]) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-P", "-m", "cli.main", "worker"),
        environment=environ,
        ready=ReadyLine("ready"),
        stops_within=timedelta(seconds=20),
    )


def _environment(folder: Path, outside: Outside, temporal: TemporalServer, url: str, servers: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    given = {
        **environment.temporal_connection(temporal.address, NAMESPACE),
        **environment.for_authority(Mode.PRODUCTION, folder),
        "INTERLOCK_DEPLOYMENT": DEPLOYMENT,
        "INTERLOCK_STORE": url,
        "INTERLOCK_SERVERS": str(servers),
        "INTERLOCK_AUTOMATIONS": str(AUTOMATIONS),
        "INTERLOCK_DATA": str(folder),
    }
    return environment.for_worker(own, claude=environment.simulator_as_claude(outside.api_url), interlock=given)

"""The hand-written loop: a Temporal server tuned as ours is, and as many workers."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.goals import Goal, Posting
from benchmarks.loop.messages import TASK_QUEUE, Approval, Entry
from benchmarks.world.contestant import Decide, Processes, Run, each_of
from benchmarks.world.outside import Outside, make_folder, supervised
from workers.embedded import environment
from workers.embedded.polling import until
from workers.embedded.ports import choose_ports
from workers.embedded.program import Program, ReadyLine, ServingTemporal
from workers.embedded.temporal_server import TemporalServer

TEMPORAL_PORT = 7244
UNTIL_WAITING_SECONDS = 240


@dataclass
class Loop:
    """See benchmarks.world.contestant.Contestant."""

    client: Client
    processes: Processes
    name: str = "loop"
    asking: str = "ask"

    async def start(self, goal: Goal) -> Run:
        """Start a loop."""
        workflow_id = f"loop/{goal.name}"
        handle = await self.client.start_workflow("loop", goal.words, id=workflow_id, task_queue=TASK_QUEUE)
        return Run(workflow_id, handle.first_execution_run_id or "", goal)

    async def ended(self, run: Run) -> None:
        """Once it has answered."""
        await self.client.get_workflow_handle(run.id).result()

    async def start_waiting(self, goal: Posting) -> Run:
        """A workflow that waits for an update, and then calls the tool."""
        workflow_id = f"approved/{goal.name}"
        entry = Entry(entry=goal.entry)
        handle = await self.client.start_workflow("approved", entry, id=workflow_id, task_queue=TASK_QUEUE)
        return Run(workflow_id, handle.first_execution_run_id or "", goal)

    async def until_waiting(self, runs: Sequence[Run]) -> None:
        """Once each says so."""
        async with asyncio.timeout(UNTIL_WAITING_SECONDS):
            await each_of(runs, lambda run: until(lambda: self._waits(run)))

    async def _waits(self, run: Run) -> bool:
        return bool(await self.client.get_workflow_handle(run.id).query("waits"))

    async def decision(self, run: Run) -> Decide:
        """A yes, sent as an update."""
        handle = self.client.get_workflow_handle(run.id)

        async def send() -> None:
            await handle.execute_update("decide", Approval(approver="sam"))

        return send

    async def check_records(self, calls: int) -> None:
        """It keeps none."""


@asynccontextmanager
async def loop(folder: Path, outside: Outside, workers: int = 1) -> AsyncIterator[Loop]:
    """Everything of it running; it ends with the block."""
    make_folder(folder)
    temporal = TemporalServer(choose_ports({"temporal": TEMPORAL_PORT})["temporal"], database=folder / "temporal.db")
    server = Program(
        "temporal", temporal.argv(), environment.for_temporal(os.environ), ServingTemporal(temporal.address)
    )
    programs = [_worker(f"worker-{number}", temporal.address, outside) for number in range(1, workers + 1)]
    async with supervised(folder / "logs", server) as first, supervised(folder / "logs", *programs) as second:
        client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
        yield Loop(client, Processes(tuple(each.pid for each in second.running()), first.running()[0].pid))


def _worker(name: str, address: str, outside: Outside) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-P", "-m", "benchmarks.loop.worker", address, outside.mcp_url),
        environment=environment.for_worker(
            os.environ, claude=environment.simulator_as_claude(outside.api_url), interlock={}
        ),
        ready=ReadyLine("ready"),
    )

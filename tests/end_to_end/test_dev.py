"""`interlock dev` itself, as people start it: killed with kill -9, and started again in the same folder."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio

from tests.end_to_end.processes import (
    INTERLOCK,
    REPOSITORY,
    children_of,
    is_running,
    kill,
    output_of,
    until,
    usual_ports_taken,
    with_our_packages,
)
from workers.embedded.running import RunningDevelopment, read_running


@dataclass
class Dev:
    """One folder, and the `interlock dev` that runs in it."""

    folder: Path
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> RunningDevelopment:
        """What it says of itself once everything runs."""
        with (self.folder / "output").open("ab") as output, usual_ports_taken():
            process = await asyncio.create_subprocess_exec(
                *INTERLOCK, "dev", env=with_our_packages(), cwd=self.folder, stdout=output, stderr=output
            )
            self.started.append(process)
            await until(lambda: self._runs(process), "interlock dev runs")
        running = self.running()
        assert running is not None
        return running

    def running(self) -> RunningDevelopment | None:
        return read_running(self.folder / ".interlock" / "dev.json")

    async def interlock(self, *arguments: str) -> str:
        """What a command prints that is called in this folder."""
        return await output_of(*INTERLOCK, *arguments, environment=with_our_packages(), folder=self.folder)

    async def end(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _runs(self, process: asyncio.subprocess.Process) -> bool:
        assert process.returncode is None, (self.folder / "output").read_text()
        running = self.running()
        return running is not None and running.pid == process.pid


@pytest_asyncio.fixture(loop_scope="session")
async def dev(tmp_path: Path) -> AsyncIterator[Dev]:
    dev = Dev(tmp_path)
    yield dev
    await dev.end()


async def test_killed_it_leaves_no_process_and_started_again_it_continues_the_run_it_left(dev: Dev) -> None:
    first = await dev.start()
    request = str(REPOSITORY / "demo" / "requests" / "refund.json")
    run = json.loads(await dev.interlock("runs", "start", "refund", "--from", request, "--as", "rita", "--json"))["run"]
    await until(lambda: _waits(dev, run), "the refund waits for an approval")
    left = [process.pid for process in first.processes]
    left += [child for pid in left for child in children_of(pid)]
    assert len(left) == len(first.processes) + 2, "the worker started orders and crm"
    await kill(first.pid)
    await until(lambda: not any(map(is_running, left)), "nothing that it started still runs")

    second = await dev.start()
    assert second.deployment == first.deployment
    await dev.interlock("approvals", "approve", f"{run}#1", "--as", "dana")
    await until(lambda: _ended(dev, run), "the refund ends well")
    counted = await output_of(
        sys.executable,
        "-m",
        "demo.mcp_servers.payments",
        "--data",
        str(second.folder / "demo"),
        "--count-credits",
        "A-18",
    )
    assert counted == "1"

    process = dev.started[-1]
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert not any(is_running(each.pid) for each in second.processes)


async def _waits(dev: Dev, run: str) -> bool:
    return f"{run}#1" in await dev.interlock("approvals", "list", "--json")


async def _ended(dev: Dev, run: str) -> bool:
    return '"refunded"' in await dev.interlock("runs", "show", run, "--json")

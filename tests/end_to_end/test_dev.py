"""`interlock dev` itself, as people start it: killed with kill -9, and started again in the same folder."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.end_to_end.development import Dev
from tests.end_to_end.processes import REPOSITORY, children_of, is_running, kill, output_of, until

pytestmark = pytest.mark.many


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

"""`interlock dev --mode production`, its people with keys of their own, and Temporal's stock command line."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from demo import people
from tests.end_to_end.development import Dev
from tests.end_to_end.processes import INTERLOCK, output_of, until
from workers.embedded.running import RunningDevelopment
from workers.embedded.temporal_server import temporal_binary

PATIENCE_SECONDS = 60


@pytest_asyncio.fixture(loop_scope="session")
async def production(tmp_path: Path) -> AsyncIterator[Dev]:
    dev = Dev(tmp_path, "production", people.environment(tmp_path, "production"))
    yield dev
    await dev.end()


async def test_nothing_unsigned_counts_and_a_signed_decision_counts_by_the_stock_command_line(production: Dev) -> None:
    running = await production.start()
    with pytest.raises(AssertionError, match="interlock approvers enrol"):
        await production.interlock("runs", "start", "refund", "--set", "order_id=A-18", "--as", people.REQUESTER)
    await asyncio.to_thread(_put_in_force, production)
    await production.interlock("runs", "start", "refund", "--set", "order_id=A-18", "--as", people.REQUESTER)
    await until(lambda: _waits(production), "the refund waits for an approval")

    await _signal(running, {**await _decision(production, "reject"), "signature": None, "key_id": None})
    await _signal(running, await _decision(production, "approve"))
    assert "refunded" in await production.interlock("runs", "watch", "refund/A-18")
    assert "whole" in await production.interlock("audit", "verify")


def _put_in_force(production: Dev) -> None:
    """Roster, rules and tools, as the demo's people do it."""

    def command(*arguments: str, shows: tuple[str, ...]) -> int:
        del shows
        return subprocess.run(
            (*INTERLOCK, *arguments),
            env=production.environment(),
            cwd=production.folder,
            check=True,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        ).returncode

    people.enrol(command, production.variables, production.mode)
    people.activate(command)


async def _waits(production: Dev) -> bool:
    return "refund/A-18#1" in await production.interlock("approvals", "list", "--as", people.APPROVER, "--json")


async def _decision(production: Dev, verdict: str) -> dict[str, object]:
    signing = ("--verdict", verdict, "--print", "--note", "seen", "--as", people.APPROVER)
    decision: dict[str, object] = json.loads(await production.interlock("approvals", "sign", "refund/A-18#1", *signing))
    return decision


async def _signal(running: RunningDevelopment, decision: dict[str, object]) -> None:
    """Send it with the program that everybody has."""
    named = {"--address": running.temporal_address, "--workflow-id": "refund/A-18", "--name": "decide"}
    arguments = [part for name, value in named.items() for part in (name, value)]
    await output_of(temporal_binary(), "workflow", "signal", *arguments, "--input", json.dumps(decision))

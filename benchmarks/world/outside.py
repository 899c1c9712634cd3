"""What both contestants talk to: the scripted Messages API and the MCP server, and what these two counted."""

import asyncio
import http.client
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.messages_api.watching import Seen
from workers.embedded import environment
from workers.embedded.ports import LOCALHOST, choose_ports
from workers.embedded.program import HealthUrl, Program
from workers.embedded.supervisor import Supervisor

API_PORT, MCP_PORT = 8787, 8701


class ScriptFailed(Exception):
    """The script lacked a value, or a page was asked for wrongly: what was measured is not the work that was meant."""


@dataclass(frozen=True)
class Counts:
    """What the MCP server has seen."""

    pages: Mapping[str, int]
    """Book -> pages that were read."""
    posts: Mapping[str, int]
    """Entry -> how often it was posted."""
    posted: Mapping[str, float]
    """Entry -> when its first call arrived, in seconds since 1970."""

    def calls(self, prefix: str) -> int:
        """Calls for books and entries whose names begin so."""
        counted = (*self.pages.items(), *self.posts.items())
        return sum(count for name, count in counted if name.startswith(prefix))


@dataclass(frozen=True)
class Outside:
    """Both programs."""

    api_port: int
    mcp_port: int

    @property
    def api_url(self) -> str:
        """Where the Messages API is."""
        return f"http://{LOCALHOST}:{self.api_port}"

    @property
    def mcp_url(self) -> str:
        """Where the MCP server is."""
        return f"http://{LOCALHOST}:{self.mcp_port}/mcp"

    async def requests(self) -> int:
        """How many requests the API has had so far. Raises ScriptFailed."""
        told = await self._ask(self.api_port, "GET", "/bench/seen")
        _check(told["refused"])
        return int(told["requests"])

    async def take(self) -> dict[str, list[Seen]]:
        """What the API has seen since it was asked last, by conversation. Raises ScriptFailed."""
        told = await self._ask(self.api_port, "POST", "/bench/take")
        _check(told["refused"])
        return {name: [Seen(*each) for each in seen] for name, seen in told["seen"].items()}

    @asynccontextmanager
    async def model_overloaded(self) -> AsyncIterator[None]:
        """Within the block the API has everybody ask again later, so that no run comes on, and none takes a place."""
        await self._ask(self.api_port, "POST", "/bench/overload")
        try:
            yield
        finally:
            await self._ask(self.api_port, "POST", "/bench/relieve")

    async def counts(self) -> Counts:
        """What the MCP server has counted so far. Raises ScriptFailed."""
        told = await self._ask(self.mcp_port, "GET", "/bench/counts")
        _check(told["refused"])
        return Counts(told["pages"], told["posts"], told["posted"])

    async def forget_refusals(self) -> None:
        """What was refused has been told: it is no reason for the next scenario to fail."""
        await self._ask(self.api_port, "POST", "/bench/take")
        await self._ask(self.mcp_port, "POST", "/bench/forget")

    async def _ask(self, port: int, method: str, path: str) -> dict[str, Any]:
        return await asyncio.to_thread(_ask_now, port, method, path)


def _ask_now(port: int, method: str, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=30)
    try:
        connection.request(method, path)
        told: dict[str, Any] = json.loads(connection.getresponse().read())
        return told
    finally:
        connection.close()


def _check(refused: list[str]) -> None:
    if refused:
        raise ScriptFailed(f"{len(refused)} requests were refused; the first one: {refused[0]}")


@asynccontextmanager
async def an_outside(logs: Path, seed: int) -> AsyncIterator[Outside]:
    """Both running; they end with the block."""
    ports = choose_ports({"api": API_PORT, "mcp": MCP_PORT})
    outside = Outside(ports["api"], ports["mcp"])
    api = _program("messages_api", outside.api_port)
    mcp = _program("mcp_server", outside.mcp_port, "--seed", str(seed))
    async with supervised(logs, api, mcp):
        yield outside


def _program(name: str, port: int, *more: str) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-P", "-m", f"benchmarks.{name}", "--port", str(port), *more),
        environment=environment.for_demo_program(os.environ),
        ready=HealthUrl(f"http://{LOCALHOST}:{port}/health"),
    )


def make_folder(folder: Path) -> None:
    """For us alone, and so that it is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@asynccontextmanager
async def supervised(logs: Path, *programs: Program) -> AsyncIterator[Supervisor]:
    """These programs, running; they are stopped, the last one first, however the block ends."""
    make_folder(logs)
    supervisor = Supervisor(logs, report=lambda _: None, restarted=lambda: None)
    try:
        await supervisor.start(programs)
        yield supervisor
    finally:
        await supervisor.stop()

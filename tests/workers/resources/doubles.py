"""What the tests of the resources talk to: server processes, and an HTTP server that answers what it is told."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.tools import ToolDefinition
from workers.resources.mcp_connections import McpConnections
from workers.resources.servers_file import ServerDeclaration

ROOT = Path(__file__).parents[3]
PLAIN = (sys.executable, "-S", "-E", str(Path(__file__).parent / "servers" / "plain_stdio.py"))
SDK = (sys.executable, "-m", "tests.workers.resources.servers.sdk_server")
PATIENCE = 30.0


def declared(name: str = "peer", **fields: Any) -> ServerDeclaration:
    """A declaration with an owner and a purpose."""
    return ServerDeclaration.model_validate({"name": name, "owner": "tests", "purpose": "testing", **fields})


def stdio(name: str = "peer", command: tuple[str, ...] = PLAIN, **fields: Any) -> ServerDeclaration:
    return declared(name, transport="stdio", command=command, **fields)


def http(port: int, name: str = "peer", **fields: Any) -> ServerDeclaration:
    return declared(name, transport="http", url=f"http://127.0.0.1:{port}/mcp", **fields)


@asynccontextmanager
async def connections(folder: Path, *servers: ServerDeclaration, **options: Any) -> AsyncIterator[McpConnections]:
    toolbox = McpConnections(servers, private_dir=folder / "private", log_dir=folder / "logs", **options)
    try:
        yield toolbox
    finally:
        await toolbox.aclose()


async def tool(toolbox: McpConnections, name: str, server: str = "peer", **changes: Any) -> ToolDefinition:
    found = {definition.name: definition for definition in await toolbox.definitions(server)}
    return found[name].model_copy(update=changes)


async def eventually(seen: Callable[[], bool]) -> None:
    """Wait, for a bounded time, until `seen`."""
    async with asyncio.timeout(PATIENCE):
        while not seen():
            await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HttpServerProcess:
    """The SDK's server over HTTP, as a process that can be killed and started again on its port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *options: str, **environment: str) -> None:
        command = [*SDK, "--http", str(self.port), *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=os.environ | environment)
        stderr = self._process.stderr
        assert stderr
        async with asyncio.timeout(PATIENCE):
            while b"listening" not in (line := await asyncio.to_thread(stderr.readline)):
                assert line, "the server ended before it listened"

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr
            self._process.stderr.close()
            self._process = None

    async def restart(self, *options: str, **environment: str) -> None:
        self.kill()
        await self.start(*options, **environment)


@asynccontextmanager
async def http_server(*options: str, **environment: str) -> AsyncIterator[HttpServerProcess]:
    server = HttpServerProcess()
    try:
        await server.start(*options, **environment)
        yield server
    finally:
        server.kill()


@dataclass
class Heard:
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body or b"{}")  # type: ignore[no-any-return]


Answer = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedHttp:
    """An HTTP server that answers exactly what it is told, byte by byte."""

    answer: Answer
    heard: list[Heard] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedHttp"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                heard = await _request(reader)
                self.heard.append(heard)
                await self.answer(heard, writer)
                await writer.drain()
        writer.close()


async def _request(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method, path, headers, body)


def reply(
    writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json", **headers: str
) -> None:
    """A whole response."""
    lines = {
        "content-type": kind,
        "content-length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)


def begin(writer: asyncio.StreamWriter, kind: str = "text/event-stream", **headers: str) -> None:
    """The head of a response whose body ends when the connection does."""
    lines = {"content-type": kind, "connection": "close", **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())

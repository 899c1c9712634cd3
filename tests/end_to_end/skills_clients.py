"""MCP clients of `interlock mcp serve` as real processes have them: over stdio, and over HTTP with a token."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.end_to_end.processes import INTERLOCK, PATIENCE, REPOSITORY, with_our_packages

SERVE = ("mcp", "serve")
Era = Literal["auto", "legacy"]
"""Of the protocol: the newest that both speak, or the one before 2026-07-28."""


@asynccontextmanager
async def over_stdio(
    address: str,
    user: str,
    log: Path,
    *options: str,
    era: Era = "auto",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """A client that starts the server itself, as Claude Desktop does. What the server says beside goes to `log`."""
    program, *words = (*INTERLOCK, *SERVE, "--address", address, "--as", user, *options)
    named = {"PYTHONPATH": str(REPOSITORY), "TEMPORAL_CONFIG_FILE": os.devnull, **environment}
    parameters = StdioServerParameters(command=program, args=words, env=named, cwd=log.parent)
    with log.open("a") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=era) as client:
            yield client


@asynccontextmanager
async def http_endpoint(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """`interlock mcp serve --http` in a folder, on a free port; where it serves."""
    process = await asyncio.create_subprocess_exec(
        *INTERLOCK,
        *SERVE,
        *("--http", "127.0.0.1:0", *options),
        cwd=folder,
        env=environment or with_our_packages(),
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            said = (await process.stdout.readline()).decode()
        assert " at http://" in said, f"it ended with {process.returncode}: {said}"
        yield said.rpartition(" at ")[2].strip()
        process.terminate()
        async with asyncio.timeout(PATIENCE.total_seconds()):
            assert await process.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def over_http(url: str, token: str, era: Era = "auto") -> AsyncIterator[Client]:
    """A client that brings a token."""
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        yield client

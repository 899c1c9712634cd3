"""What holds for a server as a whole: a probe that really asks it, what failures say of its health, its own limits."""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from activities.toolbox import Health, NotSent, ServerRefused, UnknownServer
from contracts.servers import Limits, ServerRules
from tests.workers.resources.doubles import (
    Heard,
    ScriptedHttp,
    connections,
    free_port,
    http,
    http_server,
    reply,
    stdio,
    tool,
)
from workers.resources.mcp_connections import McpConnections

KIB = 1024


async def health(toolbox: McpConnections) -> Health:
    """What a probe that fails says of the server."""
    with pytest.raises(NotSent) as raised:
        await toolbox.probe("peer")
    return raised.value.health


async def test_a_probe_asks_a_stdio_server_also_when_its_tools_are_known(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio()) as toolbox:
        answer = await toolbox.call(await tool(toolbox, "echo"), {"n": 1}, "key")
        assert isinstance(answer.content, dict)
        pid = answer.content["pid"]
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert await toolbox.definitions("peer")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await toolbox.probe("peer")
        finally:
            os.kill(pid, signal.SIGCONT)
        await toolbox.probe("peer")


async def test_a_probe_asks_an_http_server_of_either_era_also_when_its_tools_are_known(tmp_path: Path) -> None:
    async with http_server() as server, AsyncExitStack() as opened:
        eras = [
            await opened.enter_async_context(connections(tmp_path, http(server.port, protocol=protocol)))
            for protocol in ("legacy", "auto")
        ]
        for toolbox in eras:
            await toolbox.probe("peer")
            assert await toolbox.definitions("peer")
        server.kill()
        assert [await health(toolbox) for toolbox in eras] == [Health.UNHEALTHY] * 2
        await server.start()
        for toolbox in eras:
            await toolbox.probe("peer")


async def test_a_server_that_cannot_be_started_or_reached_is_ill(tmp_path: Path) -> None:
    for server in (stdio(command=("/nonexistent/program",)), http(free_port()), stdio(command=("/bin/false",))):
        async with connections(tmp_path, server, open_seconds=2) as toolbox:
            assert await health(toolbox) is Health.UNHEALTHY


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, Health.HEALTHY),
        (403, Health.HEALTHY),
        (404, Health.HEALTHY),
        (429, Health.HEALTHY),
        (500, Health.UNHEALTHY),
        (502, Health.UNHEALTHY),
        (503, Health.UNHEALTHY),
    ],
)
async def test_a_server_that_refuses_is_well_and_one_that_fails_is_not(
    tmp_path: Path, status: int, says: Health
) -> None:
    async def answer(_: Heard, writer: asyncio.StreamWriter) -> None:
        reply(writer, status, b"{}", retry_after="7")

    async with ScriptedHttp(answer).running() as double, connections(tmp_path, http(double.port)) as toolbox:
        assert await health(toolbox) is says


async def test_a_missing_credential_says_nothing_of_the_server(tmp_path: Path) -> None:
    missing = "env:NOT_SET_ANYWHERE"
    for server in (stdio(credential=missing, env_name="TOKEN"), http(free_port(), credential=missing)):
        async with connections(tmp_path, server) as toolbox:
            assert await health(toolbox) is Health.UNTOLD


async def test_a_server_nobody_declared_has_no_rules_and_no_probe(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio()) as toolbox:
        assert toolbox.rules("peer") == ServerRules()
        with pytest.raises(UnknownServer):
            toolbox.rules("other")
        with pytest.raises(UnknownServer):
            await toolbox.probe("other")


async def test_a_server_is_given_no_more_than_it_is_declared_to_take(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(limits={"arguments": "1KiB"})) as toolbox:
        echo = await tool(toolbox, "echo")
        await toolbox.call(echo, {"n": "x" * (KIB - 20)}, "key")
        with pytest.raises(ServerRefused, match=f"more than {KIB}; nothing was sent"):
            await toolbox.call(echo, {"n": "x" * KIB}, "key")


async def test_an_answer_over_the_servers_own_limit_was_executed_and_is_unreadable(tmp_path: Path) -> None:
    small = {"answer": "64KiB"}
    async with http_server() as server:
        for declaration in (stdio(limits=small), http(server.port, limits=small)):
            async with connections(tmp_path, declaration) as toolbox:
                huge = await tool(toolbox, "huge")
                large = await toolbox.call(huge, {"bytes": 65 * KIB}, "key")
                fits = await toolbox.call(huge, {"bytes": 60 * KIB}, "key")
            assert f"larger than {64 * KIB} bytes" in large.unreadable and large.content is None
            assert isinstance(fits.content, str) and len(fits.content) == 60 * KIB


def test_what_is_declared_is_what_holds(tmp_path: Path) -> None:
    server = stdio(command=(sys.executable,), limits={"concurrency": 2, "rate": "600/min", "answer": "1MiB"})
    limits = McpConnections([server], private_dir=tmp_path, log_dir=tmp_path).rules("peer").limits
    assert (limits.concurrency, limits.answer, limits.arguments) == (2, 1024 * KIB, Limits().arguments)
    assert limits.rate is not None and limits.rate.per_second == 10

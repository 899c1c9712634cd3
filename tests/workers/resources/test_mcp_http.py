"""HTTP servers of both eras: restarts, broken connections, refusals, and what each says about execution."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused
from contracts.tools import Delivered
from tests.workers.resources.doubles import (
    Heard,
    HttpServerProcess,
    ScriptedHttp,
    begin,
    connections,
    eventually,
    free_port,
    http,
    http_server,
    reply,
    tool,
)
from workers.resources.mcp_connections import McpConnections, limits

pytestmark = pytest.mark.many

ERAS = ["auto", "legacy"]
era = pytest.mark.parametrize("era", ERAS)


@pytest.fixture(scope="module")
async def shared_server() -> AsyncIterator[HttpServerProcess]:
    async with http_server() as server:
        yield server


async def echoed(toolbox: McpConnections, n: int) -> Any:
    answer = await toolbox.call(await tool(toolbox, "echo"), {"n": n}, "key")
    assert isinstance(answer.content, dict)
    return answer.content["n"]


@era
async def test_fifty_concurrent_calls_get_their_own_answers(
    tmp_path: Path, shared_server: HttpServerProcess, era: str
) -> None:
    async with connections(tmp_path, http(shared_server.port, protocol=era)) as toolbox:
        assert await asyncio.gather(*(echoed(toolbox, n) for n in range(50))) == list(range(50))


@era
async def test_a_server_restarted_while_idle_answers_the_next_call(tmp_path: Path, era: str) -> None:
    async with http_server() as server, connections(tmp_path, http(server.port, protocol=era)) as toolbox:
        echo = await tool(toolbox, "echo")
        before = await toolbox.call(echo, {"n": 1}, "key")
        await server.restart()
        # All at once: none of them may pay for the session another one found lost.
        after = await asyncio.gather(*(toolbox.call(echo, {"n": 1}, "key") for _ in range(10)))
    assert all(answer.content != before.content for answer in after)
    assert all(isinstance(answer.content, dict) and answer.content["n"] == 1 for answer in after)


@era
async def test_a_server_killed_in_mid_call_leaves_it_unknown_then_is_not_reached_then_answers_again(
    tmp_path: Path, era: str
) -> None:
    marker = tmp_path / "marker"
    async with http_server() as server, connections(tmp_path, http(server.port, protocol=era)) as toolbox:
        echo, wait = await tool(toolbox, "echo"), await tool(toolbox, "wait")
        call = asyncio.create_task(toolbox.call(wait, {"marker": str(marker), "seconds": 60}, "key"))
        await eventually(marker.exists)
        server.kill()
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(call, 20)
        with pytest.raises(NotSent):
            await toolbox.call(echo, {"n": 1}, "key")
        await server.start()
        assert (await toolbox.call(echo, {"n": 1}, "key")).is_error is False


@era
async def test_cancelling_one_call_harms_no_other(tmp_path: Path, shared_server: HttpServerProcess, era: str) -> None:
    async with connections(tmp_path, http(shared_server.port, protocol=era)) as toolbox:
        wait = await tool(toolbox, "wait")

        def waiting(name: str, seconds: float) -> "asyncio.Task[Delivered]":
            arguments = {"marker": str(tmp_path / name), "seconds": seconds}
            return asyncio.create_task(toolbox.call(wait, arguments, "key"))  # type: ignore[arg-type]

        bystander, victim = waiting("a", 1.0), waiting("b", 60)
        await eventually(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
        victim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await victim
        assert (await asyncio.wait_for(bystander, 10)).content == {"waited": 1.0}
        assert await echoed(toolbox, 4) == 4


@era
async def test_a_call_that_is_not_answered_in_its_time_is_unknown(
    tmp_path: Path, shared_server: HttpServerProcess, era: str
) -> None:
    async with connections(tmp_path, http(shared_server.port, protocol=era)) as toolbox:
        wait = await tool(toolbox, "wait", timeout_seconds=0.3)
        with pytest.raises(OutcomeUnknown):
            await toolbox.call(wait, {"marker": str(tmp_path / "m"), "seconds": 60}, "key")
        assert await echoed(toolbox, 1) == 1


@era
async def test_the_key_and_the_credential_travel_as_headers_of_their_own_calls(
    tmp_path: Path, shared_server: HttpServerProcess, era: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    declared = http(
        shared_server.port,
        protocol=era,
        credential=f"file:{secret}",
        header="X-Auth",
        scheme="Token",
        tools={"heard": {"key": {"header": "Idempotency-Key", "meta": "com.example/key"}}},
    )
    async with connections(tmp_path, declared) as toolbox:
        heard = await tool(toolbox, "heard")

        async def headers(key: str) -> Any:
            answer = await toolbox.call(heard, {"cents": 1}, key)
            assert isinstance(answer.content, dict)
            return answer.content["headers"]

        seen = await asyncio.gather(*(headers(f"key-{n}") for n in range(10)))
        secret.write_text("second")
        rotated = await headers("key-10")
    assert [one["idempotency-key"] for one in seen] == [f"key-{n}" for n in range(10)]
    assert {one["x-auth"] for one in seen} == {"Token first"}
    assert rotated["x-auth"] == "Token second"


async def test_a_result_that_breaks_its_schema_and_one_that_is_too_large_were_executed(
    tmp_path: Path, shared_server: HttpServerProcess
) -> None:
    for protocol in ERAS:
        async with connections(tmp_path, http(shared_server.port, protocol=protocol)) as toolbox:
            wrong = await toolbox.call(await tool(toolbox, "wrong_schema"), {}, "key")
            huge = await tool(toolbox, "huge")
            large = await toolbox.call(huge, {"bytes": 2 * limits.ANSWER_BYTES}, "key")
            fits = await toolbox.call(huge, {"bytes": limits.ANSWER_BYTES - 1000}, "key")
        assert "shape" in wrong.unreadable
        assert str(limits.ANSWER_BYTES) in large.unreadable and large.content is None
        assert isinstance(fits.content, str) and len(fits.content) == limits.ANSWER_BYTES - 1000


async def test_resources_are_listed_and_read(tmp_path: Path, shared_server: HttpServerProcess) -> None:
    async with connections(tmp_path, http(shared_server.port)) as toolbox:
        read = await toolbox.call(await tool(toolbox, "resources/read"), {"uri": "demo://open"}, "")
    assert read.content == {"open": [7]}


async def test_a_server_that_went_back_to_the_handshake_era_is_probed_again(tmp_path: Path) -> None:
    async with http_server() as server, connections(tmp_path, http(server.port)) as toolbox:
        echo = await tool(toolbox, "echo")
        await server.restart("--handshake-only")
        assert (await toolbox.call(echo, {"n": 1}, "key")).is_error is False
        await server.restart()
        assert (await toolbox.call(echo, {"n": 2}, "key")).is_error is False


async def test_a_pinned_modern_era_is_not_given_up(tmp_path: Path) -> None:
    async with http_server("--handshake-only") as server:
        pinned = http(server.port, protocol="2026-07-28")
        async with connections(tmp_path, pinned) as toolbox:
            with pytest.raises(NotSent, match="2026-07-28"):
                await toolbox.definitions("peer")


async def test_nobody_listening_sends_nothing(tmp_path: Path) -> None:
    for protocol in ERAS:
        async with connections(tmp_path, http(free_port(), protocol=protocol)) as toolbox:
            with pytest.raises(NotSent, match="peer"):
                await toolbox.definitions("peer")


# A modern server whose answers to calls are scripted byte by byte.

Script = Callable[[Heard, asyncio.StreamWriter], Awaitable[None] | None]


def result_of(heard: Heard, result: dict[str, Any]) -> bytes:
    return json.dumps(
        {"jsonrpc": "2.0", "id": heard.json["id"], "result": {"resultType": "complete", **result}}
    ).encode()


class ModernServer:
    """Answers discovery and listing; `script` answers the calls, by the argument `how` when it is a table."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls = 0

    async def __call__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        fresh = {"ttlMs": 60_000, "cacheScope": "private"}
        match heard.json.get("method"):
            case "server/discover":
                about = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "resources": {}}}
                reply(writer, 200, result_of(heard, {**about, **fresh}))
            case "tools/list":
                tools = [{"name": "act", "inputSchema": {"type": "object"}}]
                reply(writer, 200, result_of(heard, {"tools": tools, **fresh}))
            case _:
                self.calls += 1
                answering = self.script(heard, writer)
                if answering is not None:
                    await answering


@asynccontextmanager
async def modern(folder: Path, script: Script) -> AsyncIterator[tuple[McpConnections, ModernServer]]:
    server = ModernServer(script)
    async with ScriptedHttp(server).running() as double, connections(folder, http(double.port)) as toolbox:
        yield toolbox, server


async def acted(folder: Path, script: Script) -> tuple[Delivered, int]:
    async with modern(folder, script) as (toolbox, server):
        return await asyncio.wait_for(toolbox.call(await tool(toolbox, "act"), {}, "key"), 20), server.calls


def status(code: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> Script:
    return lambda heard, writer: reply(writer, code, body, kind, **headers)


def rpc_error(code: int, number: int) -> Script:
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": number, "message": "told so"}}).encode()
    return status(code, body, "application/json")


@pytest.mark.parametrize("code", [401, 403, 404, 405, 409, 413, 422])
async def test_a_client_error_is_a_refusal(tmp_path: Path, code: int) -> None:
    with pytest.raises(ServerRefused, match=str(code)):
        await acted(tmp_path, status(code))


@pytest.mark.parametrize("number", [-32600, -32601, -32602, -32020, -32022])
async def test_a_refusal_in_the_body_of_a_client_error_is_passed_on(tmp_path: Path, number: int) -> None:
    with pytest.raises(ServerRefused, match="told so"):
        await acted(tmp_path, rpc_error(400, number))


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        (status(429, retry_after="7"), 7.0),
        (status(429), None),
        (status(503, retry_after="3"), 3.0),
        (status(408), None),
    ],
)
async def test_a_server_that_is_too_busy_executed_nothing(
    tmp_path: Path, script: Script, seconds: float | None
) -> None:
    with pytest.raises(NotSent) as caught:
        await acted(tmp_path, script)
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "script",
    [
        status(500),
        status(502),
        status(503),
        status(504),
        rpc_error(500, -32600),
        rpc_error(200, -32603),
        status(200, b'{"jsonrpc":"2.0","id":98765,"result":{}}', "application/json"),
        status(202),
        status(200, b"<html>", "text/html"),
        lambda heard, writer: writer.transport.abort(),
        lambda heard, writer: writer.close(),
    ],
    ids=["500", "502", "503", "504", "500 with a body", "internal", "other id", "202", "html", "reset", "closed"],
)
async def test_an_answer_that_does_not_tell_leaves_the_call_unknown(tmp_path: Path, script: Script) -> None:
    with pytest.raises(OutcomeUnknown):
        await acted(tmp_path, script)


def cut_json(heard: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
    writer.close()


def cut_events(heard: Heard, writer: asyncio.StreamWriter) -> None:
    begin(writer)
    writer.write(b": ping\n\ndata: {")
    writer.close()


@pytest.mark.parametrize("script", [cut_json, cut_events])
async def test_an_answer_cut_in_the_middle_leaves_the_call_unknown(tmp_path: Path, script: Script) -> None:
    with pytest.raises(OutcomeUnknown):
        await acted(tmp_path, script)


def events(*data: bytes) -> Script:
    def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        begin(writer)
        for one in data:
            writer.write(b"event: message\ndata: " + one.replace(b"ID", str(heard.json["id"]).encode()) + b"\n\n")
        writer.close()

    return script


@pytest.mark.parametrize(
    "script",
    [
        status(200, b"{garbage", "application/json"),
        status(200, b'"' + b"x" * limits.ANSWER_BYTES + b'"', "application/json"),
        status(200, b'{"jsonrpc":"2.0","id":1,"result":17}', "application/json"),
        events(b"{garbage"),
        events(b'{"x":"' + b"x" * limits.ANSWER_BYTES + b'"}'),
        events(b'{"jsonrpc":"2.0","id":ID,"result":{"content":"none","resultType":"complete"}}'),
    ],
    ids=["garbage", "large", "no object", "garbage event", "large event", "wrong shape"],
)
async def test_an_answer_that_cannot_be_read_was_executed(tmp_path: Path, script: Script) -> None:
    answer, calls = await acted(tmp_path, script)
    assert answer.unreadable and answer.content is None
    assert calls == 1


async def test_events_in_pieces_are_put_together(tmp_path: Path) -> None:
    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        begin(writer)
        answer = result_of(heard, {"content": [{"type": "text", "text": "whole"}]})
        for byte in b": ping\r\n\r\ndata: " + answer + b"\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
        await asyncio.Event().wait()

    answer, _ = await acted(tmp_path, script)
    assert answer == Delivered(content="whole")


async def test_a_broken_connection_harms_no_bystander(tmp_path: Path) -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if heard.json["params"]["arguments"]["how"] == "break":
            writer.transport.abort()
            return
        held.set()
        await release.wait()
        reply(writer, 200, result_of(heard, {"content": [{"type": "text", "text": "unharmed"}]}))

    async with modern(tmp_path, script) as (toolbox, _):
        act = await tool(toolbox, "act")
        bystander = asyncio.create_task(toolbox.call(act, {"how": "wait"}, "key"))
        await asyncio.wait_for(held.wait(), 10)
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await toolbox.call(act, {"how": "break"}, "key")
        release.set()
        assert (await asyncio.wait_for(bystander, 10)).content == "unharmed"


async def test_a_redirect_to_another_origin_is_not_followed_and_carries_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEER_TOKEN", "canary")

    async def elsewhere(heard: Heard, writer: asyncio.StreamWriter) -> None:
        reply(writer, 200, b"{}")

    async with ScriptedHttp(elsewhere).running() as other:
        server = ModernServer(status(307, location=f"http://127.0.0.1:{other.port}/mcp"))
        async with ScriptedHttp(server).running() as double:
            async with connections(tmp_path, http(double.port, credential="env:PEER_TOKEN")) as toolbox:
                with pytest.raises(ServerRefused):
                    await toolbox.call(await tool(toolbox, "act"), {}, "key")
            assert double.heard[0].headers["authorization"] == "Bearer canary"
        assert other.heard == []


async def test_one_call_is_one_request_and_a_listing_is_asked_once_in_its_time_to_live(tmp_path: Path) -> None:
    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        reply(writer, 200, result_of(heard, {"content": []}))

    server = ModernServer(script)
    async with ScriptedHttp(server).running() as double, connections(tmp_path, http(double.port)) as toolbox:
        act = await tool(toolbox, "act")
        opening = len(double.heard)
        for _ in range(5):
            await toolbox.call(act, {}, "key")
            await toolbox.definitions("peer")
        assert len(double.heard) == opening + 5


async def test_a_server_without_templates_lists_its_resources(tmp_path: Path) -> None:
    def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if heard.json["method"] == "resources/templates/list":
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "no such method"}}
            return reply(writer, 404, json.dumps(body).encode())
        found = {"resources": [{"uri": "a://b", "name": "b"}], "ttlMs": 0, "cacheScope": "private"}
        return reply(writer, 200, result_of(heard, found))

    async with modern(tmp_path, script) as (toolbox, _):
        answer = await toolbox.call(await tool(toolbox, "resources/list"), {}, "")
    assert answer.content == {"resources": [{"uri": "a://b", "name": "b"}], "templates": []}

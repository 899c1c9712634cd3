"""Stdio servers: one supervised process each, and what its misbehaviour means for the calls on it."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused, Toolbox, UnknownServer
from contracts.tools import Delivered, EffectClass, Lookup
from tests.workers.resources.doubles import PLAIN, SDK, connections, declared, eventually, stdio, tool
from workers.resources.mcp_connections import McpConnections, limits

pytestmark = pytest.mark.many

MIB = 1024 * 1024
PORT: type[Toolbox] = McpConnections


@asynccontextmanager
async def plain(folder: Path, **fields: Any) -> AsyncIterator[McpConnections]:
    async with connections(folder, stdio(**fields)) as toolbox:
        yield toolbox


async def echoed(toolbox: McpConnections, n: int, server: str = "peer") -> tuple[int, int]:
    """What came back, and from which process."""
    answer = await toolbox.call(await tool(toolbox, "echo", server), {"n": n}, "key")
    assert isinstance(answer.content, dict)
    number, pid = answer.content["n"], answer.content["pid"]
    assert isinstance(number, int) and isinstance(pid, int)
    return number, pid


async def hanging(toolbox: McpConnections, folder: Path, **changes: Any) -> "asyncio.Task[Delivered]":
    """A call the server has taken and does not answer."""
    log = folder / "logs" / "peer.log"
    before = log.read_text().count("hanging") if log.exists() else 0
    call = asyncio.create_task(toolbox.call(await tool(toolbox, "hang", **changes), {}, "key"))
    await eventually(lambda: log.exists() and log.read_text().count("hanging") > before)
    return call


async def test_fifty_concurrent_calls_on_one_connection_get_their_own_answers(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(command=SDK)) as toolbox:
        answers = await asyncio.gather(*(echoed(toolbox, n) for n in range(50)))
    assert [n for n, _ in answers] == list(range(50))
    assert len({pid for _, pid in answers}) == 1


async def test_a_server_killed_in_mid_call_leaves_its_calls_unknown_and_the_next_call_reopens(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        _, pid = await echoed(toolbox, 1)
        calls = [await hanging(toolbox, tmp_path) for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        for call in calls:
            with pytest.raises(OutcomeUnknown):
                await asyncio.wait_for(call, 10)
        number, other = await echoed(toolbox, 2)
    assert number == 2 and other != pid


async def test_a_server_that_exits_in_a_call_leaves_it_unknown(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        with pytest.raises(OutcomeUnknown):
            await toolbox.call(await tool(toolbox, "exit"), {}, "key")
        assert (await echoed(toolbox, 3))[0] == 3


async def test_a_call_that_is_looked_up_does_not_leave_over_a_connection_that_took_long_to_open(tmp_path: Path) -> None:
    soon = Lookup(tool="echo", match="/n", slowest_seconds=0.02)
    async with plain(tmp_path) as known, connections(tmp_path / "other", stdio()) as toolbox:
        echo = await tool(known, "echo", lookup=soon)
        with pytest.raises(NotSent, match="until peer was open") as raised:
            await toolbox.call(echo, {"n": 1}, "key")
        answer = await toolbox.call(echo, {"n": 2}, "key")

    assert raised.value.health is Health.HEALTHY
    assert isinstance(answer.content, dict) and answer.content["n"] == 2


async def test_a_server_that_died_while_idle_is_reopened_by_the_next_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workers.resources.mcp_connections")
    async with plain(tmp_path) as toolbox:
        _, pid = await echoed(toolbox, 1)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: "mcp_connection_ended" in caplog.messages)
        number, other = await echoed(toolbox, 2)
    assert number == 2 and other != pid


async def test_a_cancelled_call_harms_no_other(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        _, pid = await echoed(toolbox, 1)
        bystander = await hanging(toolbox, tmp_path)
        victim = await hanging(toolbox, tmp_path)
        victim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await victim
        assert await echoed(toolbox, 2) == (2, pid)
        assert not bystander.done()
        bystander.cancel()


async def test_a_call_that_is_not_answered_in_its_time_is_unknown_and_the_connection_lives(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        _, pid = await echoed(toolbox, 1)
        call = await hanging(toolbox, tmp_path, timeout_seconds=0.2)
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(call, 10)
        assert await echoed(toolbox, 2) == (2, pid)


@pytest.mark.parametrize("name", ["huge", "huge_id_last"])
async def test_an_answer_that_is_too_large_was_executed_and_is_unreadable(tmp_path: Path, name: str) -> None:
    async with plain(tmp_path) as toolbox:
        call = asyncio.create_task(toolbox.call(await tool(toolbox, name), {"bytes": 20 * MIB}, "key"))
        answer = await asyncio.wait_for(call, 20)
        assert str(limits.ANSWER_BYTES) in answer.unreadable and answer.content is None
        assert (await echoed(toolbox, 1))[0] == 1


async def test_an_answer_just_within_the_limit_is_read(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        answer = await toolbox.call(await tool(toolbox, "huge"), {"bytes": limits.ANSWER_BYTES - 200}, "key")
    assert isinstance(answer.content, str) and len(answer.content) == limits.ANSWER_BYTES - 200


async def test_an_answer_that_is_garbage_was_executed_and_is_unreadable(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        answer = await toolbox.call(await tool(toolbox, "garbage"), {}, "key")
        assert "JSON-RPC" in answer.unreadable
        assert (await toolbox.call(await tool(toolbox, "unanswerable"), {}, "key")).content == {"n": 0}


@pytest.mark.parametrize("code", [-32600, -32601, -32602, -32700, -32020, -32021, -32022, -32002])
async def test_a_refusal_by_the_protocol_is_final(tmp_path: Path, code: int) -> None:
    async with plain(tmp_path) as toolbox:
        with pytest.raises(ServerRefused, match="told so"):
            await toolbox.call(await tool(toolbox, "code"), {"code": code}, "key")


@pytest.mark.parametrize("code", [-32603, -32000, -32001, -32050])
async def test_an_internal_error_of_the_server_leaves_the_call_unknown(tmp_path: Path, code: int) -> None:
    async with plain(tmp_path) as toolbox:
        with pytest.raises(OutcomeUnknown):
            await toolbox.call(await tool(toolbox, "code"), {"code": code}, "key")


async def test_an_error_code_of_the_tools_own_is_the_tool_saying_no(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        answer = await toolbox.call(await tool(toolbox, "code"), {"code": 17}, "key")
    assert answer == Delivered(is_error=True, content="told so")


@pytest.mark.parametrize(
    "command", [("/nonexistent/program",), ("/bin/false",), ("/bin/sh", "-c", "echo no protocol; exec sleep 60")]
)
async def test_a_command_that_is_no_server_sends_nothing(tmp_path: Path, command: tuple[str, ...]) -> None:
    async with connections(tmp_path, stdio("good"), stdio(command=command), open_seconds=1) as toolbox:
        elsewhere = (await tool(toolbox, "echo", "good")).model_copy(update={"server": "peer"})
        with pytest.raises(NotSent, match="peer"):
            await toolbox.call(elsewhere, {}, "key")
        with pytest.raises(NotSent, match="peer"):
            await toolbox.definitions("peer")
        assert (await echoed(toolbox, 1, "good"))[0] == 1


async def test_arguments_that_are_too_large_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        with pytest.raises(ServerRefused, match="nothing was sent"):
            await toolbox.call(await tool(toolbox, "echo"), {"n": "x" * limits.ARGUMENT_BYTES}, "key")


async def test_a_server_sees_its_declared_environment_and_a_home_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "canary")
    monkeypatch.setenv("OTHER_TOKEN", "canary")
    monkeypatch.setenv("MY_TOKEN", "mine")
    own = stdio(env={"REGION": "eu"}, credential="env:MY_TOKEN", env_name="TOKEN")
    other = stdio("other", credential="env:OTHER_TOKEN", env_name="TOKEN")
    async with connections(tmp_path, own, other) as toolbox:
        seen = (await toolbox.call(await tool(toolbox, "environment"), {}, "key")).content
    assert isinstance(seen, dict)
    assert (seen["REGION"], seen["TOKEN"]) == ("eu", "mine")
    assert seen["HOME"] == str(tmp_path / "private" / "homes" / "peer")
    assert "canary" not in seen.values()
    assert set(seen) <= {"HOME", "PATH", "SHELL", "TERM", "LOGNAME", "USER", "REGION", "TOKEN", "LC_CTYPE"}


async def test_a_missing_credential_sends_nothing_and_names_its_reference(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(credential="env:NOT_SET_ANYWHERE", env_name="TOKEN")) as toolbox:
        with pytest.raises(NotSent, match="NOT_SET_ANYWHERE"):
            await toolbox.definitions("peer")


async def test_closing_ends_the_processes_and_calls_under_way(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        _, pid = await echoed(toolbox, 1)
        call = await hanging(toolbox, tmp_path)
        await asyncio.wait_for(toolbox.aclose(), 15)
        with pytest.raises(OutcomeUnknown):
            await asyncio.wait_for(call, 5)
        assert not Path(f"/proc/{pid}").exists()


async def test_an_undeclared_server_is_named_with_the_way_out(tmp_path: Path) -> None:
    async with plain(tmp_path) as toolbox:
        assert toolbox.servers() == ("peer",)
        with pytest.raises(UnknownServer, match=r"'bank'.*peer"):
            await toolbox.definitions("bank")


async def test_definitions_come_from_all_pages_sorted_with_the_resources_as_tools(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(command=SDK)) as toolbox:
        found = await toolbox.definitions("peer")
    names = [definition.name for definition in found]
    assert names == sorted(names) and {"wait", "wrong_schema", "resources/list", "resources/read"} <= set(names)
    assert {definition.kind for definition in found if "/" in definition.name} == {"resource"}


async def test_resources_are_listed_and_read_like_tools(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(command=SDK)) as toolbox:
        listed = await toolbox.call(await tool(toolbox, "resources/list"), {}, "")
        read_tool = await tool(toolbox, "resources/read")
        read = await toolbox.call(read_tool, {"uri": "demo://open"}, "")
        with pytest.raises(ServerRefused):
            await toolbox.call(read_tool, {"uri": "demo://none"}, "")
        with pytest.raises(ServerRefused, match="uri"):
            await toolbox.call(read_tool, {}, "")
    assert isinstance(listed.content, dict)
    assert listed.content["resources"] == [{"uri": "demo://open", "name": "open"}]
    assert listed.content["templates"] == [{"uriTemplate": "demo://order/{id}", "name": "order"}]
    assert read.content == {"open": [7]}


async def effect_classes(folder: Path, **fields: Any) -> dict[str, EffectClass]:
    async with connections(folder, stdio(command=SDK, **fields)) as toolbox:
        return {definition.name: definition.effect_class for definition in await toolbox.definitions("peer")}


async def test_the_hints_of_an_untrusted_server_are_not_believed(tmp_path: Path) -> None:
    found = await effect_classes(tmp_path)
    assert {found[name] for name in ("echo", "put", "half", "wait")} == {EffectClass.OPAQUE}
    assert found["resources/read"] is EffectClass.READ


async def test_the_operator_comes_before_the_hints_of_a_trusted_server(tmp_path: Path) -> None:
    looked_up = {"key": {"argument": "k"}, "lookup": {"tool": "echo", "match": "/k"}}
    rules = {"echo": {"effect_class": "opaque"}, "wait": {"key": {"argument": "k"}}, "half": looked_up}
    found = await effect_classes(tmp_path, trusted=True, tools=rules)
    assert found["echo"] is EffectClass.OPAQUE and found["wait"] is EffectClass.KEYED
    assert found["half"] is EffectClass.QUERYABLE
    assert found["put"] is EffectClass.IDEMPOTENT
    unsaid = await effect_classes(tmp_path, trusted=True)
    # Not said to be harmless to repeat: destructive is what the specification assumes.
    assert unsaid["half"] is EffectClass.OPAQUE
    assert unsaid["echo"] is EffectClass.READ


async def test_the_key_is_ours_and_hidden_from_whoever_writes_arguments(tmp_path: Path) -> None:
    rule = {"effect_class": "keyed", "key": {"argument": "idempotency_key", "meta": "com.example/key"}}
    async with connections(tmp_path, stdio(command=SDK, tools={"heard": {**rule, "timeout": "PT5S"}})) as toolbox:
        heard = await tool(toolbox, "heard")
        arguments: dict[str, JsonValue] = {"cents": 5, "idempotency_key": "the model's"}
        answer = await toolbox.call(heard, arguments, "ours")
    assert heard.input_schema["properties"] == {"cents": {"type": "integer"}}
    assert heard.input_schema["required"] == ["cents"]
    assert heard.timeout_seconds == 5 and heard.key and heard.key.horizon_seconds == 86_400
    assert isinstance(answer.content, dict) and isinstance(answer.content["meta"], dict)
    assert answer.content["arguments"] == {"cents": 5, "idempotency_key": "ours"}
    assert answer.content["meta"]["com.example/key"] == "ours"
    assert arguments["idempotency_key"] == "the model's"


async def test_a_result_that_breaks_its_schema_was_executed_and_is_unreadable(tmp_path: Path) -> None:
    async with connections(tmp_path, stdio(command=SDK)) as toolbox:
        answer = await toolbox.call(await tool(toolbox, "wrong_schema"), {}, "key")
        said_no = await toolbox.call(await tool(toolbox, "say_no"), {}, "key")
    assert "shape" in answer.unreadable and answer.content is None
    assert said_no == Delivered(is_error=True, content="card declined")


async def test_opening_is_done_once_for_all_who_wait_for_it(tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = ("/bin/sh", "-c", f'echo x >> {count}; exec "$@"', "sh", *PLAIN)
    async with connections(tmp_path, stdio(command=command)) as toolbox:
        opening = [asyncio.create_task(toolbox.definitions("peer")) for _ in range(20)]
        await asyncio.sleep(0)
        opening[0].cancel()
        results = await asyncio.gather(*opening, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, tuple) for result in results[1:])
    assert count.read_text() == "x\n"


def test_a_declaration_without_a_way_is_impossible() -> None:
    with pytest.raises(ValueError, match="command"):
        declared(transport="stdio")

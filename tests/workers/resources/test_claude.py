"""The Claude client against an HTTP double: every row of the table of errors, and answers kept exactly as they came."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from time import time
from typing import Any, TypeVar

import httpx2
import pytest

from activities.claude_port import Claude, ClaudeAnswer, ClaudeQuestion, ClaudeRejected, ClaudeTool, ClaudeUnavailable
from contracts.claude import Usage
from tests.workers.resources.doubles import Heard, ScriptedHttp, begin, free_port, reply
from workers.resources.claude import AnthropicClaude
from workers.resources.prices import Price, cost_micros

PORT: type[Claude] = AnthropicClaude
KEY = "sk-canary-key"
PROMPT = "canary prompt"
PRICES = {
    "claude-": Price(input_micros=1, output_micros=1, cache_read_micros=1, cache_write_micros=1),
    "claude-sonnet": Price(
        input_micros=2_000_000, output_micros=10_000_000, cache_read_micros=200_000, cache_write_micros=2_500_000
    ),
}
Script = Callable[[asyncio.StreamWriter], None]


def question(**changes: Any) -> ClaudeQuestion:
    given: dict[str, Any] = {
        "model": "claude-sonnet-99-not-in-any-list",
        "max_tokens": 1000,
        "system": "be exact",
        "messages": [{"role": "user", "content": PROMPT}],
    }
    return ClaudeQuestion(**(given | changes))


def frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def started(**usage: int) -> bytes:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-99", "content": []}
    return frame("message_start", message={**message, "stop_reason": None, "usage": usage})


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    begun = frame("content_block_start", index=index, content_block=content)
    grown = b"".join(frame("content_block_delta", index=index, delta=delta) for delta in deltas)
    return begun + grown + frame("content_block_stop", index=index)


def text(index: int, *parts: str) -> bytes:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": part} for part in parts))


def tool_use(index: int, *parts: str) -> bytes:
    start = {"type": "tool_use", "id": "t1", "name": "credit", "input": {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": part} for part in parts))


def stopped(reason: str | None = "end_turn", **usage: int) -> bytes:
    return frame("message_delta", delta={"stop_reason": reason}, usage=usage) + frame("message_stop")


def streaming(*frames: bytes) -> Script:
    def script(writer: asyncio.StreamWriter) -> None:
        begin(writer, request_id="req_1")
        writer.write(b"".join(frames))
        writer.close()

    return script


def refusing(status: int, kind: str = "api_error", code: str = "", **headers: str) -> Script:
    details = {"details": {"error_code": code}} if code else {}
    body = {"type": "error", "error": {"type": kind, "message": f"about {PROMPT}", **details}}
    return lambda writer: reply(writer, status, json.dumps(body).encode(), request_id="req_1", **headers)


@asynccontextmanager
async def claude_that(script: Script) -> AsyncIterator[tuple[AnthropicClaude, ScriptedHttp]]:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        script(writer)

    async with ScriptedHttp(answer).running() as api:
        claude = await AnthropicClaude.connect(PRICES, base_url=f"http://127.0.0.1:{api.port}")
        try:
            yield claude, api
        finally:
            await claude.aclose()


async def asked(script: Script, **changes: Any) -> ClaudeAnswer:
    async with claude_that(script) as (claude, _):
        return await asyncio.wait_for(claude.ask(question(**changes)), 20)


Failure = TypeVar("Failure", ClaudeUnavailable, ClaudeRejected)


async def refused(script: Script, kind: type[Failure]) -> Failure:
    with pytest.raises(kind) as caught:
        await asked(script)
    assert KEY not in repr(caught.value) and PROMPT not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


@pytest.fixture(autouse=True)
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


async def test_an_answer_carries_blocks_usage_cost_and_request_id() -> None:
    script = streaming(
        started(input_tokens=1000, cache_read_input_tokens=500, cache_creation_input_tokens=100, output_tokens=1),
        text(0, "forty ", "euros"),
        stopped(output_tokens=200),
    )
    answer = await asked(script)
    assert answer.content == [{"type": "text", "text": "forty euros"}]
    assert (answer.stop_reason, answer.request_id, answer.model) == ("end_turn", "req_1", "claude-sonnet-99")
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens) == (1000, 200)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (500, 100)
    assert usage.cost_micros == 2000 + 2000 + 100 + 250


async def test_thinking_and_unknown_blocks_and_deltas_survive_as_received() -> None:
    strange = {"type": "newer_than_us", "payload": {"deep": [1, {"a": None}]}, "title": "x"}
    script = streaming(
        started(),
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "sig=="},
        ),
        block(1, {"type": "redacted_thinking", "data": "opaque"}),
        block(2, strange, {"type": "newer_delta", "title": "yz"}),
        frame("newer_event", anything=1),
        tool_use(3, '{"cents": 15', "00}"),
        stopped("tool_use"),
    )
    answer = await asked(script)
    assert answer.content == [
        {"type": "thinking", "thinking": "hmm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "opaque"},
        {**strange, "title": "xyz"},
        {"type": "tool_use", "id": "t1", "name": "credit", "input": {"cents": 1500}},
    ]


async def test_a_tool_call_without_arguments_has_an_empty_input() -> None:
    answer = await asked(streaming(started(), tool_use(0), stopped("tool_use")))
    assert answer.content == [{"type": "tool_use", "id": "t1", "name": "credit", "input": {}}]


async def test_tool_arguments_cut_by_the_token_limit_are_never_handed_on() -> None:
    answer = await asked(streaming(started(), text(0, "so"), tool_use(1, '{"cents": 15'), stopped("max_tokens")))
    assert answer.stop_reason == "max_tokens"
    assert answer.content == [{"type": "text", "text": "so"}]


CUT = {
    "no message_stop": streaming(started(), text(0, "x"), frame("message_delta", delta={"stop_reason": "end_turn"})),
    "no stop_reason": streaming(started(), text(0, "x"), stopped(None)),
    "an open block": streaming(
        started(), frame("content_block_start", index=0, content_block={"type": "text", "text": ""}), stopped()
    ),
    "half a tool call": streaming(started(), tool_use(0, '{"cents": 15'), stopped("tool_use")),
    "nothing at all": streaming(),
    "malformed JSON": streaming(started(), b"event: content_block_start\ndata: {oops\n\n", stopped()),
    "an event that is a list": streaming(started(), b"event: message_delta\ndata: []\n\n", stopped()),
    "a delta for no block": streaming(
        started(), frame("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"}), stopped()
    ),
    "an overloaded event": streaming(started(), frame("error", error={"type": "overloaded_error", "message": PROMPT})),
}


@pytest.mark.parametrize("script", CUT.values(), ids=CUT.keys())
async def test_a_stream_that_did_not_end_well_may_be_asked_again(script: Script) -> None:
    error = await refused(script, ClaudeUnavailable)
    assert error.request_id == "req_1"


async def test_an_error_event_that_is_our_fault_is_rejected() -> None:
    event = frame("error", error={"type": "invalid_request_error", "message": PROMPT})
    await refused(streaming(started(), event), ClaudeRejected)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_a_transient_status_may_be_asked_again(status: int) -> None:
    error = await refused(refusing(status), ClaudeUnavailable)
    assert str(status) in str(error) and error.request_id == "req_1"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 451, 501])
async def test_a_final_status_is_rejected(status: int) -> None:
    error = await refused(refusing(status, "invalid_request_error"), ClaudeRejected)
    assert "invalid_request_error" in str(error) and error.request_id == "req_1"


async def test_a_status_is_asked_once() -> None:
    async with claude_that(refusing(529)) as (claude, api):
        with pytest.raises(ClaudeUnavailable):
            await claude.ask(question())
        assert len(api.heard) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "1500", "retry_after": "7"}, 1.5),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-3"}, None),
        ({}, None),
    ],
)
async def test_the_next_delay_is_what_claude_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    error = await refused(refusing(429, **headers), ClaudeUnavailable)
    assert error.retry_after_seconds == seconds


async def test_the_next_delay_may_be_a_date() -> None:
    error = await refused(refusing(503, retry_after=formatdate(time() + 60, usegmt=True)), ClaudeUnavailable)
    assert 50 < (error.retry_after_seconds or 0) <= 60


@pytest.mark.parametrize(
    "script",
    [
        refusing(429, x_should_retry="false"),
        refusing(429, "rate_limit_error", "enforced_spend_limit_reached"),
        refusing(429, "rate_limit_error", "contract_spend_limit_reached"),
        refusing(429, "billing_error"),
    ],
)
async def test_a_limit_only_people_can_lift_is_rejected(script: Script) -> None:
    await refused(script, ClaudeRejected)


@pytest.mark.parametrize(("kind", "body"), [("text/html", b"<html>"), ("application/json", b"{}")])
async def test_status_200_with_another_content_type_is_rejected(kind: str, body: bytes) -> None:
    error = await refused(lambda writer: reply(writer, 200, body, kind, request_id="req_1"), ClaudeRejected)
    assert kind in str(error)


async def test_a_connection_reset_in_mid_stream_may_be_asked_again() -> None:
    def script(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n" + started())
        writer.close()

    await refused(script, ClaudeUnavailable)


async def test_an_address_nobody_listens_at_may_be_asked_again() -> None:
    claude = await AnthropicClaude.connect(PRICES, base_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ClaudeUnavailable, match="ConnectError"):
        await claude.ask(question())
    await claude.aclose()


async def test_an_answer_that_stays_away_may_be_asked_again() -> None:
    async with ScriptedHttp(_silence).running() as api:
        claude = await AnthropicClaude.connect(
            PRICES, base_url=f"http://127.0.0.1:{api.port}", timeout=httpx2.Timeout(0.2)
        )
        with pytest.raises(ClaudeUnavailable, match="Timeout"):
            await claude.ask(question())
        await claude.aclose()


async def _silence(heard: Heard, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def test_a_missing_key_is_rejected_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    error = await refused(streaming(), ClaudeRejected)
    assert "ANTHROPIC_API_KEY" in str(error)


async def test_a_cancelled_question_is_cancelled_and_the_next_one_answered() -> None:
    waiting = asyncio.Event()
    first: list[Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]] = []

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if not first:
            first.append(_silence)
            waiting.set()
            await _silence(heard, writer)
        streaming(started(), text(0, "here"), stopped())(writer)

    async with ScriptedHttp(answer).running() as api:
        claude = await AnthropicClaude.connect(PRICES, base_url=f"http://127.0.0.1:{api.port}")
        asking = asyncio.create_task(claude.ask(question()))
        await asyncio.wait_for(waiting.wait(), 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await claude.ask(question())).content == [{"type": "text", "text": "here"}]
        await claude.aclose()


async def sent(**changes: Any) -> dict[str, Any]:
    async with claude_that(streaming(started(), text(0, "x"), stopped())) as (claude, api):
        await claude.ask(question(**changes))
        assert api.heard[0].headers["authorization"] == f"Bearer {KEY}"
        return api.heard[0].json


async def test_the_stable_prefix_and_the_last_message_are_cache_breakpoints() -> None:
    marked = {"cache_control": {"type": "ephemeral"}}
    last = [{"type": "tool_result", "tool_use_id": "t", "content": "1"}, {"type": "text", "text": "and?"}]
    messages = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": "ok"}]
    body = await sent(messages=[*messages, {"role": "user", "content": last}])
    assert body["system"] == [{"type": "text", "text": "be exact", **marked}]
    assert body["messages"] == [*messages, {"role": "user", "content": [last[0], {**last[1], **marked}]}]


async def test_without_a_system_prompt_the_last_tool_ends_the_stable_prefix() -> None:
    tools = tuple(ClaudeTool(name=name, description="", input_schema={"type": "object"}) for name in ("a", "b"))
    body = await sent(system="", tools=tools)
    assert "system" not in body
    assert ["cache_control" in tool for tool in body["tools"]] == [False, True]


async def test_the_answer_schema_is_closed_everywhere_and_effort_passed_on() -> None:
    inner = {"type": "object", "properties": {"cents": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"properties": inner, "many": {"type": "array", "items": inner}}}
    body = await sent(answer_schema=schema, effort="high")
    sent_schema = body["output_config"]["format"]["schema"]
    assert body["output_config"]["effort"] == "high"
    assert sent_schema["additionalProperties"] is False
    assert sent_schema["properties"]["properties"] == {**inner, "additionalProperties": False}
    assert sent_schema["properties"]["many"]["items"]["additionalProperties"] is False
    assert "additionalProperties" not in inner
    assert "temperature" not in body and body["model"] == "claude-sonnet-99-not-in-any-list"


async def test_without_schema_and_effort_no_output_is_configured() -> None:
    assert "output_config" not in await sent()


def test_a_model_without_a_price_costs_nothing_and_the_longest_prefix_counts() -> None:
    assert cost_micros(Usage(input_tokens=10), "other-model", PRICES) == 0
    assert cost_micros(Usage(input_tokens=1), "claude-haiku", PRICES) == 1
    assert cost_micros(Usage(input_tokens=10), "claude-sonnet-9", PRICES) == 20

"""A bank's front that misbehaves over HTTP, once for every call that the plan names; everything else passes through."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from pydantic import JsonValue

from tests.faults.bank.misbehaviour import OF_NAME
from workers.embedded.ports import LOCALHOST

HEAD_END = b"\r\n\r\n"
OUR_HEADERS = (b"host:", b"connection:")
OVERSIZE = 5 * 1024 * 1024
HANGS_SECONDS = 60.0
DRIP_SECONDS = 0.01
DRIP_BYTES = 16
REFUSES_SECONDS = 0.4
RETRY_AFTER_SECONDS = 1


class CrookedFront:
    """Listens, passes calls on to the bank, and does to their answers what the plan says."""

    def __init__(self, port: int, bank_port: int, late_seconds: float) -> None:
        self._port, self._bank_port, self._late = port, bank_port, late_seconds
        self._plan: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._exchanges: set[asyncio.Task[None]] = set()

    def misbehave(self, plan: Mapping[str, str]) -> None:
        """From now on the first call with each of these memos meets that kind."""
        self._plan |= plan

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOCALHOST, self._port)

    async def close(self) -> None:
        """Connections are refused from now on."""
        if self._server is not None:
            self._server.close()
            for each in self._exchanges:
                each.cancel()

    async def refuse(self, seconds: float = REFUSES_SECONDS) -> None:
        """Refuse connections for a while; exchanges under way go on."""
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(seconds)
        await self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._exchange(reader, writer)
        writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(HEAD_END)
        body = await reader.readexactly(_length(head))
        name = self._plan.pop(_memo(body), "")
        if not name:
            writer.write(await self._passed_on(head, body))
            await _gone(writer)
            return
        answered = await self._passed_on(head, body) if OF_NAME[name].applied else b""
        if name == "late reply":
            await asyncio.sleep(self._late)
        await _ACTS[name](writer, _json_of(answered), _id(body))

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        """The bank's whole response."""
        start, *lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(OUR_HEADERS)]
        host = f"host: {LOCALHOST}:{self._bank_port}".encode()
        reader, writer = await asyncio.open_connection(LOCALHOST, self._bank_port)
        try:
            writer.write(b"\r\n".join([start, host, b"connection: close", *lines]) + HEAD_END + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _message(body: bytes) -> dict[str, JsonValue]:
    try:
        message = json.loads(body or b"{}")
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _memo(body: bytes) -> str:
    message = _message(body)
    params = message.get("params")
    arguments = params.get("arguments") if isinstance(params, dict) and message.get("method") == "tools/call" else None
    return str(arguments.get("memo", "")) if isinstance(arguments, dict) else ""


def _id(body: bytes) -> JsonValue:
    return _message(body).get("id")


def _json_of(response: bytes) -> bytes:
    return response.partition(HEAD_END)[2]


async def _gone(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, body: bytes, status: str = "200 OK", more: str = "") -> None:
    writer.write(_head(len(body), status, more) + body)
    await _gone(writer)


def _head(length: int, status: str = "200 OK", more: str = "") -> bytes:
    kind = "content-type: application/json\r\n"
    head = f"HTTP/1.1 {status}\r\n{kind}content-length: {length}\r\n{more}connection: close"
    return head.encode() + HEAD_END


# What is done to an exchange: its writer, the bank's answer as JSON, and the id of the question.

Act = Callable[[asyncio.StreamWriter, bytes, JsonValue], Awaitable[None]]


async def _reset(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    writer.transport.abort()


async def _reset_mid_body(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    writer.write(_head(len(answer)) + answer[: len(answer) // 2])
    await writer.drain()
    await asyncio.sleep(DRIP_SECONDS)
    writer.transport.abort()


async def _hang(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await asyncio.sleep(HANGS_SECONDS)


async def _whole(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, answer)


async def _half(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, answer[: len(answer) // 2])


async def _garbage(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, b"<html>\xff\xfe It works! </html>")


async def _no_json_rpc(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, b'{"status": "ok", "transfer": 17}')


async def _oversize(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    padded = answer.rstrip()[:-1] + b', "padding": "' + b"x" * OVERSIZE + b'"}'
    with suppress(ConnectionError):  # whoever has read enough hangs up
        await _send(writer, padded)


async def _wrong_id(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, json.dumps({**_message(answer), "id": 4711}).encode())


async def _drip(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    whole = _head(len(answer)) + answer
    for start in range(0, len(whole), DRIP_BYTES):
        writer.write(whole[start : start + DRIP_BYTES])
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)
    await _gone(writer)


async def _internal_error(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, b"{}", "500 Internal Server Error")


async def _too_busy(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    await _send(writer, b"{}", "503 Service Unavailable", f"retry-after: {RETRY_AFTER_SECONDS}\r\n")


async def _against_schema(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    message = _message(answer)
    result = message["result"]
    assert isinstance(result, dict)
    await _send(writer, json.dumps({**message, "result": {**result, "structuredContent": {"odd": 1}}}).encode())


async def _says_no(writer: asyncio.StreamWriter, answer: bytes, number: JsonValue) -> None:
    result = {"content": [{"type": "text", "text": "not today"}], "isError": True, "resultType": "complete"}
    await _send(writer, json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode())


_ACTS: Mapping[str, Act] = {
    "reset before the call": _reset,
    "reset before headers": _reset,
    "reset mid-body": _reset_mid_body,
    "hang": _hang,
    "late reply": _whole,
    "half line": _half,
    "garbage": _garbage,
    "no JSON-RPC": _no_json_rpc,
    "oversize": _oversize,
    "wrong id": _wrong_id,
    "slow drip": _drip,
    "HTTP 500": _internal_error,
    "HTTP 503 with Retry-After": _too_busy,
    "schema violation": _against_schema,
    "isError": _says_no,
}


@asynccontextmanager
async def crooked_front(port: int, bank_port: int, late_seconds: float) -> AsyncIterator[CrookedFront]:
    """Open for the time of the block."""
    front = CrookedFront(port, bank_port, late_seconds)
    await front.open()
    try:
        yield front
    finally:
        await front.close()

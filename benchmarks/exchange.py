"""HTTP/1.1 for the programs of the benchmark: as little as possible between a request and its answer."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        """The body as an object. Raises ValueError."""
        parsed = json.loads(self.body)
        if not isinstance(parsed, dict):
            raise ValueError("the body is no JSON object")
        return parsed


@dataclass(frozen=True)
class Answered:
    """What goes back."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = b"{}"
    request_id: str = ""
    retry_after: str = ""
    """Seconds after which to ask again."""

    @classmethod
    def of(cls, value: Any, status: int = 200, request_id: str = "") -> "Answered":
        """`value` as JSON."""
        return cls(status, "application/json", json.dumps(value).encode(), request_id)


Handler = Callable[[Asked], Answered]


async def serve(handler: Handler, host: str, port: int) -> None:
    """Answer with `handler` until SIGTERM."""
    server = await asyncio.start_server(lambda reader, writer: _talk(handler, reader, writer), host, port)
    told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    await told_to_stop.wait()
    server.close()


async def _talk(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
        while True:
            answered = handler(await _received(reader))
            writer.write(_head(answered) + answered.body)
            await writer.drain()
    writer.close()


async def _received(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target.partition("?")[0], headers, body)


def _head(answered: Answered) -> bytes:
    named = f"request-id: {answered.request_id}\r\n" if answered.request_id else ""
    named += f"retry-after: {answered.retry_after}\r\n" if answered.retry_after else ""
    return (
        f"HTTP/1.1 {answered.status} -\r\ncontent-type: {answered.kind}\r\n"
        f"content-length: {len(answered.body)}\r\n{named}\r\n"
    ).encode("latin-1")

"""HTTP/1.1 by hand, because a library would not let a stream be cut in the middle of a frame."""

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.json_values import JsonObject

LARGEST_BODY = 32 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Exchange:
    """One request as it came over the wire; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class Hangup(Exception):
    """There will be no further request on this connection."""


@dataclass(frozen=True)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def receive(self) -> Exchange:
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as left:
            raise Hangup from left
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return Exchange(method, target.partition("?")[0], headers, await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdigit():
            raise ApiError("The request needs a content-length header")
        if int(length) > LARGEST_BODY:
            raise ApiError(f"The request is larger than {LARGEST_BODY} bytes", "request_too_large")
        try:
            return await self.reader.readexactly(int(length))
        except asyncio.IncompleteReadError as left:
            raise Hangup from left

    async def send(self, status: int, content_type: str, body: bytes, headers: Headers = ()) -> None:
        self._head(status, [("content-type", content_type), ("content-length", str(len(body))), *headers])
        self.writer.write(body)
        await self.writer.drain()

    async def send_json(self, status: int, body: JsonObject, headers: Headers = ()) -> None:
        await self.send(status, "application/json", json.dumps(body).encode(), headers)

    async def send_half(self, body: JsonObject, headers: Headers = ()) -> None:
        """The beginning of a body that announced more."""
        content = json.dumps(body).encode()
        self._head(200, [("content-type", "application/json"), ("content-length", str(len(content))), *headers])
        self.writer.write(content[: len(content) // 2])
        await self.writer.drain()

    async def start_stream(self, headers: Headers = ()) -> None:
        self._head(200, [("content-type", "text/event-stream"), ("transfer-encoding", "chunked"), *headers])
        await self.writer.drain()

    async def send_event(self, name: str, data: JsonObject) -> None:
        frame = f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()
        self.writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
        await self.writer.drain()

    async def end_stream(self) -> None:
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def reset(self) -> None:
        """Leave with a TCP reset instead of a goodbye."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def _head(self, status: int, headers: Headers) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}", *(f"{k}: {v}" for k, v in headers)]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

"""A stdio MCP server as a child process: one JSON-RPC message per line, bounded, in time linear to its length.

The SDK's own stdio transport has no bound and needs time quadratic in the length of a line; and it does not tell when
the server has died, which is what a supervised connection must know.
"""

import logging
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO

import anyio
from anyio.abc import Process
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from workers.resources.mcp_connections import limits
from workers.resources.mcp_connections.failures import Contained

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
"""What the SDK takes as a transport: messages from the server, and messages to it."""

_ToSession = MemoryObjectSendStream[SessionMessage | Exception]
_CLOSED = (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError)
_EXIT_SECONDS = 2.0
"""For leaving after stdin closed, and again after SIGTERM (the order is the specification's)."""

_HEAD_BYTES = 256
_ID_FIRST = re.compile(rb'^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)\s*,\s*"(?:result|error)"')
_RESULT_FIRST = re.compile(rb'^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"(?:result|error)"')
_ID_LAST = re.compile(rb'"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')

logger = logging.getLogger(__name__)


@asynccontextmanager
async def stdio_pipe(
    command: Sequence[str],
    environment: dict[str, str],
    log: IO[bytes],
    ended: Callable[[], None],
    answer_bytes: int = limits.ANSWER_BYTES,
) -> AsyncIterator[Streams]:
    """Spawn the server and speak with it; `ended` is called once its output has ended.

    Raises OSError when it cannot be spawned.
    """
    process = await anyio.open_process(list(command), env=environment, stderr=log, start_new_session=True)
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as pumps:
        pumps.start_soon(_read, process, to_session, ended, answer_bytes)
        pumps.start_soon(_write, process, from_session, to_session)
        try:
            yield from_server, to_server
        finally:
            with anyio.CancelScope(shield=True):
                from_server.close()
                to_server.close()
                await _stop(process)
            pumps.cancel_scope.cancel()


async def _read(process: Process, to_session: _ToSession, ended: Callable[[], None], answer_bytes: int) -> None:
    assert process.stdout
    lines = _Lines(answer_bytes)
    try:
        async with to_session:
            async for chunk in process.stdout:
                for line in lines.of(chunk):
                    if message := _message(line):
                        await to_session.send(SessionMessage(message))
    except _CLOSED:
        pass  # one side is gone; that is what `ended` tells
    finally:
        ended()


async def _write(
    process: Process, from_session: MemoryObjectReceiveStream[SessionMessage], to_session: _ToSession
) -> None:
    assert process.stdin
    try:
        async with from_session:
            async for item in from_session:
                line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(line.encode() + b"\n")
    except _CLOSED:
        to_session.close()  # nobody reads us any more: whoever waits for an answer must learn it


async def _stop(process: Process) -> None:
    """Close stdin, then SIGTERM, then SIGKILL to the whole process group; every wait is bounded."""
    assert process.stdin and process.stdout
    with suppress(*_CLOSED):
        await process.stdin.aclose()
    for force in (None, signal.SIGTERM, signal.SIGKILL):
        if force is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, force)
        with anyio.move_on_after(_EXIT_SECONDS):
            await process.wait()
            break
    with suppress(*_CLOSED):
        await process.stdout.aclose()


class _Line:
    """One line: its bytes, or only its two ends when it is too long to keep."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = bytearray()
        self.head = b""
        self.too_long = False

    def grow(self, part: bytes) -> None:
        self.kept += part
        if len(self.kept) > self.most:
            self.head = self.head or bytes(self.kept[:_HEAD_BYTES])
            self.too_long = True
        if self.too_long:
            del self.kept[:-_HEAD_BYTES]


class _Lines:
    """Cuts chunks into lines without ever holding more than one answer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = _Line(most)

    def of(self, chunk: bytes) -> Iterator[_Line]:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._open.grow(part)
            yield self._open
            self._open = _Line(self._most)
        self._open.grow(rest)


def _message(line: _Line) -> JSONRPCMessage | None:
    """The message on a line, an error for the call it answers unreadably, or None for noise."""
    if line.too_long:
        return _unreadable(_id_of_long(line), f"the answer is larger than {line.most} bytes")
    if not line.kept.strip():
        return None
    try:
        return jsonrpc_message_adapter.validate_json(bytes(line.kept), by_name=False)
    except ValidationError:
        return _unreadable(_ID_FIRST.match(line.kept), "the answer is not JSON-RPC")


def _id_of_long(line: _Line) -> re.Match[bytes] | None:
    """The id stands before or after what is too long to keep."""
    if first := _ID_FIRST.match(line.head):
        return first
    return _ID_LAST.search(line.kept) if _RESULT_FIRST.match(line.head) else None


def _unreadable(number: re.Match[bytes] | None, reason: str) -> JSONRPCError | None:
    if number is None:
        # Whose answer it was cannot be told: that call ends at its timeout.
        logger.warning("mcp_line_ignored", extra={"reason": reason})
        return None
    failure = Contained(kind="unreadable", reason=f"{reason}; it was executed and is not read")
    return JSONRPCError(jsonrpc="2.0", id=int(number.group(1)), error=failure.as_error())

"""Adds a bearer token to every request and passes the rest on as it is: the suite brings none, the server wants one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

HEAD_BYTES = 64 * 1024


@asynccontextmanager
async def with_token(port: int, token: str) -> AsyncIterator[int]:
    """A port of this machine from which requests reach `port` with the token; one request a connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await _pass_on(reader, writer, port, token)
        writer.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, limit=HEAD_BYTES)
    async with proxy:
        yield int(proxy.sockets[0].getsockname()[1])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, token: str) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", port)
    upstream.write(_with_header(head, token))
    directions = (_copy(reader, upstream), _copy(upstream_reader, writer))
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        upstream.close()


def _with_header(head: bytes, token: str) -> bytes:
    """The head of one request with a token; the connection ends with its answer, so that no second one follows."""
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in rest if not line.lower().startswith((b"connection:", b"authorization:"))]
    own = [b"Authorization: Bearer " + token.encode(), b"Connection: close"]
    return b"\r\n".join([first, *kept, *own]) + b"\r\n\r\n"


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(HEAD_BYTES):
        target.write(data)
        await target.drain()

"""Runs one exchange in a task of its own, so that nothing the SDK cancels inside it can look like a cancel of ours."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_CLEANUP_SECONDS = 5.0
"""For telling the server that a call is cancelled, and closing what it used."""


class Severed(ConnectionError):
    """The exchange was cancelled from within, or did not end in its time: its connection failed underneath it."""

    def __init__(self) -> None:
        super().__init__("the connection failed, or did not answer in time")


async def isolated(exchange: Coroutine[Any, Any, T], seconds: float) -> T:
    """What `exchange` returns or raises. Raises Severed when it is cut from within, or outlasts `seconds`."""
    task = asyncio.ensure_future(exchange)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            await _ended(task)
    if task.cancelled():
        raise Severed
    if isinstance(error := task.exception(), BaseExceptionGroup):
        raise Severed from error
    return task.result()


async def _ended(task: asyncio.Future[T]) -> None:
    """Cancel the task and wait for it, but not for ever, and not giving way to its exception."""
    task.cancel()
    task.add_done_callback(_seen)
    await asyncio.wait({task}, timeout=_CLEANUP_SECONDS)


def _seen(task: asyncio.Future[T]) -> None:
    if not task.cancelled():
        task.exception()

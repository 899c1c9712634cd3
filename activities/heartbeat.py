"""Heartbeats from a ticker, so that Temporal notices a dead worker while a call is under way; and shielding."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from temporalio import activity

INTERVAL_SECONDS = 1.0
ResultT = TypeVar("ResultT")


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat every second for as long as the block runs. A wire that is silent for minutes is no reason to stop."""
    if activity.info().is_local:
        yield
        return
    ticker = asyncio.create_task(_tick())
    try:
        yield
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker


async def _tick() -> None:
    while True:  # what is over within a second costs no message
        await asyncio.sleep(INTERVAL_SECONDS)
        activity.heartbeat()


async def to_the_end(work: Awaitable[ResultT]) -> ResultT:
    """Await `work` to its end, whatever cancels arrive: what is sent must be recorded. `work` bounds itself."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()

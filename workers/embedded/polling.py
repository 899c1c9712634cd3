"""Asking a process again and again until it answers: other programs have no event that one could await."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

PAUSE = timedelta(milliseconds=50)


async def until(so: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it is so. Whoever awaits this bounds it."""
    while not await so():  # noqa: ASYNC110 - the event happens in another process
        await asyncio.sleep(PAUSE.total_seconds())

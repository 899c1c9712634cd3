"""Isolation: what an exchange does to its own task never looks like something done to us."""

import asyncio

import pytest

from workers.resources.mcp_connections.isolation import Severed, isolated


async def test_an_exchange_that_is_cancelled_from_within_is_severed_and_we_are_not_cancelled() -> None:
    async def cancelling_itself() -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(Severed):
        await isolated(cancelling_itself(), 5)
    current = asyncio.current_task()
    assert current and not current.cancelling()


async def test_a_group_of_errors_is_severed_and_a_single_error_passes() -> None:
    async def raising(error: Exception) -> None:
        raise error

    with pytest.raises(Severed):
        await isolated(raising(ExceptionGroup("of the SDK", [ValueError()])), 5)
    with pytest.raises(KeyError):
        await isolated(raising(KeyError("x")), 5)


async def test_cancelling_us_cancels_the_exchange_and_waits_for_its_end() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def exchange() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.set()

    ours = asyncio.create_task(isolated(exchange(), 60))
    await begun.wait()
    ours.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ours
    assert ended.is_set()


async def test_an_exchange_that_outlasts_its_time_is_severed() -> None:
    with pytest.raises(Severed):
        await isolated(asyncio.Event().wait(), 0.05)

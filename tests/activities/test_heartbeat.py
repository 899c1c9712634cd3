"""Shielding and heartbeats: what is sent is brought to its end, and Temporal hears that somebody is there."""

import asyncio
import dataclasses

import pytest
from temporalio.testing import ActivityEnvironment

from activities.heartbeat import heartbeating, to_the_end


async def test_work_is_brought_to_its_end_however_often_it_is_cancelled() -> None:
    release, done = asyncio.Event(), []

    async def work() -> str:
        await release.wait()
        done.append("sent and recorded")
        return "outcome"

    caller = asyncio.create_task(to_the_end(work()))
    for _ in range(20):
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    release.set()
    assert await asyncio.wait_for(caller, 5) == "outcome"
    assert done == ["sent and recorded"]


async def test_a_failure_of_the_work_is_the_callers_even_when_cancelled() -> None:
    release = asyncio.Event()

    async def work() -> None:
        await release.wait()
        raise LookupError("gone")

    caller = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    caller.cancel()
    release.set()
    with pytest.raises(LookupError, match="gone"):
        await asyncio.wait_for(caller, 5)


async def test_work_that_gives_up_by_itself_is_not_waited_for() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(to_the_end(work()), 5)


async def test_a_heartbeat_is_heard_while_the_block_runs_and_never_after() -> None:
    environment, heard = ActivityEnvironment(), asyncio.Event()
    beats: list[object] = []

    def hear(*details: object) -> None:
        beats.append(details)
        heard.set()

    environment.on_heartbeat = hear

    async def block() -> asyncio.Task[None]:
        before = asyncio.all_tasks()
        async with heartbeating():
            await asyncio.wait_for(heard.wait(), 5)
            (ticker,) = asyncio.all_tasks() - before
        return ticker

    ticker = await environment.run(block)
    assert beats
    assert ticker.cancelled()


async def test_the_ticker_ends_when_the_block_fails() -> None:
    async def block() -> None:
        async with heartbeating():
            raise LookupError("gone")

    before = asyncio.all_tasks()
    with pytest.raises(LookupError):
        await ActivityEnvironment().run(block)
    assert asyncio.all_tasks() == before


async def test_a_local_activity_has_no_heartbeat() -> None:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, is_local=True)
    environment.on_heartbeat = lambda *_: pytest.fail("local activities cannot heartbeat")

    async def block() -> None:
        async with heartbeating():
            await asyncio.sleep(0.01)

    await environment.run(block)

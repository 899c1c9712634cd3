"""A server is dead for a minute under eight workers: it is left in peace, and found again soon after its return."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.toolbox import NotSent, OutcomeUnknown
from activities.tools import ToolActivities
from contracts.servers import ServerRules
from contracts.tools import Delivered, EffectClass, ToolCall, ToolDefinition
from tests.activities.bench import NINE, Bench, SetClock, rita_asks
from tests.doubles import RecordingToolbox, ScriptedClaude
from workers.resources.store import Store

WORKERS = 8
MOST_TOUCHES = 15
SECOND = timedelta(seconds=1)
EVERY = 5 * SECOND
DIES, RETURNS = NINE + 2 * SECOND, NINE + 62 * SECOND
PATIENCE = 300
"""Seconds of the test's clock; with the breaker's own numbers it takes a third of it."""


@dataclass
class Mortal(RecordingToolbox):
    """One server. It answers, and for a minute it does not; whatever reaches it is noted with its moment."""

    clock: SetClock = field(default_factory=SetClock)
    lists_from_memory: bool = True
    """The worker knows the server's tools; else listing them asks the server."""
    touches: list[datetime] = field(default_factory=list)
    probes: list[datetime] = field(default_factory=list)
    probing: int = 0
    most_probing: int = 0

    @property
    def dead(self) -> bool:
        """Now."""
        return DIES <= self.clock.at < RETURNS

    def rules(self, server: str) -> ServerRules:
        """What holds where an operator says nothing."""
        return ServerRules()

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """Its tools."""
        if self.dead and not self.lists_from_memory:
            self._touched()
            raise NotSent("connection refused")
        return await super().definitions(server)

    async def probe(self, server: str) -> None:
        """Others go on while it looks."""
        self._touched()
        self.probes.append(self.clock.at)
        self.probing += 1
        self.most_probing = max(self.most_probing, self.probing)
        await asyncio.sleep(0.02)
        self.probing -= 1
        if self.dead:
            raise NotSent("connection refused")

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Answered, refused, or never answered."""
        self._touched()
        if self.dead:
            await asyncio.sleep(0)
            raise NotSent("connection refused") if key < "8" else OutcomeUnknown("timed out")
        return Delivered(content={"credit": key})

    def _touched(self) -> None:
        self.touches.append(self.clock.at)


@dataclass
class Worker:
    """One worker: a gate of its own, a store of its own, and a call that Temporal has it try again when it says."""

    number: int
    bench: Bench
    gate: ToolActivities
    done: int = 0
    next_at: datetime = NINE

    async def attempt(self) -> None:
        """The next attempt of its present call."""
        call = ToolCall(
            server="payments", tool="pay", arguments={}, step="pay", occurrence=f"{self.number}.{self.done}"
        )
        now = self.bench.clock.at
        try:
            outcome = await self.bench.environment().run(self.gate.call_tool, call)
        except ApplicationError as error:
            self.next_at = _together(now + (error.next_retry_delay or SECOND))
            return
        assert outcome.done
        self.done += 1
        self.next_at = now + SECOND


def _together(moment: datetime) -> datetime:
    """All who wait come back at the same moments, which is the worst they can do."""
    return NINE - (NINE - moment) // EVERY * EVERY


@asynccontextmanager
async def workers(store_url: str, server: Mortal, clock: SetClock) -> AsyncIterator[list[Worker]]:
    """Eight of them at one database, which Rita's run is registered in."""
    stores = [await asyncio.to_thread(Store.open, store_url) for _ in range(WORKERS)]
    try:
        await stores[0].starts.register(rita_asks("refund"), NINE)
        benches = [Bench(store, server, ScriptedClaude([[]]), clock=clock) for store in stores]
        yield [Worker(number, bench, bench.gate()) for number, bench in enumerate(benches)]
    finally:
        for store in stores:
            await asyncio.to_thread(store.close)


@pytest.mark.parametrize("lists_from_memory", [True, False], ids=["calls fail", "nothing can be reached"])
async def test_a_server_that_is_dead_for_a_minute_is_left_in_peace_and_found_again(
    store_url: str, lists_from_memory: bool
) -> None:
    clock = SetClock()
    server = Mortal(
        {"payments.pay": {}},
        classes={"payments.pay": EffectClass.READ},
        clock=clock,
        lists_from_memory=lists_from_memory,
    )
    async with workers(store_url, server, clock) as eight:
        while not all(worker.done >= 3 for worker in eight):
            assert clock.at < NINE + PATIENCE * SECOND, "work did not resume"
            await asyncio.gather(*(worker.attempt() for worker in eight if worker.next_at <= clock.at))
            clock.forward(SECOND)

    while_dead = [moment for moment in server.touches if DIES <= moment < RETURNS]
    assert 4 <= len(while_dead) <= MOST_TOUCHES
    assert server.most_probing == 1
    assert [moment < RETURNS for moment in server.probes].count(False) <= 2
    assert len(server.probes) >= 2

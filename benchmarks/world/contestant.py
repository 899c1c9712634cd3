"""What is asked of either contestant."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from temporalio.client import Client

from benchmarks.goals import Goal, Posting
from benchmarks.measuring.processes import cpu_seconds, memory_bytes


class RunFailed(Exception):
    """A run ended otherwise than well."""


@dataclass(frozen=True)
class Run:
    """One execution of a goal."""

    id: str
    first_run_id: str
    goal: Goal


@dataclass(frozen=True)
class Processes:
    """Those whose time is counted for a contestant."""

    workers: tuple[int, ...]
    server: int

    def used(self) -> "Used":
        """So far."""
        return Used(cpu_seconds(self.workers), cpu_seconds([self.server]))

    def memory(self) -> tuple[int, ...]:
        """Bytes that each worker has in memory now."""
        return tuple(memory_bytes([worker]) for worker in self.workers)


@dataclass(frozen=True)
class Used:
    """Seconds of processor time."""

    worker: float
    server: float

    def since(self, earlier: "Used") -> "Used":
        """What was used in between."""
        return Used(self.worker - earlier.worker, self.server - earlier.server)

    @property
    def both(self) -> float:
        """Of workers and server together."""
        return self.worker + self.server


T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 20


async def each_of(things: Sequence[T], work: Callable[[T], Awaitable[R]], at_once: int = AT_ONCE) -> list[R]:
    """What `work` comes to for each, so many at a time, in their order. The first failure ends the others."""
    places = asyncio.Semaphore(at_once)

    async def one(thing: T) -> R:
        async with places:
            return await work(thing)

    async with asyncio.TaskGroup() as group:
        working = [group.create_task(one(thing)) for thing in things]
    return [each.result() for each in working]


Decide = Callable[[], Awaitable[None]]
"""Sends a decision that is ready to be sent; returns when it was taken."""


class Contestant(Protocol):
    """Interlock, or the loop."""

    name: str
    asking: str
    """The activity that asks the model: a turn begins with it."""
    client: Client
    processes: Processes

    async def start(self, goal: Goal) -> Run:
        """Start a run."""

    async def ended(self, run: Run) -> None:
        """Once the run has ended well. Raises RunFailed."""

    async def start_waiting(self, goal: Posting) -> Run:
        """Start a run that soon waits for an approval."""

    async def until_waiting(self, runs: Sequence[Run]) -> None:
        """Once all of them wait."""

    async def decision(self, run: Run) -> Decide:
        """Somebody's yes to a run that waits, made and not yet sent."""

    async def check_records(self, calls: int) -> None:
        """Raises AssertionError unless every call of the MCP server so far, `calls` in all, is recorded once."""

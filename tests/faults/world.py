"""The processes of one lane: the Temporal server, the bank, the zygote and its workers; and what is done to them."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from temporalio.client import Client

from contracts.model import Model
from contracts.wire import DATA_CONVERTER
from tests.end_to_end.processes import until
from tests.faults.bank.crooked import CrookedFront
from tests.faults.bank.crooked_stdio import PLAN
from tests.faults.board import InFlight, in_flight
from tests.faults.nursery import WAITED, Child, Nursery
from tests.faults.phases import AMID
from tests.faults.servers import servers_file
from tests.faults.watched import Armed
from tests.faults.worker import Order, board_of
from tests.faults.zygote import BankOrder
from workers.embedded.ports import LOCALHOST, OTHER_PORTS, choose_ports
from workers.embedded.temporal_server import TemporalServer, until_serving

LATER_SECONDS = 1.5
"""A late reply comes so long after the tool's timeout."""


class Kill(Model):
    """A worker that was killed, or killed itself at a failpoint."""

    at: float
    pid: int
    failpoint: str = ""
    """Empty for a moment drawn by lot."""
    calls: tuple[InFlight, ...]


@dataclass
class LiveWorker:
    """One worker."""

    pid: int
    armed: Armed
    ready_at: float | None = None


GIVEN_UP = "given up"
"""Stands for the failpoint of a worker that did not come to its own."""


class Setting(Model):
    """How a lane's world is made."""

    workers: int = 3
    concurrency: int = 20
    """Activities that a worker takes at once."""
    slowest: float = 0.2
    """The bank takes up to so many seconds before an effect, and after it."""
    timeout_seconds: int = 8
    """Of every tool of the bank."""
    reached: Literal["directly", "through its front", "over stdio"] = "directly"
    ledger: Literal["on", "off"] = "on"


@dataclass
class World:
    """Everything that runs."""

    folder: Path
    store: str
    temporal: TemporalServer
    bank_port: int
    servers: Path
    setting: Setting
    front: CrookedFront
    nursery: Nursery
    kills: list[Kill] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    """When workers became ready."""
    workers: dict[int, LiveWorker] = field(default_factory=dict)
    _temporal: Child | None = None
    _bank: int = 0
    _ordered: list[Armed] = field(default_factory=list)
    _killed: set[int] = field(default_factory=set)
    _died: list[int] = field(default_factory=list)
    _client: Client | None = None

    # Temporal and the bank.

    async def start_temporal(self) -> None:
        """Start it, or start it again; it serves when this returns."""
        self._temporal = await Child.start(*self.temporal.argv(), log=self.folder / "temporal.log")
        await until_serving(self.temporal.address, WAITED)

    async def kill_temporal(self) -> None:
        """kill -9."""
        assert self._temporal is not None
        await self._temporal.end()

    async def start_bank(self, seed: int) -> None:
        """Start the bank, which nobody kills."""
        order = BankOrder(folder=self.folder, port=self.bank_port, seed=seed, slowest=self.setting.slowest)
        self.nursery.fork(order, self._of_bank)
        await until(self._bank_listens, "the bank listens", WAITED)

    def _of_bank(self, what: str, pid: int) -> None:
        self._bank = pid if what == "born" else self._bank
        if what == "dead":
            self._died.append(pid)

    async def _bank_listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOCALHOST, self.bank_port)
        except OSError:
            return False
        writer.close()
        return True

    def misbehave(self, plan: dict[str, str]) -> None:
        """From now on the bank's end misbehaves at the first call with each of these memos."""
        (self.folder / PLAN).write_text(json.dumps(plan))
        self.front.misbehave(plan)

    def effects(self) -> int:
        """How many effects the bank has had so far."""
        return (self.folder / "journal.jsonl").read_bytes().count(b'"what":"effect"')

    async def client(self) -> Client:
        """A client; it finds the server again after a restart."""
        if self._client is None:
            self._client = await Client.connect(self.temporal.address, data_converter=DATA_CONVERTER)
        return self._client

    # Workers.

    def start_worker(self, armed: Armed | None = None) -> None:
        """Order one; it is in `workers` when it is born, and ready a little later."""
        order = Order(
            folder=self.folder,
            address=self.temporal.address,
            store=self.store,
            servers=self.servers,
            armed=armed or Armed(),
            concurrency=self.setting.concurrency,
            ledger=self.setting.ledger,
        )
        self._ordered.append(order.armed)
        self.nursery.fork(order, self._of_worker)

    @property
    def ordered(self) -> int:
        """Workers that are ordered and not born yet."""
        return len(self._ordered)

    def armed_workers(self) -> list[LiveWorker]:
        """Those that are going to die at a failpoint, the ordered ones included."""
        waiting = [LiveWorker(0, armed) for armed in self._ordered]
        return [worker for worker in (*self.workers.values(), *waiting) if worker.armed.failpoint]

    def give_up(self, pid: int) -> None:
        """Kill a worker that has not come to its failpoint."""
        self.kill_worker(pid)

    async def until_ready(self, count: int) -> None:
        """Once so many workers take calls."""
        await until(lambda: self._heard() and self._ready() >= count, f"{count} workers are ready", WAITED)

    def _ready(self) -> int:
        return sum(worker.ready_at is not None for worker in self.workers.values())

    def kill_worker(self, pid: int) -> None:
        """kill -9, unless it has just died of itself; it is gone from `workers` once the zygote has seen it."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._killed.add(pid)

    async def until_gone(self, pid: int) -> None:
        """Once the zygote has seen it die, and its board is read."""
        await until(lambda: self._heard() and pid not in self.workers, f"worker {pid} is gone", WAITED)

    def _heard(self) -> bool:
        """True; fails when the nursery has ended, or a child died of itself."""
        self.nursery.check()
        assert not self._died, f"{self._died} died of themselves: {self._last_words()}"
        return True

    def _last_words(self) -> str:
        return (self.folder / "workers.log").read_text(errors="replace")[-3000:]

    def _of_worker(self, what: str, pid: int) -> None:
        match what:
            case "born":
                self.workers[pid] = LiveWorker(pid, self._ordered.pop(0))
            case "ready":
                self.workers[pid].ready_at = time.time()
                self.ready.append(time.time())
            case "dead":
                self._bury(self.workers.pop(pid))

    def _bury(self, worker: LiveWorker) -> None:
        board = board_of(self.folder, worker.pid)
        calls = tuple(in_flight(board))
        board.unlink(missing_ok=True)
        failpoint = worker.armed.failpoint
        if failpoint and worker.pid in self._killed:
            failpoint = GIVEN_UP
        # At this one the call has gone to the bank and stands there still.
        shown = "before toolbox.call" if failpoint == AMID else failpoint
        if worker.pid not in self._killed and all(call.phase != shown for call in calls):
            self._died.append(worker.pid)
        self.kills.append(Kill(at=time.time(), pid=worker.pid, failpoint=failpoint, calls=calls))

    # The end.

    async def end(self) -> None:
        """End everything that was started, by its pid."""
        for pid in (*self.workers, *([self._bank] if self._bank else [])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._temporal is not None:
            await self._temporal.end()


@asynccontextmanager
async def a_world(nursery: Nursery, folder: Path, store: str, seed: int, setting: Setting) -> AsyncIterator[World]:
    """Everything but the workers, running; ended with the block."""
    (folder / "boards").mkdir(parents=True)
    (folder / "worker").mkdir()
    ports = choose_ports({name: random.choice(OTHER_PORTS) for name in ("temporal", "bank", "front")})
    server = TemporalServer(ports["temporal"], database=folder / "temporal.db", log_level="never")
    port = ports["bank" if setting.reached == "directly" else "front"]
    url = "" if setting.reached == "over stdio" else f"http://{LOCALHOST}:{port}/mcp"
    servers = servers_file(folder, url, folder, setting.timeout_seconds)
    front = CrookedFront(ports["front"], ports["bank"], setting.timeout_seconds + LATER_SECONDS)
    world = World(folder, store, server, ports["bank"], servers, setting, front, nursery)
    async with AsyncExitStack() as stack:
        await front.open()
        stack.push_async_callback(front.close)
        stack.push_async_callback(world.end)
        await asyncio.gather(world.start_temporal(), world.start_bank(seed))
        yield world

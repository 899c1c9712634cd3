"""The processes of one lane: the Temporal server, the bank, the zygote and its workers; and what is done to them."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from temporalio.client import Client

from contracts.model import Model
from contracts.wire import DATA_CONVERTER
from tests.end_to_end.processes import REPOSITORY, until
from tests.faults.bank.crooked import CrookedFront
from tests.faults.bank.crooked_stdio import PLAN
from tests.faults.board import InFlight, in_flight
from tests.faults.servers import servers_file
from tests.faults.watched import Armed
from tests.faults.worker import Order, board_of
from workers.embedded import tether
from workers.embedded.ports import LOCALHOST, OTHER_PORTS, choose_ports
from workers.embedded.temporal_server import TemporalServer, until_serving

ENDING_SECONDS = 30
WAITED = timedelta(seconds=90)
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


class Child:
    """A program that ends with this process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *command: str, log: Path, piped: bool = False) -> "Child":
        """Start it, tied to this process; with pipes for stdin and stdout, or without."""
        tied = (sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), *command)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OTEL_SDK_DISABLED": "true"}
        with log.open("ab") as err:
            process = await asyncio.create_subprocess_exec(
                *tied,
                stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if piped else err.fileno(),
                stderr=err.fileno(),
                env=environment,
                cwd=REPOSITORY,
            )
        return cls(process)

    async def end(self, number: int = signal.SIGKILL) -> None:
        """End it, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(ENDING_SECONDS):
            await self.process.wait()


@dataclass
class World:
    """Everything that runs."""

    folder: Path
    store: str
    temporal: TemporalServer
    bank_port: int
    servers: Path
    setting: "Setting"
    front: CrookedFront
    kills: list[Kill] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    """When workers became ready."""
    workers: dict[int, LiveWorker] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)
    _ordered: list[Armed] = field(default_factory=list)
    _killed: set[int] = field(default_factory=set)
    _died: list[int] = field(default_factory=list)
    _client: Client | None = None
    _listening: asyncio.Task[None] | None = None

    # Temporal and the bank.

    async def start_temporal(self) -> None:
        """Start it, or start it again; it serves when this returns."""
        self._children["temporal"] = await Child.start(*self.temporal.argv(), log=self.folder / "temporal.log")
        await until_serving(self.temporal.address, WAITED)

    async def kill_temporal(self) -> None:
        """kill -9."""
        await self._children["temporal"].end()

    async def start_bank(self, seed: int) -> None:
        """Start the bank, which nobody kills."""
        told = ("--data", str(self.folder), "--port", str(self.bank_port), "--seed", str(seed))
        command = (sys.executable, "-m", "tests.faults.bank", *told, "--slowest", str(self.setting.slowest))
        self._children["bank"] = await Child.start(*command, log=self.folder / "bank.log")
        await until(self._bank_listens, "the bank listens", WAITED)

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

    async def client(self) -> Client:
        """A client; it finds the server again after a restart."""
        if self._client is None:
            self._client = await Client.connect(self.temporal.address, data_converter=DATA_CONVERTER)
        return self._client

    # Workers.

    async def start_zygote(self) -> None:
        """From here on workers are made within a fraction of a second."""
        command = (sys.executable, "-m", "tests.faults.zygote")
        self._children["zygote"] = zygote = await Child.start(*command, log=self.folder / "zygote.log", piped=True)
        assert zygote.process.stdout is not None
        async with asyncio.timeout(WAITED.total_seconds()):
            assert await zygote.process.stdout.readline() == b"zygote\n", "the zygote did not start; see zygote.log"
        self._listening = asyncio.create_task(self._listen(zygote.process.stdout))

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
        stdin = self._children["zygote"].process.stdin
        assert stdin is not None
        self._ordered.append(order.armed)
        stdin.write(order.model_dump_json().encode() + b"\n")

    @property
    def ordered(self) -> int:
        """Workers that are ordered and not born yet."""
        return len(self._ordered)

    def armed_workers(self) -> list[LiveWorker]:
        """Those that are going to die at a failpoint, the ordered ones included."""
        waiting = [LiveWorker(0, armed) for armed in self._ordered]
        return [worker for worker in (*self.workers.values(), *waiting) if worker.armed.failpoint]

    def give_up(self, pid: int) -> None:
        """Kill a worker that has not come to its failpoint; it counts as killed at a random moment."""
        self.workers[pid].armed = Armed()
        self.kill_worker(pid)

    async def until_ready(self, count: int) -> None:
        """Once so many workers take calls."""
        await until(lambda: self._heard() and self._ready() >= count, f"{count} workers are ready", WAITED)

    def _ready(self) -> int:
        return sum(worker.ready_at is not None for worker in self.workers.values())

    def kill_worker(self, pid: int) -> None:
        """kill -9; it is gone from `workers` once the zygote has seen it."""
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    async def until_gone(self, pid: int) -> None:
        """Once the zygote has seen it die, and its board is read."""
        await until(lambda: self._heard() and pid not in self.workers, f"worker {pid} is gone", WAITED)

    def _heard(self) -> bool:
        """Whether the zygote is listened to; fails with what has ended that."""
        if self._listening is not None and self._listening.done():
            self._listening.result()
            raise AssertionError("the zygote has ended; see zygote.log")
        assert not self._died, f"workers {self._died} died of themselves: {self._last_words()}"
        return True

    def _last_words(self) -> str:
        return (self.folder / "workers.log").read_text(errors="replace")[-3000:]

    async def _listen(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            what, _, told = line.decode().partition(" ")
            pid = int(told)
            if what == "born":
                self.workers.setdefault(pid, LiveWorker(pid, Armed())).armed = self._ordered.pop(0)
            elif what == "ready":
                self.workers.setdefault(pid, LiveWorker(pid, Armed())).ready_at = time.time()
                self.ready.append(time.time())
            elif what == "dead":
                self._bury(pid)

    def _bury(self, pid: int) -> None:
        worker = self.workers.pop(pid)
        if pid not in self._killed and not worker.armed.failpoint:
            self._died.append(pid)
        board = board_of(self.folder, pid)
        calls = tuple(in_flight(board))
        self.kills.append(Kill(at=time.time(), pid=pid, failpoint=worker.armed.failpoint, calls=calls))
        board.unlink(missing_ok=True)

    # The end.

    async def end(self) -> None:
        """End everything that was started, by its pid."""
        for name in ("zygote", "bank", "temporal"):
            if name in self._children:
                await self._children[name].end()
        if self._listening:
            self._listening.cancel()


class Setting(Model):
    """How a lane's world is made."""

    workers: int = 3
    concurrency: int = 20
    """Activities that a worker takes at once."""
    slowest: float = 0.2
    """The bank takes up to so many seconds before an effect, and after it."""
    timeout_seconds: int = 20
    """Of every tool of the bank."""
    reached: Literal["directly", "through its front", "over stdio"] = "directly"
    ledger: Literal["on", "off"] = "on"


@asynccontextmanager
async def a_world(folder: Path, store: str, seed: int, setting: Setting) -> AsyncIterator[World]:
    """Everything but the workers, running; ended with the block."""
    (folder / "boards").mkdir(parents=True)
    (folder / "worker").mkdir()
    ports = choose_ports({name: random.choice(OTHER_PORTS) for name in ("temporal", "bank", "front")})
    server = TemporalServer(ports["temporal"], database=folder / "temporal.db", log_level="never")
    port = ports["bank" if setting.reached == "directly" else "front"]
    url = "" if setting.reached == "over stdio" else f"http://{LOCALHOST}:{port}/mcp"
    servers = servers_file(folder, url, folder, setting.timeout_seconds)
    front = CrookedFront(ports["front"], ports["bank"], setting.timeout_seconds + LATER_SECONDS)
    world = World(folder, store, server, ports["bank"], servers, setting, front)
    async with AsyncExitStack() as stack:
        await front.open()
        stack.push_async_callback(front.close)
        stack.push_async_callback(world.end)
        await asyncio.gather(world.start_temporal(), world.start_bank(seed), world.start_zygote())
        yield world

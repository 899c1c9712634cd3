"""A worker as `interlock worker` assembles it, with its ports watched, in a process that is going to be killed."""

import asyncio
import dataclasses
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

from temporalio.client import Client

from contracts.deployment import Mode
from contracts.model import Model
from contracts.wire import DATA_CONVERTER
from tests.faults.board import Board
from tests.faults.forgetful import without_ledger
from tests.faults.watched import Armed, CallsWatched, Watch, watched
from workers.assembly import Ports, activities_of, interceptors_of, make_worker, open_ports, open_store
from workers.resources.store.errors import StoreUnreachable
from workers.settings import Settings
from workflows.catalog import Catalog

AUTOMATIONS = Path(__file__).parent / "automations"
DEPLOYMENT = "faults"
CONNECTED_WITHIN_SECONDS = 60


class Order(Model):
    """What a new worker is told."""

    folder: Path
    address: str
    store: str
    servers: Path
    armed: Armed = Armed()
    concurrency: int = 20
    ledger: Literal["on", "off"] = "on"

    def settings(self) -> Settings:
        """As an operator would set them."""
        return Settings(
            mode=Mode.DEVELOPMENT,
            deployment=DEPLOYMENT,
            store=self.store,
            servers=self.servers,
            automations=AUTOMATIONS,
            data=self.folder / "worker",
            concurrency=self.concurrency,
        )


def catalog() -> Catalog:
    """Paydays alone."""
    return Catalog([Catalog.load(AUTOMATIONS).find("payday")])


def board_of(folder: Path, pid: int) -> Path:
    """Where a worker shows its calls."""
    return folder / "boards" / str(pid)


def strikes_of(folder: Path) -> Path:
    """Where all workers write down what failed them."""
    return folder / "strikes.jsonl"


def ends_of(folder: Path) -> Path:
    """Where all workers write down which attempts they brought to an end."""
    return folder / "ends.jsonl"


async def work(order: Order, tell_ready: int) -> None:
    """Work until killed. One line to the descriptor `tell_ready` once calls are taken."""
    watch = Watch(
        Board(board_of(order.folder, os.getpid())), strikes_of(order.folder), ends_of(order.folder), order.armed
    )
    client = await _connected(order.address)
    settings = order.settings()
    async with AsyncExitStack() as stack:
        opened = await _opened(stack, settings, client)
        opened = dataclasses.replace(opened, owner_roles=catalog().owner_roles())
        ports = watched(opened if order.ledger == "on" else without_ledger(opened), watch)
        around = [*interceptors_of(ports), CallsWatched(watch)]
        async with make_worker(
            client, catalog(), activities_of(ports), concurrency=order.concurrency, interceptors=around
        ):
            os.write(tell_ready, f"ready {os.getpid()}\n".encode())
            await asyncio.Event().wait()


async def _opened(stack: AsyncExitStack, settings: Settings, client: Client) -> Ports:
    """The ports, once the store is there: tried again as by whoever starts a worker that has ended for want of it."""
    async with asyncio.timeout(CONNECTED_WITHIN_SECONDS):
        while True:
            try:
                store = await stack.enter_async_context(open_store(settings))
                return await stack.enter_async_context(open_ports(settings, client, store))
            except StoreUnreachable:
                await stack.aclose()
                await asyncio.sleep(0.1)


async def _connected(address: str) -> Client:
    async with asyncio.timeout(CONNECTED_WITHIN_SECONDS):
        while True:
            try:
                return await Client.connect(address, data_converter=DATA_CONVERTER)
            except RuntimeError:  # not serving: how a failed connect is told
                await asyncio.sleep(0.1)

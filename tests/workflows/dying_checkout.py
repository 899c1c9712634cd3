"""A worker that kills itself at one call in the hotel: `python -m tests.workflows.dying_checkout ORDER`.

The order is JSON: where Temporal, the store and the hotel's books are, which call it is, and whether it dies before the
server does what it is asked or right after. It has the ports of a story, and shares its store.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from temporalio.client import Client

from activities.context_files import ContextFiles
from activities.prompt_files import PromptFiles
from contracts.deployment import Mode
from contracts.model import Model
from contracts.roster import Roster
from contracts.tools import Delivered
from contracts.wire import DATA_CONVERTER
from policies.engine import CedarRules
from tests.authority import FixedAuthority, store_ports
from tests.demo_servers import Ask, DemoServers, Fault, lies
from tests.doubles import MovableClock, ScriptedClaude, says
from tests.story import DEPLOYMENT
from tests.workflows.hotel_world import HOTEL
from workers import event_loop
from workers.assembly import Ports, activities_of, interceptors_of, make_worker
from workers.resources.chains import TemporalChains
from workers.resources.families import TemporalFamilies
from workers.resources.store import Store
from workers.settings import REPOSITORY, Settings
from workflows.catalog import Catalog


class Order(Model):
    """What the worker is told."""

    address: str
    task_queue: str
    store_url: str
    data: Path
    tool: str
    """`server.tool`: the call at which it dies."""
    after: bool
    """Once the server has done it; else before."""
    last_says_no: bool = False
    """The last step says no, so that everything is undone."""
    roster: Roster = Roster()


def dies(after: bool) -> Fault:
    """Nobody hears of this call again from this process."""

    async def fault(ask: Ask) -> Delivered:
        if after:
            await ask()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives")

    return fault


async def work(order: Order) -> None:
    """Work until that call."""
    client = await Client.connect(order.address, data_converter=DATA_CONVERTER)
    catalog, folders = Catalog.load(), Settings(mode=Mode.DEVELOPMENT).policy_folders()
    store = Store.open(order.store_url)
    faults: dict[str, Fault] = {"compliance.record_checkout": lies} if order.last_says_no else {}
    faults[order.tool] = dies(order.after)
    hotel = await DemoServers.at(order.data, HOTEL, faults)
    authority = FixedAuthority(CedarRules.load(folders), order.roster)
    ports = Ports(
        claude=ScriptedClaude([says("nobody asks")]),
        toolbox=hotel,
        **store_ports(store, authority, DEPLOYMENT),
        authority=authority,
        prompts=PromptFiles(()),
        contexts=ContextFiles(()),
        clock=MovableClock(),
        chains=TemporalChains(client),
        families=TemporalFamilies(client),
        deployment=DEPLOYMENT,
        default_model="scripted",
        owner_roles=catalog.owner_roles(),
        may_start=catalog.may_start(),
    )
    around = interceptors_of(ports)
    async with make_worker(client, catalog, activities_of(ports), task_queue=order.task_queue, interceptors=around):
        await asyncio.Event().wait()


async def until_it_died(order: Order) -> None:
    """Start the worker that is to die, and see it killed by itself."""
    command = (sys.executable, "-m", __name__, order.model_dump_json())
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY)
    try:
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    event_loop.run(work(Order.model_validate(json.loads(sys.argv[1]))))

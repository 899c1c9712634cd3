"""Keeps so many paydays under way, as their requesters would: starts them, and waits for their endings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from contracts.canonical import digest
from contracts.runs import TASK_QUEUE, Ending, StartStatement
from tests.faults.facts import Facts
from tests.faults.planned import PlannedRun
from tests.faults.worker import catalog
from tests.faults.world import World

TRIED_AGAIN_SECONDS = 0.3


class Load:
    """The paydays of one lane."""

    def __init__(self, world: World, facts: Facts) -> None:
        self._world, self._facts = world, facts
        self._entry = catalog().find("payday")
        self._ending: dict[str, asyncio.Task[None]] = {}

    @property
    def under_way(self) -> int:
        """Runs that have not ended."""
        return sum(not task.done() for task in self._ending.values())

    async def start(self, planned: PlannedRun) -> None:
        """Start it, however often that takes. From now on it is followed, also when nobody waits for this any more."""
        self._facts.runs.append(planned)
        started = asyncio.Event()
        self._ending[planned.id] = asyncio.create_task(self._to_its_end(planned, started))
        await started.wait()

    async def _to_its_end(self, planned: PlannedRun, started: asyncio.Event) -> None:
        try:
            handle = await self._surely_started(planned)
        finally:
            started.set()
        await self._follow(handle)

    async def _surely_started(self, planned: PlannedRun) -> WorkflowHandle[object, Ending]:
        client = await self._world.client()
        while True:
            try:
                return await self._started(client, planned)
            except RPCError:
                await asyncio.sleep(TRIED_AGAIN_SECONDS)

    async def _started(self, client: Client, planned: PlannedRun) -> WorkflowHandle[object, Ending]:
        request = self._entry.request.model_validate(
            {
                "name": planned.name,
                "steps": [vars(step) for step in planned.steps],
                "fails_at": planned.fails_at,
            }
        )
        start = StartStatement(
            requester=f"rita of {planned.name}",
            automation="payday",
            business_key=planned.name,
            input_digest=digest(request.model_dump(mode="json")),
            issued_at=datetime.now().astimezone(),
        )
        case = self._entry.first_case(request, start)
        with suppress(WorkflowAlreadyStartedError):  # by an attempt whose answer was lost
            await client.start_workflow("payday", case, id=planned.id, task_queue=TASK_QUEUE)
        return client.get_workflow_handle(planned.id, result_type=Ending)

    async def _follow(self, handle: WorkflowHandle[object, Ending]) -> None:
        while True:
            try:
                self._facts.endings[handle.id] = (await handle.result()).state
            except RPCError:
                await asyncio.sleep(TRIED_AGAIN_SECONDS)
            else:
                return

    async def drained(self, within_seconds: float) -> None:
        """Once all have ended, or the time is over; where the others stand is then noted."""
        tasks = list(self._ending.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_seconds)
        for run, task in self._ending.items():
            if task in late:
                task.cancel()
                self._facts.endings[run] = await self._where(run)

    async def _where(self, run: str) -> str:
        try:
            client = await self._world.client()
            described = await client.get_workflow_handle(run).describe()
            view = await asyncio.wait_for(client.get_workflow_handle(run).query("view"), 5)
        except (RPCError, TimeoutError) as error:
            return f"stuck: {error}"
        pending = [
            f"{each.activity_type.name} attempt {each.attempt}: {each.last_failure.message}"
            for each in described.raw_description.pending_activities
        ]
        return f"stuck in {view['state']}: {view.get('reason', '')} {pending}"


@asynccontextmanager
async def kept_busy(load: Load, runs: AsyncIterator[PlannedRun], at_once: int) -> AsyncIterator[None]:
    """So many runs are under way for the time of the block."""

    async def feed() -> None:
        if at_once == 0:
            return
        async for planned in runs:
            while load.under_way >= at_once:
                await asyncio.sleep(0.05)
            await load.start(planned)

    feeding = asyncio.create_task(feed())
    try:
        yield
    finally:
        feeding.cancel()
        await asyncio.wait({feeding})

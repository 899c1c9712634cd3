"""Onboardings outlive what changes in the weeks they take: their own history, and the worker that runs them."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.demo_servers import DemoServers, a_folder
from tests.doubles import ScriptedClaude, says
from tests.story import StoryRun, a_story
from tests.workflows.later_onboarding import LaterOnboarding
from tests.workflows.onboarding_world import COMPANY, KINDS, LENA, NGOZI, Books, Onboarding, an_onboarding
from workflows.catalog import Catalog

pytestmark = pytest.mark.many


async def link_of(run: StoryRun) -> str:
    """Temporal's id of the link of its chain that is current."""
    return str((await run.handle.describe()).run_id)


async def test_an_onboarding_that_continues_as_new_on_the_way_forgets_nothing(suggesting: WorkflowEnvironment) -> None:
    async with an_onboarding(suggesting, LENA) as onboarding:
        await onboarding.letter(1)
        links = {await link_of(onboarding.run)}
        for kind in KINDS[:3]:
            await onboarding.hands_in(kind)
            links.add(await link_of(onboarding.run))
        again = await onboarding.delivers(onboarding.hand_in("contract"))
        await onboarding.hands_in(KINDS[3])
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        links.add(await link_of(onboarding.run))
        await onboarding.first_day_comes()
        ending = await onboarding.run.ending()
        books, view = onboarding.books(), await onboarding.run.view()

    assert len(links) >= 3, "it did continue as new"
    assert (again.outcome, ending.state) == ("known", "onboarded")
    assert books == Books(open_tickets=2, active_accounts=2, letters=("bank_details,contract,identity,tax_form",))
    assert [visit.state for visit in view.path].count("collecting") == 1


async def test_an_onboarding_that_has_continued_as_new_is_undone_when_they_withdraw(
    suggesting: WorkflowEnvironment,
) -> None:
    async with an_onboarding(suggesting, NGOZI) as onboarding:
        await onboarding.sign(1, 2)
        await onboarding.run.in_state("awaiting_first_day")
        continued = await link_of(onboarding.run) != onboarding.run.handle.first_execution_run_id
        await onboarding.withdraws()
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert (continued, ending.state, books) == (True, "withdrawn", Books())


# Another version of the automation.


@asynccontextmanager
async def two_versions(environment: WorkflowEnvironment, **asked: Any) -> AsyncIterator["Versions"]:
    """An onboarding that begins on a worker of the version before."""
    with a_folder(COMPANY) as data:
        company = await DemoServers.at(data, COMPANY)
        async with a_story(environment, ScriptedClaude([says("nobody asks")]), company) as story:
            versions = Versions(story, company, f"{story.task_queue}-versions")
            await versions.serve(story.catalog)
            try:
                run = await story.start("employee_onboarding", task_queue=versions.queue, **asked)
                versions.onboarding = Onboarding(run, story, company, asked["employee_id"])
                yield versions
            finally:
                await versions.stop()


class Versions:
    """One worker at a time on a task queue of its own."""

    onboarding: Onboarding

    def __init__(self, story: Any, company: DemoServers, queue: str) -> None:
        self._story, self.company, self.queue = story, company, queue
        self._worker: Worker | None = None
        self._serving: asyncio.Task[None] | None = None

    async def serve(self, catalog: Catalog) -> None:
        """Serve runs with the automations of this catalog."""
        self._worker = dataclasses.replace(self._story, catalog=catalog).worker(self.queue)
        self._serving = asyncio.create_task(self._worker.run())

    async def stop(self) -> None:
        """The worker is gone, and everything it had in memory."""
        if self._worker is not None and self._serving is not None:
            await self._worker.shutdown()
            await self._serving

    async def replaced(self) -> None:
        """A worker of the later version is there instead."""
        await self.stop()
        entries = [
            dataclasses.replace(entry, workflow=LaterOnboarding) if entry.name == "employee_onboarding" else entry
            for entry in self._story.catalog.entries()
        ]
        await self.serve(Catalog(entries))


@pytest.mark.parametrize(
    ("state", "tickets"),
    [("collecting", 3), ("awaiting_approval", 2), ("awaiting_first_day", 2)],
)
async def test_an_onboarding_goes_on_under_a_later_version_wherever_it_waits(
    temporal: WorkflowEnvironment, state: str, tickets: int
) -> None:
    async with two_versions(temporal, **(LENA if state == "collecting" else NGOZI)) as versions:
        onboarding = versions.onboarding
        await (onboarding.letter(1) if state == "collecting" else onboarding.run.in_state("awaiting_approval"))
        if state == "awaiting_first_day":
            await onboarding.sign(1, 2)
            await onboarding.run.in_state(state)
        await versions.replaced()
        if state == "collecting":
            await onboarding.hands_in(*KINDS)
        if state != "awaiting_first_day":
            await onboarding.sign(1, 2)
            await onboarding.run.in_state("awaiting_first_day")
        await onboarding.first_day_comes()
        ending = await onboarding.run.ending()
        books = onboarding.books()

    assert (ending.state, books.open_tickets, books.active_accounts) == ("onboarded", tickets, 2)

"""The hotel's small automations, and a worker that is killed at each of their effects: done once, and never lost."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.story import Story
from tests.workflows.dying_checkout import Order, until_it_died
from tests.workflows.hotel_world import UNTOUCHED, a_hotel, books_in
from tests.workflows.skills_world import EFFECTS, Skill
from tests.workflows.test_compensate_checkout_failure import ASKED, NEVER_TAKEN, ROSTER, after_a_checkout

pytestmark = pytest.mark.many


def order(story: Story, data: Path, tool: str) -> Order:
    """A worker that dies right after a server has done this call, and before anybody hears of it."""
    return Order(
        address=story.client.service_client.config.target_host,
        task_queue=f"{story.task_queue}-dying",
        store_url=story.store_url,
        data=data,
        tool=tool,
        after=True,
        roster=ROSTER,
    )


@pytest.mark.parametrize(("skill", "state"), EFFECTS, ids=lambda value: getattr(value, "automation", str(value)))
async def test_a_skill_whose_worker_is_killed_at_an_effect_does_it_once(
    temporal: WorkflowEnvironment, skill: Skill, state: str
) -> None:
    async with a_hotel(temporal, roster=ROSTER) as (story, hotel):
        dies = order(story, hotel.data, skill.effects[state])
        run = await story.start(skill.automation, task_queue=dies.task_queue, **skill.asked)
        await until_it_died(dies)
        async with story.worker(dies.task_queue):
            ending = await run.ending()
        said = skill.said(hotel)

    assert (ending.state, said) == (skill.ending, skill.after)
    assert hotel.called, "another worker went on"


async def test_a_compensation_whose_worker_is_killed_leaves_nothing_of_the_checkout_all_the_same(
    temporal: WorkflowEnvironment,
) -> None:
    async with after_a_checkout(temporal, NEVER_TAKEN) as told:
        story, hotel = told.story, told.hotel
        dies = order(story, hotel.data, "payments.void_payment")
        asked = {"requester": "sam", "task_queue": dies.task_queue, **ASKED}
        run = await story.start("compensate_checkout_failure", **asked)
        await until_it_died(dies)
        async with story.worker(dies.task_queue):
            ending = await run.ending()
        books = books_in(hotel.data)

    assert (ending.state, books) == ("compensated", UNTOUCHED)

"""A worker is killed before or after each call of a checkout: another one goes on, and everything is done once."""

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.workflows.checkout_table import CELLS, KILLS, UNDONE_BY, Cell, Way
from tests.workflows.dying_checkout import Order, until_it_died
from tests.workflows.hotel_world import ELENA, a_hotel, books_in, ever_in

pytestmark = pytest.mark.many


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.way in KILLS], ids=lambda cell: str(cell.name))
async def test_a_worker_that_is_killed_at_a_call_leaves_it_done_once(temporal: WorkflowEnvironment, cell: Cell) -> None:
    async with a_hotel(temporal) as (story, hotel):
        queue = f"{story.task_queue}-dying"
        order = Order(
            address=story.client.service_client.config.target_host,
            task_queue=queue,
            store_url=story.store_url,
            data=hotel.data,
            tool=cell.tool,
            after=cell.way is Way.KILLED_AFTER,
            last_says_no=cell.tool in UNDONE_BY,
        )
        run = await story.start("guest_checkout", task_queue=queue, **ELENA)
        await until_it_died(order)
        async with story.worker(queue):
            ending = await run.ending()
        books, ever = books_in(hotel.data), ever_in(hotel.data)

    assert (ending.state, books) == (cell.ending, cell.books), ending.reason
    assert max(ever.values()) == 1, ever
    assert hotel.called, "another worker went on"

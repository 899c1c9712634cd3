"""Each step of a checkout fails in each of its ways: the servers' own databases say what the table says, and once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.runs import RunView
from tests.demo_servers import Fault, Faults, lies
from tests.doubles import WAITS_SECONDS
from tests.workflows.checkout_table import CELLS, FAULTS, KILLS, UNDONE_BY, Cell, Way
from tests.workflows.hotel_world import Checkout, a_checkout, ever_in
from tests.workflows.refund_world import rules

pytestmark = pytest.mark.many

LAST = "compliance.record_checkout"
FORBID = '@id("not-today") forbid(principal, action == Action::"{}", resource);'
LONG = timedelta(hours=12, minutes=2)
TRIES_IN_TWELVE_HOURS = 30
"""More than there are: it is tried again every hour."""


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.way not in KILLS], ids=lambda cell: str(cell.name))
async def test_what_comes_of_a_call_that_goes_wrong_is_what_the_table_says(
    temporal: WorkflowEnvironment, cell: Cell
) -> None:
    policy = rules(FORBID.format(cell.tool)) if cell.way is Way.FORBIDDEN else None
    async with a_checkout(temporal, faults=faults_of(cell), policy=policy) as checkout:
        if cell.way is Way.STAYS_AWAY:
            await until_tried(checkout, cell.tool)
            await checkout.story.fast_forward(checkout.run, LONG)
        asked = await answered(checkout, cell)
        ending = await checkout.run.ending()
        books, ever = checkout.books(), ever_in(checkout.hotel.data)

    assert (ending.state, books) == (cell.ending, cell.books), ending.reason
    assert bool(asked) == (cell.says is not None)
    assert max(ever.values()) <= 1, ever


def faults_of(cell: Cell) -> Faults:
    """What strikes, and at which calls. Every undo is one of a checkout whose last step was done and says no."""
    found: dict[str, Sequence[Fault | None]] = {LAST: [lies]} if cell.tool in UNDONE_BY else {}
    if cell.way in FAULTS:
        times = TRIES_IN_TWELVE_HOURS if cell.way is Way.STAYS_AWAY else 1
        found[cell.tool] = [*[None] * (cell.nth - 1), *[FAULTS[cell.way]] * times]
    return found


async def answered(checkout: Checkout, cell: Cell) -> int:
    """How many requests a person has answered until the run was over, each in the same way.

    What was wrong with a server has passed by then.
    """
    number = 0
    while not (await asked_or_over(checkout, number + 1)).final:
        number += 1
        assert cell.says is not None, "nobody should have been asked"
        checkout.hotel.faults.clear()
        await checkout.run.decides(cell.says, number=number)
    return number


async def asked_or_over(checkout: Checkout, number: int) -> RunView:
    """The run, once it is over or asks request `number`."""
    wanted = f"{checkout.run.handle.id}#{number}"
    return await checkout.run.until(
        lambda seen: seen.final or any(request.id == wanted for request in seen.waiting_for)
    )


async def until_tried(checkout: Checkout, tool: str) -> None:
    """Wait, boundedly, until the tool was called in vain, and the run waits for its server."""
    await checkout.hotel.until_called(tool)
    deadline = asyncio.get_running_loop().time() + WAITS_SECONDS
    while True:
        pending = (await checkout.run.handle.describe()).raw_description.pending_activities
        if any(waiting.HasField("last_failure") for waiting in pending):
            return
        assert asyncio.get_running_loop().time() < deadline, f"no attempt of {tool} has failed"
        await asyncio.sleep(0.04)


def test_the_table_has_every_step_in_every_way_and_each_cell_once() -> None:
    assert len({(cell.tool, cell.nth, cell.way) for cell in CELLS}) == len(CELLS)
    effects = {(cell.tool, cell.way) for cell in CELLS if cell.tool in (*UNDONE_BY, *UNDONE_BY.values())}
    assert len(effects) == len(UNDONE_BY) * (2 * len(Way) - 1), "an undo that is done and says no is not told"
    assert {cell.says for cell in CELLS} == {None, Verdict.RETRY, Verdict.TAKE_OVER, Verdict.ABANDON}

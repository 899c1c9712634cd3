"""kill -9 at moments drawn by lot, with many refunds under way: each is credited, marked and told once."""

import asyncio
from random import Random

import pytest

from tests.end_to_end.setup import Setup
from workers.embedded.plan import PAYMENTS, TEMPORAL, WORKER

pytestmark = pytest.mark.many

SEED = 7
REFUNDS = 6
KILLED = (WORKER, PAYMENTS, WORKER, TEMPORAL)
CUSTOMER = "purchasing@harbour-supplies.example.com"


async def test_every_refund_under_way_happens_once_whatever_is_killed_when(setup: Setup) -> None:
    lot = Random(SEED)
    mails = await setup.mails_counted(CUSTOMER)
    runs = [await setup.refund() for _ in range(REFUNDS)]
    for name in KILLED:
        await asyncio.sleep(lot.uniform(0, 1))  # not to wait for something: the moment is what is drawn
        await setup.kill(name)
        await setup.start_programs(name)
    assert await asyncio.gather(*(run.ending() for run in runs)) == ["refunded"] * REFUNDS
    orders = [run.id.removeprefix("refund/") for run in runs]
    assert [setup.credits_standing(order) for order in orders] == [1] * REFUNDS
    assert await setup.mails_counted(CUSTOMER) == mails + REFUNDS

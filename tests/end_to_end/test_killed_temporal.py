"""kill -9 of the embedded Temporal server, and its restart on the same file."""

import pytest

from contracts.decisions import Verdict
from tests.end_to_end.processes import until
from tests.end_to_end.setup import Setup
from workers.embedded.plan import TEMPORAL

pytestmark = pytest.mark.many

SLOW_ANSWER = {"kind": "delay", "seconds": 2, "after_events": 2}
GOAL = "Write customer C-7 a mail about the open orders."


async def test_turns_calls_and_waits_survive_when_temporal_is_killed_and_started_again(setup: Setup) -> None:
    waiting = await setup.start("errand", goal=GOAL, servers=("orders", "crm", "mail"))
    await waiting.asked()
    order_id = next(setup.orders)
    with setup.answers_held() as release:
        crediting = await setup.refund(order_id)
        await until(lambda: setup.credits_standing(order_id) == 1, "the credit is issued and its answer withheld")
        await setup.simulator.does(SLOW_ANSWER)
        before = len(await setup.simulator.questions())
        thinking = await setup.refund()
        await setup.simulator.until_asked(before + 1)
        await setup.kill(TEMPORAL)
        release()
    await setup.start_programs(TEMPORAL)
    assert await thinking.ending() == "refunded"
    assert await crediting.ending() == "refunded"
    assert setup.sends(crediting, "issue_credit") == [("done", 1)]
    assert await setup.credits_counted(order_id) == 1
    await waiting.decides(Verdict.APPROVE)
    assert await waiting.ending() == "answered"

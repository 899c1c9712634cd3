"""kill -9 of the embedded Temporal server, and its restart on the same file."""

from contracts.decisions import Verdict
from tests.end_to_end.setup import Setup, until
from workers.embedded.plan import TEMPORAL

SILENCE = {"kind": "delay", "seconds": 2, "after_events": 2}
GOAL = "Write customer C-7 a mail about the open orders."


async def test_runs_go_on_and_waiting_decisions_survive_when_temporal_is_killed(setup: Setup) -> None:
    waiting = await setup.start("errand", goal=GOAL, servers=("orders", "crm", "mail"))
    await waiting.asked()
    await setup.simulator.does(SILENCE)
    before = len(await setup.simulator.questions())
    busy = await setup.refund()

    async def claude_is_asked() -> bool:
        return len(await setup.simulator.questions()) == before + 1

    await until(claude_is_asked, "Claude is asked")
    await setup.restart(TEMPORAL)
    assert await busy.ending() == "refunded"
    assert await setup.credits_counted(busy.id.partition("/")[2]) == 1
    await waiting.decides(Verdict.APPROVE)
    assert await waiting.ending() == "answered"

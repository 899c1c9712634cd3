"""kill -9 of an MCP server in mid-call: what may be sent again is, what may not waits for a person."""

import pytest

from contracts.decisions import Verdict
from tests.end_to_end.processes import kill, until
from tests.end_to_end.setup import Setup
from workers.embedded.plan import PAYMENTS

pytestmark = pytest.mark.many


async def test_a_credit_in_flight_when_payments_dies_is_sent_again_with_its_key_and_counted_once(setup: Setup) -> None:
    order_id = next(setup.orders)
    with setup.answers_held() as release:
        run = await setup.refund(order_id)
        await until(lambda: setup.credits_standing(order_id) == 1, "the credit is issued and its answer withheld")
        await setup.kill(PAYMENTS)
        release()
    await setup.start_programs(PAYMENTS)
    assert await run.ending() == "refunded"
    assert await setup.credits_counted(order_id) == 1
    ((state, sends),) = setup.sends(run, "issue_credit")
    assert (state, sends) == ("done", 2)


async def test_a_server_that_is_down_is_waited_for(setup: Setup) -> None:
    await setup.kill(PAYMENTS)
    try:
        run = await setup.refund()
        await run.until_failing("call_tool", "payments cannot be reached")
    finally:
        await setup.start_programs(PAYMENTS)
    assert await run.ending() == "refunded"
    assert setup.sends(run, "issue_credit") == [("done", 1)]


async def test_a_read_in_flight_when_its_stdio_server_dies_is_read_again(setup: Setup) -> None:
    # A server that starts fills its database: it must be up before the lock.
    assert await (await setup.errand()).ending() == "answered"
    with setup.locked("orders"):
        run = await setup.refund()
        await setup.until_sent(run, "find_order")
        await kill(setup.stdio_server("orders"))
    assert await run.ending() == "refunded"
    assert setup.sends(run, "find_order")[0] == ("done", 2)


async def test_a_note_in_flight_when_its_stdio_server_dies_waits_for_a_person_and_is_never_sent_again(
    setup: Setup,
) -> None:
    notes = setup.notes_of("C-42")
    # The reads before the note must get through: the lock comes with Claude's second answer, which is slow.
    await setup.simulator.does({"kind": "delay", "seconds": 0}, {"kind": "delay", "seconds": 1})
    run = await setup.start("errand", goal="Note the open orders of customer C-42.", servers=("orders", "crm"))
    await until(lambda: setup.sends(run, "find_customer") == [("done", 1)], "the card is read")
    with setup.locked("crm"):
        await setup.until_sent(run, "add_note")
        await kill(setup.stdio_server("crm"))
    request = await run.asked()
    assert (await run.view()).state == "escalated"
    assert "nobody knows whether crm.add_note happened" in request.title
    assert setup.sends(run, "add_note") == [("unknown", 1)]
    assert setup.notes_of("C-42") == notes
    await run.decides(Verdict.ABANDON)
    assert await run.ending() == "cancelled"
    assert setup.sends(run, "add_note") == [("abandoned", 1)]

"""kill -9 of the worker in mid-answer of Claude, between a credit and its record, in mid-call, and in mid-read."""

import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from contracts.decisions import Verdict
from tests.end_to_end.processes import children_of, is_running, until
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import Setup
from workers.embedded.plan import WORKER

pytestmark = pytest.mark.many

RECOVERED_WITHIN = timedelta(seconds=15)
MID_STREAM = {"kind": "delay", "seconds": 60, "after_events": 3}
SLOWLY = {"kind": "delay", "seconds": 1}
AT_ONCE = {"kind": "delay", "seconds": 0}
NOTE = "Note the open orders of customer C-7."


@dataclass
class Killing:
    """What was under way when the worker was killed, and what came after."""

    crediting: Run
    order_id: str
    thinking: Run
    questions_before: int
    noting: Run
    reading: Run
    waiting: Run
    children: list[int]
    new_worker_ready_at: float


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def killing(setup: Setup) -> Killing:
    """Four runs under way and one that waits, then kill -9, then a new worker."""
    order_id = next(setup.orders)
    waiting = await setup.start(
        "errand", name="waits", goal="Mail customer C-7 about open orders.", servers=("orders", "crm", "mail")
    )
    await waiting.asked()
    with setup.answers_held() as release:
        crediting = await setup.refund(order_id)
        await until(lambda: setup.credits_standing(order_id) == 1, "the credit is issued and its answer withheld")
        await setup.simulator.does(AT_ONCE, MID_STREAM)
        before = len(await setup.simulator.questions())
        thinking = await setup.refund()
        await setup.simulator.until_asked(before + 2)
        await setup.simulator.does(AT_ONCE, SLOWLY)
        noting = await setup.start("errand", goal=NOTE, servers=("orders", "crm"))
        await until(lambda: setup.sends(noting, "find_customer") == [("done", 1)], "the card is read")
        children = children_of(setup.process(WORKER).pid)
        with setup.locked("crm"):
            await setup.until_sent(noting, "add_note")
            reading = await setup.start("errand", name="reads", goal=NOTE, servers=("orders", "crm"))
            await setup.until_sent(reading, "find_customer")
            await setup.kill(WORKER)
        release()
    await setup.start_programs(WORKER)
    return Killing(crediting, order_id, thinking, before, noting, reading, waiting, children, time.monotonic())


async def test_a_credit_whose_answer_died_with_the_worker_is_recorded_and_counted_once(
    setup: Setup, killing: Killing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await killing.crediting.ending() == "refunded"
    took = time.monotonic() - killing.new_worker_ready_at
    with capsys.disabled():
        print(f"\nrefunded {took:.1f} s after the new worker was ready")  # noqa: T201 - a measurement
    assert took < RECOVERED_WITHIN.total_seconds()
    assert await setup.credits_counted(killing.order_id) == 1
    assert setup.sends(killing.crediting, "issue_credit") == [("done", 2)]


async def test_a_turn_that_died_with_the_worker_is_asked_once_more_and_the_answered_one_never(
    setup: Setup, killing: Killing
) -> None:
    assert await killing.thinking.ending() == "refunded"
    questions = (await setup.simulator.questions())[killing.questions_before :]
    assert [each.turn for each in questions if each.script == "refund/assessing"] == [1, 2, 2]
    assert (await killing.thinking.view()).turns == 2


async def test_a_note_that_was_sent_when_the_worker_died_is_never_sent_again(setup: Setup, killing: Killing) -> None:
    request = await killing.noting.asked()
    assert "nobody knows whether crm.add_note happened" in request.title
    assert setup.sends(killing.noting, "add_note") == [("unknown", 1)]
    await killing.noting.decides(Verdict.ABANDON)
    assert await killing.noting.ending() == "cancelled"


async def test_a_read_that_died_with_the_worker_is_made_again_as_soon_as_its_workflow_task_is(
    setup: Setup, killing: Killing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await killing.reading.ending() == "answered"
    took = time.monotonic() - killing.new_worker_ready_at
    with capsys.disabled():
        print(f"\nread and answered {took:.1f} s after the new worker was ready")  # noqa: T201 - a measurement
    assert setup.sends(killing.reading, "find_customer") == [("done", 2)]


async def test_the_killed_workers_mcp_servers_are_gone(killing: Killing) -> None:
    assert len(killing.children) == 2
    await until(lambda: not any(map(is_running, killing.children)), "stdio servers end with their worker")


async def test_a_run_that_waited_for_people_is_decided_through_the_new_worker(killing: Killing) -> None:
    await killing.waiting.decides(Verdict.APPROVE)
    assert await killing.waiting.ending() == "answered"

"""What a step may have instead of waiting for a server whose breaker is open: an old answer, or to be told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.conversations import RunKey
from activities.keys import idempotency_key
from activities.ledger import LedgerState
from activities.toolbox import NotSent, OutcomeUnknown
from contracts.servers import BreakerRule, ServerRules
from contracts.tools import CallStatus, EffectClass, Taint, ToolCall, ToolOutcome, WhenHeld
from policies.engine import CedarRules
from tests.activities.bench import PRODUCTION, RUN, Bench, a_bench
from tests.doubles import RecordingToolbox, in_turn

READ, CREDIT = "orders.find_order", "orders.mark"
AT_ONCE = ServerRules(breaker=BreakerRule(window=1, failures=0))
DOWN = NotSent("connection refused")
HOUR = timedelta(hours=1)


def reading(occurrence: str = "1", *, order: str = "A-17", stale: timedelta = HOUR, **more: Any) -> ToolCall:
    """Reads the order."""
    return ToolCall(
        server="orders",
        tool="find_order",
        arguments={"order_id": order},
        step="intake",
        occurrence=occurrence,
        facts={"status": "/status"},
        stale_seconds=int(stale.total_seconds()),
        **more,
    )


def marking(occurrence: str) -> ToolCall:
    """Marks the order."""
    named = {"server": "orders", "tool": "mark", "arguments": {}, "step": "mark", "occurrence": occurrence}
    return ToolCall.model_validate(named | {"stale_seconds": 3600})


@asynccontextmanager
async def down(*, classes: dict[str, EffectClass] | None = None) -> AsyncIterator[Bench]:
    """The order was read ten minutes ago, and now the breaker of orders is open."""
    found = in_turn({"status": "delivered"}, lambda _: _raise())
    toolbox = RecordingToolbox({READ: found, CREDIT: {"ok": True}}, classes=classes or {}, said={"orders": AT_ONCE})
    async with a_bench(toolbox) as bench:
        assert (await bench.call(reading("before"))).done
        assert (await bench.call(marking("before"))).done
        bench.clock.forward(timedelta(minutes=10))
        with pytest.raises(ApplicationError, match="connection refused"):
            await bench.call(reading("opens it", stale=timedelta()))
        toolbox.called.clear()
        yield bench


def _raise() -> Any:
    raise DOWN


async def held(bench: Bench, call: ToolCall) -> str:
    """The call waits; nothing goes to the server."""
    with pytest.raises(ApplicationError) as raised:
        await bench.call(call)
    assert raised.value.type == "Held"
    assert bench.toolbox.called == []
    return raised.value.message


async def test_what_was_read_before_serves_once_more_and_says_how_old_it_is() -> None:
    async with down() as bench:
        outcome = await bench.call(reading())
        again = await bench.call(reading())

    assert (outcome.status, outcome.facts, outcome.age_seconds) == (CallStatus.DONE, {"status": "delivered"}, 600)
    assert outcome.message.startswith("read 600 s ago; orders is not called: its breaker is open since ")
    assert again == outcome
    assert bench.toolbox.called == []


async def test_it_stands_in_the_ledger_as_read_from_memory_and_never_sent() -> None:
    async with down() as bench:
        await bench.call(reading())
        entry = await bench.store.ledger.find(idempotency_key("bench", RUN, "intake", "1"))

    assert entry is not None and entry.outcome is not None
    assert (entry.state, entry.sends, entry.outcome.age_seconds) == (LedgerState.DONE, 0, 600)


async def test_an_old_answer_does_not_become_younger_by_serving_again() -> None:
    async with down() as bench:
        await bench.call(reading("1"))
        bench.clock.forward(timedelta(seconds=5))
        outcome = await bench.call(reading("2"))

    assert outcome.age_seconds == 605


async def test_nothing_too_old_and_nothing_about_another_question_serves() -> None:
    async with down() as bench:
        await held(bench, reading("1", stale=timedelta(minutes=9)))
        await held(bench, reading("2", order="A-18"))


async def test_without_a_word_of_the_step_every_call_waits() -> None:
    async with down() as bench:
        message = await held(bench, reading(stale=timedelta()))

    assert message.startswith("orders is not called: its breaker is open since ")


async def test_an_effect_is_never_answered_by_an_old_answer() -> None:
    async with down(classes={CREDIT: EffectClass.IDEMPOTENT}) as bench:
        await held(bench, marking("once more"))


async def test_an_old_answer_is_read_only_by_whom_policy_lets_read_now() -> None:
    async with down() as bench:
        bench.policy = CedarRules({"rules": '@id("nothing") forbid(principal, action, resource);'})
        await held(bench, reading())


async def test_an_old_answer_taints_as_the_new_one_would() -> None:
    async with down() as bench:
        plain = bench.toolbox._definition
        private = {"taints": (Taint.PRIVATE,)}
        bench.toolbox._definition = lambda *named: plain(*named).model_copy(update=private)  # type: ignore[method-assign]
        outcome = await bench.call(reading())
        taints = await bench.store.taints.of(RunKey(workflow_id=RUN.workflow_id, first_run_id=RUN.first_run_id))

    assert outcome.taint == (Taint.PRIVATE,)
    assert taints == frozenset({Taint.PRIVATE})


async def test_a_worker_that_never_listed_the_servers_tools_waits() -> None:
    async with down() as bench:
        bench.toolbox.listed.clear()
        await held(bench, reading())


@pytest.mark.parametrize("stale", [timedelta(), timedelta(minutes=9)])
async def test_a_step_that_wants_to_be_told_is_told_and_goes_another_way(stale: timedelta) -> None:
    async with down() as bench:
        outcome = await bench.call(reading(stale=stale, when_held=WhenHeld.REPORT))

    assert isinstance(outcome, ToolOutcome)
    assert (outcome.status, outcome.done) == (CallStatus.HELD, False)
    assert outcome.message.startswith("orders is not called: its breaker is open since ")
    assert bench.toolbox.called == []


async def test_an_old_answer_comes_before_being_told() -> None:
    async with down() as bench:
        assert (await bench.call(reading(when_held=WhenHeld.REPORT))).age_seconds == 600


async def test_an_answer_that_stands_in_the_ledger_is_given_though_the_server_is_not_called() -> None:
    async with down(classes={CREDIT: EffectClass.IDEMPOTENT}) as bench:
        read = await bench.call(reading("before", stale=timedelta()))
        marked = await bench.call(marking("before"))

    assert (read.status, read.age_seconds, read.facts) == (CallStatus.DONE, 0, {"status": "delivered"})
    assert marked.status is CallStatus.DONE
    assert bench.toolbox.called == []


async def test_what_would_be_refused_waits_until_the_server_can_be_asked_again() -> None:
    async with down() as bench:
        bench.authority.pins.clear()
        bench.authority.accepts_at_first_contact = False
        bench.deployment = PRODUCTION
        await held(bench, reading())


async def test_a_step_is_not_told_that_nothing_was_sent_of_a_call_that_was_sent_and_never_answered() -> None:
    lost = in_turn(lambda _: _lose())
    toolbox = RecordingToolbox({CREDIT: lost}, classes={CREDIT: EffectClass.KEYED}, said={"orders": AT_ONCE})
    async with a_bench(toolbox) as bench:
        call = marking("1").model_copy(update={"when_held": WhenHeld.REPORT})
        with pytest.raises(ApplicationError, match="timed out"):
            await bench.call(call)
        with pytest.raises(ApplicationError) as raised:
            await bench.call(call)

    assert raised.value.type == "Held"


def _lose() -> Any:
    raise OutcomeUnknown("timed out")


async def test_an_old_answer_stays_old_where_it_served_after_a_read_that_was_sent() -> None:
    found = in_turn({"status": "delivered"}, lambda _: _lose())
    toolbox = RecordingToolbox({READ: found}, said={"orders": AT_ONCE})
    async with a_bench(toolbox) as bench:
        await bench.call(reading("before"))
        bench.clock.forward(timedelta(minutes=10))
        with pytest.raises(ApplicationError, match="timed out"):
            await bench.call(reading("1"))
        first = await bench.call(reading("1"))
        bench.clock.forward(timedelta(seconds=5))
        second = await bench.call(reading("2"))

    assert (first.age_seconds, second.age_seconds) == (600, 605)

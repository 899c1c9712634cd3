"""The gate and its servers: what is held, what is counted, and that one server never starves another."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.admission import Admission, Held, HeldBy
from activities.breakers import Breaker
from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused
from activities.tools import ToolActivities
from contracts.servers import BreakerRule, Limits, Rate, ServerRules
from contracts.tools import CallStatus, Delivered, EffectClass, ToolCall, ToolOutcome
from policies.engine import CedarRules
from tests.activities.bench import Bench, a_bench
from tests.activities.test_claude import turn
from tests.doubles import WAITS_SECONDS, Answer, RecordingToolbox, ScriptedClaude, in_turn, says, says_no

TOOL = "payments.issue_credit"
ILL = NotSent("connection refused")
AS_USUAL = ServerRules()
FORBIDDEN = CedarRules({"rules": '@id("never") forbid(principal, action, resource);'})


def credit(number: int = 1) -> ToolCall:
    """A new intention each."""
    return ToolCall(
        server="payments", tool="issue_credit", arguments={"cents": 4000}, step=TOOL, occurrence=str(number)
    )


def payments(*answers: Any, rules: ServerRules = AS_USUAL, **more: Any) -> RecordingToolbox:
    """A payments server that answers so, one after the other; the last answer repeats."""
    return RecordingToolbox(
        {TOOL: in_turn(*answers)}, classes={TOOL: EffectClass.KEYED}, said={"payments": rules}, **more
    )


async def fails(bench: Bench, call: ToolCall, gate: ToolActivities | None = None) -> ApplicationError:
    """An attempt that Temporal may repeat."""
    gate = gate or bench.gate()
    with pytest.raises(ApplicationError) as raised:
        await bench.environment().run(gate.call_tool, call)
    assert not raised.value.non_retryable
    return raised.value


async def breaker(bench: Bench) -> Breaker | None:
    """That of payments; None while it was never written."""
    return (await bench.store.breakers.standing()).get("payments")


async def counted(bench: Bench) -> list[bool]:
    """What its window has: whether each call found the server healthy."""
    found = await breaker(bench)
    return [outcome.healthy for outcome in found.outcomes] if found else []


@asynccontextmanager
async def down(**more: Any) -> AsyncIterator[Bench]:
    """A bench whose payments server has just failed four calls."""
    async with a_bench(payments(ILL, ILL, ILL, ILL, {"credit": "C-1"}, **more)) as bench:
        for number in range(4):
            assert (await fails(bench, credit(number))).type == "NotSent"
        yield bench


@pytest.mark.parametrize("failure", [ILL, OutcomeUnknown("timed out")])
async def test_what_a_healthy_server_does_not_do_counts_against_it(failure: Exception) -> None:
    async with a_bench(payments(failure)) as bench:
        await fails(bench, credit())
        assert await counted(bench) == [False]


@pytest.mark.parametrize(
    "answer",
    [{"credit": "C-1"}, says_no("the account is closed"), ServerRefused("no such order"), Delivered(unreadable="1 GB")],
)
async def test_any_answer_shows_that_the_server_is_well(answer: Any) -> None:
    async with a_bench(payments(ILL, answer)) as bench:
        await fails(bench, credit(1))
        await bench.call(credit(2))
        assert await counted(bench) == [False, True]


async def test_a_server_that_is_too_busy_is_well() -> None:
    async with a_bench(payments(ILL, NotSent("HTTP 429", health=Health.HEALTHY))) as bench:
        await fails(bench, credit(1))
        await fails(bench, credit(2))
        assert await counted(bench) == [False, True]


async def test_a_missing_credential_says_nothing_of_the_server() -> None:
    async with a_bench(payments(ILL, NotSent("TOKEN is not set", health=Health.UNTOLD))) as bench:
        await fails(bench, credit(1))
        await fails(bench, credit(2))
        assert await counted(bench) == [False]


async def test_what_policy_forbids_says_nothing_of_the_server() -> None:
    async with a_bench(payments(ILL)) as bench:
        await fails(bench, credit(1))
        bench.policy = FORBIDDEN
        assert (await bench.call(credit(2))).status is CallStatus.FORBIDDEN
        assert await counted(bench) == [False]


async def test_our_own_cancellation_says_nothing_of_the_server() -> None:
    async with a_bench(payments({})) as bench:
        admission = _admission(bench)
        with pytest.raises(asyncio.CancelledError):
            async with admission.to("payments"):
                raise asyncio.CancelledError
        assert await breaker(bench) is None


async def test_a_server_whose_tools_cannot_be_listed_is_ill() -> None:
    async with a_bench(payments({}, unreachable={"payments"})) as bench:
        for attempt in (bench.call, bench.rule, bench.call):
            with pytest.raises(ApplicationError):
                await attempt(credit())
        assert await counted(bench) == [False] * 3


async def test_once_open_nothing_reaches_the_server_and_the_message_says_why_since_and_until_when() -> None:
    async with down() as bench:
        reached = len(bench.toolbox.called)
        held = await fails(bench, credit(9))
        assert len(bench.toolbox.called) == reached and not bench.toolbox.probed
        assert await bench.entry(credit(9)) is None
    assert held.type == "Held" and held.next_retry_delay is not None
    assert held.message.startswith("payments is not called: its breaker is open since 2026-11-20T09:00:00.000Z until ")
    assert held.message.endswith("the last problem: connection refused")
    assert 30 <= held.next_retry_delay.total_seconds() <= 40


async def test_while_it_is_open_neither_rulings_nor_offers_turn_to_the_server() -> None:
    async with down() as bench:
        bench.toolbox.unreachable.add("payments")  # whoever asks it now would be told so
        bench.claude = ScriptedClaude([says(".")])
        for asking in (bench.rule(credit()), bench.turn(turn(tools=("payments.*",)))):
            with pytest.raises(ApplicationError) as raised:
                await asking
            assert raised.value.type == "Held"


async def test_when_it_is_due_the_first_call_looks_and_then_goes_through() -> None:
    async with down() as bench:
        bench.clock.forward(timedelta(seconds=34))
        assert (await bench.call(credit(1))).done
        assert bench.toolbox.probed == ["payments"]
        found = await breaker(bench)
        assert found is not None and not found.open


async def test_a_probe_that_fails_makes_no_call_and_doubles_the_wait() -> None:
    async with down() as bench:
        bench.toolbox.unreachable.add("payments")
        bench.clock.forward(timedelta(seconds=34))
        reached = len(bench.toolbox.called)
        held = await fails(bench, credit(9))
        assert len(bench.toolbox.called) == reached and bench.toolbox.probed == ["payments"]
        assert held.next_retry_delay is not None and held.next_retry_delay >= timedelta(seconds=60)


async def test_whoever_finds_somebody_looking_comes_back_shortly() -> None:
    async with down() as bench:
        bench.clock.forward(timedelta(seconds=34))
        await bench.store.breakers.admit("payments", "another", bench.clock.at)
        held = await fails(bench, credit(9))
        assert not bench.toolbox.probed
        assert held.next_retry_delay is not None and held.next_retry_delay <= timedelta(seconds=3)


async def test_more_calls_than_places_are_held_without_waiting() -> None:
    limits = Limits(concurrency=2)
    async with a_bench(payments({"credit": "C-1"}, rules=ServerRules(limits=limits))) as bench:
        gate, release = bench.gate(), bench.toolbox.holding(TOOL)
        under_way = [asyncio.create_task(bench.environment().run(gate.call_tool, credit(n))) for n in range(2)]
        await _until(lambda: len(bench.toolbox.called) == 2)
        third = asyncio.create_task(fails(bench, credit(9), gate))
        await _until(lambda: third.done() or len(bench.toolbox.called) > 2)
        release.set()
        held = await third
        assert all(outcome.done for outcome in await asyncio.gather(*under_way))
        assert (await bench.environment().run(gate.call_tool, credit(9))).done
    assert (held.type, bench.toolbox.called) == ("Held", [TOOL] * 3)
    assert held.message == "payments is not called now: 2 calls of this worker are under way, which is its limit"


async def test_a_ruling_takes_neither_a_place_nor_a_token() -> None:
    limits = Limits(concurrency=1, rate=Rate(calls=1, seconds=60))
    async with a_bench(payments({"credit": "C-1"}, rules=ServerRules(limits=limits))) as bench:
        gate, release = bench.gate(), bench.toolbox.holding(TOOL)
        under_way = asyncio.create_task(bench.environment().run(gate.call_tool, credit(1)))
        await bench.toolbox.until_called(TOOL)
        assert await bench.environment().run(gate.rule_on, credit(2))
        release.set()
        await under_way


async def test_a_call_beyond_the_rate_is_held_before_it_is_sent_and_goes_when_there_is_a_token() -> None:
    limits = Limits(rate=Rate(calls=6, seconds=60))
    async with a_bench(payments({"credit": "C-1"}, rules=ServerRules(limits=limits))) as bench:
        assert (await bench.call(credit(1))).done
        held = await fails(bench, credit(2))
        assert (held.type, bench.toolbox.called, await bench.sends(credit(2))) == ("Held", [TOOL], 0)
        assert held.message == "payments is not called now: 6 calls in 60 s are its limit, for all workers together"
        assert held.next_retry_delay is not None and 10 <= held.next_retry_delay.total_seconds() <= 12
        bench.clock.forward(timedelta(seconds=10))
        assert (await bench.call(credit(2))).done


async def test_the_answer_that_stands_in_the_ledger_needs_no_token() -> None:
    limits = Limits(rate=Rate(calls=1, seconds=3600))
    async with a_bench(payments({"credit": "C-1"}, rules=ServerRules(limits=limits))) as bench:
        first = await bench.call(credit())
        assert [await bench.call(credit()) for _ in range(3)] == [first] * 3


async def test_whoever_has_come_often_for_room_comes_less_often() -> None:
    limits = Limits(rate=Rate(calls=1, seconds=3600))
    async with a_bench(payments({}, rules=ServerRules(limits=limits, breaker=BreakerRule()))) as bench:
        await bench.call(credit(1))
        bench.clock.forward(timedelta(seconds=3599))
        environment = bench.environment()
        environment.info = dataclasses.replace(environment.info, attempt=50)
        with pytest.raises(ApplicationError) as raised:
            await environment.run(bench.gate().call_tool, credit(2))
    assert raised.value.next_retry_delay is not None
    assert raised.value.next_retry_delay.total_seconds() == 30


async def test_a_server_whose_calls_all_hang_never_starves_another() -> None:
    answers: dict[str, Answer] = {"slow.read": {"late": True}, "quick.read": {"here": True}}
    toolbox = RecordingToolbox(answers, said={"slow": ServerRules(limits=Limits(concurrency=2))})
    async with a_bench(toolbox) as bench:
        gate, release, slots = bench.gate(), toolbox.holding("slow.read"), asyncio.Semaphore(4)

        async def attempt(server: str, number: int) -> ToolOutcome:
            call = ToolCall(server=server, tool="read", arguments={}, step=server, occurrence=str(number))
            async with slots:  # the worker's own: so many activities at a time
                return await bench.environment().run(gate.call_tool, call)

        slow = [asyncio.create_task(attempt("slow", number)) for number in range(12)]
        quick = [asyncio.create_task(attempt("quick", number)) for number in range(6)]
        _, starved = await asyncio.wait(quick, timeout=WAITS_SECONDS)
        release.set()
        ended = await asyncio.gather(*slow, *quick, return_exceptions=True)
    assert not starved and all(outcome.done for outcome in (task.result() for task in quick))
    assert sorted(type(each).__name__ for each in ended) == ["ApplicationError"] * 10 + ["ToolOutcome"] * (2 + 6)


async def test_held_says_what_it_is_that_holds() -> None:
    limits = Limits(concurrency=1)
    async with a_bench(payments({}, rules=ServerRules(limits=limits))) as bench:
        admission = _admission(bench)
        async with admission.to("payments"):
            with pytest.raises(Held) as raised:
                async with admission.to("payments"):
                    pass
    assert (raised.value.kind, raised.value.retry_after_seconds > 0) == (HeldBy.PLACES, True)


def _admission(bench: Bench) -> Admission:
    return Admission(bench.toolbox, bench.store.breakers, bench.store.rates, bench.clock)


async def _until(reached: Any) -> None:
    async with asyncio.timeout(WAITS_SECONDS):
        while not reached():
            await asyncio.sleep(0.001)

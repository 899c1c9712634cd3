"""The gate, by effect class: what may follow a call that could not be sent, was refused, or never answered."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import Claim, LedgerEntry, LedgerState
from activities.lost_answers import IDEMPOTENT_SENDS
from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused
from contracts.model import Moment
from contracts.tools import CallStatus, Delivered, EffectClass, Lookup, ToolCall
from tests.activities.bench import Bench, SlowToLeave, a_bench
from tests.doubles import RecordingToolbox, says_no

TOOL = "payments.issue_credit"
CREDIT = ToolCall(server="payments", tool="issue_credit", arguments={"cents": 4000}, step=TOOL)
SURELY_OVER = timedelta(seconds=67)
"""Five seconds to leave, a minute to be answered, two to record it."""
EVERY_CLASS = list(EffectClass)
RESENDABLE = [EffectClass.READ, EffectClass.IDEMPOTENT, EffectClass.KEYED]
NEVER_RESENT = [EffectClass.QUERYABLE, EffectClass.OPAQUE]


class WorkerKilled(BaseException):
    """The process ends here: nothing after this line is done."""


def killed(_: Any) -> Any:
    """An answer that the worker does not live to see."""
    raise WorkerKilled


def tools(effect_class: EffectClass, *answers: Any) -> RecordingToolbox:
    """A payments server that answers so, one after the other; the last answer repeats."""
    left = list(answers)

    def answer(arguments: dict[str, Any]) -> Any:
        current = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(current, Exception):
            raise current
        return current(arguments) if callable(current) else current

    return RecordingToolbox({TOOL: answer}, classes={TOOL: effect_class})


async def fails(bench: Bench) -> ApplicationError:
    """An attempt that Temporal may repeat."""
    with pytest.raises(ApplicationError) as raised:
        await bench.call(CREDIT)
    assert not raised.value.non_retryable
    return raised.value


@pytest.mark.parametrize("effect_class", EVERY_CLASS)
async def test_an_answered_call_is_done_and_never_made_again(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, {"credit": "C-1"})) as bench:
        first = await bench.call(CREDIT)
        again = await bench.call(CREDIT)
    assert first.status is CallStatus.DONE
    assert again == first
    assert bench.toolbox.called == [TOOL]


@pytest.mark.parametrize("effect_class", EVERY_CLASS)
async def test_what_was_not_sent_is_tried_again_with_the_same_key_and_does_not_count(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, NotSent("refused"), NotSent("refused"), {"credit": "C-1"})) as bench:
        for _ in range(2):
            error = await fails(bench)
            assert error.type == "NotSent"
            assert await bench.sends(CREDIT) == 0
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
        assert await bench.sends(CREDIT) == 1
    assert len(set(bench.toolbox.keys)) == 1


@pytest.mark.parametrize(("asked", "delay"), [(None, None), (7.0, 7), (1e9, 3600)])
async def test_a_server_may_say_how_long_to_wait_within_reason(asked: float | None, delay: int | None) -> None:
    async with a_bench(tools(EffectClass.OPAQUE, NotSent("busy", asked))) as bench:
        error = await fails(bench)
    assert error.next_retry_delay == (None if delay is None else timedelta(seconds=delay))


@pytest.mark.parametrize("effect_class", EVERY_CLASS)
async def test_a_servers_refusal_is_final(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, ServerRefused("no such order"), {"credit": "C-1"})) as bench:
        first = await bench.call(CREDIT)
        again = await bench.call(CREDIT)
    assert (first.status, first.message) == (CallStatus.REFUSED, "no such order")
    assert again == first
    assert len(bench.toolbox.called) == 1


@pytest.mark.parametrize("effect_class", EVERY_CLASS)
async def test_a_tool_that_says_no_has_said_it_for_good(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, says_no("the card is closed"), {"credit": "C-1"})) as bench:
        first = await bench.call(CREDIT)
        again = await bench.call(CREDIT)
    assert (first.status, first.message) == (CallStatus.SAID_NO, "the card is closed")
    assert first.result is not None
    assert again == first
    assert len(bench.toolbox.called) == 1


@pytest.mark.parametrize("effect_class", EVERY_CLASS)
async def test_an_unreadable_answer_is_done_and_not_asked_for_again(effect_class: EffectClass) -> None:
    unreadable = Delivered(unreadable="2 MB are too much")
    async with a_bench(tools(effect_class, lambda _: unreadable)) as bench:
        first = await bench.call(CREDIT)
        again = await bench.call(CREDIT)
    assert first.status is CallStatus.DONE
    assert first.message == "it was done; its answer cannot be read: 2 MB are too much"
    assert first.result is None
    assert again == first
    assert len(bench.toolbox.called) == 1


# No answer came.


@pytest.mark.parametrize("effect_class", [EffectClass.IDEMPOTENT, EffectClass.KEYED])
async def test_a_refusal_says_nothing_of_an_earlier_send_that_was_never_answered(effect_class: EffectClass) -> None:
    refuses = ServerRefused("HTTP 401")
    async with a_bench(tools(effect_class, OutcomeUnknown("timed out"), refuses)) as bench:
        for _ in range(IDEMPOTENT_SENDS - 1):
            assert (await fails(bench)).type == "OutcomeUnknown"
        outcome = await bench.call(CREDIT)
    assert outcome.status is CallStatus.UNKNOWN
    assert "an earlier send was never answered, and now the server refuses: HTTP 401" in outcome.message


@pytest.mark.parametrize("effect_class", RESENDABLE)
@pytest.mark.parametrize("lost", [OutcomeUnknown("timed out"), killed], ids=["no answer", "worker killed"])
async def test_a_lost_answer_of_a_repeatable_call_is_asked_for_again_with_the_same_key(
    effect_class: EffectClass, lost: Any
) -> None:
    async with a_bench(tools(effect_class, lost, {"credit": "C-1"})) as bench:
        with pytest.raises((ApplicationError, WorkerKilled)):
            await bench.call(CREDIT)
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
        assert await bench.sends(CREDIT) == 2
    assert len(bench.toolbox.keys) == 2
    assert len(set(bench.toolbox.keys)) == 1


@pytest.mark.parametrize("effect_class", NEVER_RESENT)
async def test_a_lost_answer_of_any_other_call_is_unknown_at_once_and_it_is_never_sent_again(
    effect_class: EffectClass,
) -> None:
    async with a_bench(tools(effect_class, OutcomeUnknown("timed out"), {"credit": "C-2"})) as bench:
        first = await bench.call(CREDIT)
        again = await bench.call(CREDIT)
        assert await bench.sends(CREDIT) == 1
    assert first.status is again.status is CallStatus.UNKNOWN
    assert "timed out" in first.message
    assert len(bench.toolbox.called) == 1


@pytest.mark.parametrize("effect_class", NEVER_RESENT)
async def test_a_worker_killed_after_sending_leaves_an_unknown_outcome(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, killed, {"credit": "C-2"})) as bench:
        with pytest.raises(WorkerKilled):
            await bench.call(CREDIT)
        entry = await bench.entry(CREDIT)
        assert entry is not None
        assert entry.state is LedgerState.SENT
        bench.clock.forward(SURELY_OVER)
        outcome = await bench.call(CREDIT)
    assert outcome.status is CallStatus.UNKNOWN
    assert outcome.message.startswith("it was sent and no answer came")
    assert len(bench.toolbox.called) == 1


async def test_reading_is_repeated_as_often_as_it_takes() -> None:
    async with a_bench(tools(EffectClass.READ, *[OutcomeUnknown("reset")] * 12, {"credits": 0})) as bench:
        for _ in range(12):
            assert (await fails(bench)).type == "OutcomeUnknown"
            bench.clock.forward(timedelta(days=1))
        assert (await bench.call(CREDIT)).status is CallStatus.DONE


async def test_an_idempotent_call_is_sent_five_times_at_most() -> None:
    async with a_bench(tools(EffectClass.IDEMPOTENT, OutcomeUnknown("reset"))) as bench:
        for _ in range(IDEMPOTENT_SENDS - 1):
            await fails(bench)
        outcome = await bench.call(CREDIT)
        assert outcome.status is CallStatus.UNKNOWN
        assert (await bench.call(CREDIT)).status is CallStatus.UNKNOWN
    assert len(bench.toolbox.called) == IDEMPOTENT_SENDS


@pytest.mark.parametrize(("minutes", "sent"), [(10, 2), (10.1, 1)])
async def test_an_idempotent_call_is_repeated_within_ten_minutes(minutes: float, sent: int) -> None:
    async with a_bench(tools(EffectClass.IDEMPOTENT, OutcomeUnknown("reset"), {"credit": "C-1"})) as bench:
        await fails(bench)
        bench.clock.forward(timedelta(minutes=minutes))
        outcome = await bench.call(CREDIT)
    assert outcome.status is (CallStatus.DONE if sent == 2 else CallStatus.UNKNOWN)
    assert len(bench.toolbox.called) == sent


@pytest.mark.parametrize(("hours", "sent"), [(11.9, 2), (12, 1)])
async def test_a_keyed_call_is_repeated_within_half_of_the_servers_memory(hours: float, sent: int) -> None:
    async with a_bench(tools(EffectClass.KEYED, OutcomeUnknown("reset"), {"credit": "C-1"})) as bench:
        await fails(bench)
        bench.clock.forward(timedelta(hours=hours))
        outcome = await bench.call(CREDIT)
    assert outcome.status is (CallStatus.DONE if sent == 2 else CallStatus.UNKNOWN)
    assert len(bench.toolbox.called) == sent
    if sent == 1:
        assert outcome.message == "sent 43200 s ago; the server may have forgotten the key"


@pytest.mark.parametrize("effect_class", NEVER_RESENT)
async def test_what_could_not_be_sent_after_all_is_not_unknown(effect_class: EffectClass) -> None:
    async with a_bench(tools(effect_class, NotSent("down"), OutcomeUnknown("reset"))) as bench:
        await fails(bench)
        assert (await bench.call(CREDIT)).status is CallStatus.UNKNOWN
        assert await bench.sends(CREDIT) == 1


async def test_a_resend_that_did_not_leave_keeps_the_first_send_in_mind() -> None:
    lost, not_sent = OutcomeUnknown("reset"), NotSent("down")
    async with a_bench(tools(EffectClass.KEYED, lost, not_sent, {"credit": "C-1"})) as bench:
        await fails(bench)
        await fails(bench)
        assert await bench.sends(CREDIT) == 1
        bench.clock.forward(timedelta(hours=13))
        assert (await bench.call(CREDIT)).status is CallStatus.UNKNOWN
    assert len(bench.toolbox.called) == 2


@pytest.mark.parametrize("effect_class", [each for each in EffectClass if each is not EffectClass.READ])
async def test_a_worker_that_stood_still_after_its_entry_does_not_send_what_others_have_given_up(
    effect_class: EffectClass,
) -> None:
    async with a_bench(tools(effect_class, {"credit": "C-1"})) as bench:
        bench.ledger = SlowToLeave(bench, 5.1)
        assert (await fails(bench)).type == "NotSent"
        assert (bench.toolbox.called, await bench.sends(CREDIT)) == ([], 0)
        assert (await bench.call(CREDIT)).done
        assert await bench.sends(CREDIT) == 1


@pytest.mark.parametrize("effect_class", [EffectClass.IDEMPOTENT, EffectClass.QUERYABLE])
async def test_a_no_to_a_second_send_says_nothing_of_the_first_where_the_server_does_not_know_our_key(
    effect_class: EffectClass,
) -> None:
    lookup = {TOOL: Lookup(tool="credits", items="/credits", match="/key", slowest_seconds=1)}
    toolbox = tools(effect_class, OutcomeUnknown("timed out"), says_no("credited already"))
    toolbox.lookups = lookup if effect_class is EffectClass.QUERYABLE else {}
    toolbox.answers = {**toolbox.answers, "payments.credits": {"credits": []}}
    async with a_bench(toolbox) as bench:
        outcome = None
        for _ in range(20):
            try:
                outcome = await bench.call(CREDIT)
                break
            except ApplicationError:
                bench.clock.forward(timedelta(seconds=2))
    assert outcome is not None
    assert outcome.status is CallStatus.UNKNOWN


@pytest.mark.parametrize("effect_class", NEVER_RESENT)
async def test_what_was_sent_is_not_said_to_be_refused_when_its_tool_has_changed_meanwhile(
    effect_class: EffectClass,
) -> None:
    async with a_bench(tools(effect_class, killed)) as bench:
        with pytest.raises(WorkerKilled):
            await bench.call(CREDIT)
        bench.toolbox.schemas = {TOOL: {"type": "object", "description": "another tool by now"}}
        outcome = await bench.call(CREDIT)
        entry = await bench.entry(CREDIT)
    assert outcome.status is CallStatus.UNKNOWN
    assert outcome.message.startswith("it was sent, and then: payments.issue_credit has changed since")
    assert entry is not None
    assert (entry.state, outcome.action_digest) == (LedgerState.UNKNOWN, entry.action_digest)


# Two attempts at once.


async def test_people_are_not_asked_before_whoever_has_sent_it_must_have_had_an_answer() -> None:
    toolbox = RecordingToolbox({TOOL: {"credit": "C-1"}}, classes={TOOL: EffectClass.OPAQUE})
    toolbox.hold[TOOL], toolbox.reached[TOOL] = asyncio.Event(), asyncio.Event()
    async with a_bench(toolbox) as bench:
        slow = asyncio.create_task(bench.call(CREDIT))
        await asyncio.wait_for(toolbox.reached[TOOL].wait(), 5)
        bench.clock.forward(SURELY_OVER - timedelta(seconds=1))
        error = await fails(bench)
        toolbox.hold[TOOL].set()
        assert (await asyncio.wait_for(slow, 5)).status is CallStatus.DONE
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
    assert (error.type, error.next_retry_delay) == ("Settling", timedelta(seconds=1))
    assert toolbox.called == [TOOL]


async def test_an_answer_that_comes_after_all_replaces_unknown() -> None:
    toolbox = RecordingToolbox({TOOL: {"credit": "C-1"}}, classes={TOOL: EffectClass.OPAQUE})
    toolbox.hold[TOOL], toolbox.reached[TOOL] = asyncio.Event(), asyncio.Event()
    async with a_bench(toolbox) as bench:
        slow = asyncio.create_task(bench.call(CREDIT))
        await asyncio.wait_for(toolbox.reached[TOOL].wait(), 5)
        bench.clock.forward(SURELY_OVER)
        assert (await bench.call(CREDIT)).status is CallStatus.UNKNOWN
        toolbox.hold[TOOL].set()
        assert (await asyncio.wait_for(slow, 5)).status is CallStatus.DONE
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
    assert toolbox.called == [TOOL]


async def test_an_attempt_that_was_overtaken_records_nothing() -> None:
    toolbox = RecordingToolbox({TOOL: {"credits": 0}}, classes={TOOL: EffectClass.READ})
    toolbox.hold[TOOL], toolbox.reached[TOOL] = asyncio.Event(), asyncio.Event()
    async with a_bench(toolbox) as bench:
        slow = asyncio.create_task(bench.call(CREDIT))
        await asyncio.wait_for(toolbox.reached[TOOL].wait(), 5)
        hold = toolbox.hold.pop(TOOL)
        assert (await bench.call(CREDIT)).status is CallStatus.DONE
        hold.set()
        with pytest.raises(ApplicationError, match="has taken over") as overtaken:
            await asyncio.wait_for(slow, 5)
    assert (overtaken.value.type, overtaken.value.next_retry_delay) == ("Overtaken", timedelta(seconds=2))


async def test_of_two_attempts_that_claim_at_once_one_sends() -> None:
    async with a_bench(tools(EffectClass.OPAQUE, {"credit": "C-1"})) as bench:
        bench.ledger = FasterRival(bench)
        error = await fails(bench)
    assert (error.type, error.next_retry_delay) == ("AlreadySent", timedelta(seconds=2))
    assert bench.toolbox.called == []


class FasterRival:
    """A ledger in which somebody else sends right after every claim."""

    def __init__(self, bench: Bench) -> None:
        self._ledger = bench.store.ledger

    async def claim(self, claim: Claim, at: Moment) -> LedgerEntry:
        """Claimed, and sent by the rival a moment later."""
        entry = await self._ledger.claim(claim, at)
        await self._ledger.mark_sent(claim.key, entry.generation, "rival", at)
        return entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

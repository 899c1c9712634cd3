"""Running totals at the gate: what counts, from when, and that nothing which may be sent is ever forgotten."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError

from activities.keys import idempotency_key
from activities.ledger import Claim, Ledger, LedgerEntry
from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused
from activities.totals import Spending, Totals
from contracts.model import Moment
from contracts.policy import RulingEffect
from contracts.tools import CallStatus, EffectClass, Share, ToolCall
from tests.activities.bench import NINE, OURS, RUN, Bench, a_bench
from tests.doubles import Answer, RecordingToolbox, in_turn, says_no

REQUESTER, CUSTOMER = "credits_of_requester_today", "credits_of_customer_today"
TODAY = '{"day": "2026-11-20", "requester": "rita"}'
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string"},
        "customer_id": {"type": "string"},
        "cents": {"type": "integer"},
    },
    "required": ["order_id", "cents"],
}


def payments(answer: Answer | None = None) -> RecordingToolbox:
    """A payments server whose credits are keyed."""
    name = "payments.issue_credit"
    return RecordingToolbox(
        {name: answer or {"credit": "C-1"}}, classes={name: EffectClass.KEYED}, schemas={name: SCHEMA}
    )


def credit(cents: int, occurrence: str = "1", **more: Any) -> ToolCall:
    """Credit something to C-7."""
    arguments: dict[str, JsonValue] = {"order_id": "A-17", "customer_id": "C-7", "cents": cents}
    words = {"server": "payments", "tool": "issue_credit", "step": "payments.issue_credit", "occurrence": occurrence}
    return ToolCall.model_validate({**words, "arguments": arguments} | more)


def share(cents: int) -> Share:
    """What is added to Rita's day."""
    return Share(total=REQUESTER, of=TODAY, amount=cents)


def by(key: str) -> Spending:
    """Another action."""
    return Spending(key=key, action_digest="sha256:another", run=RUN)


async def counted(bench: Bench) -> int:
    """What Rita has come to today."""
    return (await bench.store.totals.peek(by("nobody's"), (share(0),)))[REQUESTER]


class Interrupted:
    """Totals at which something else happens first, once, before one of these questions is answered."""

    def __init__(self, totals: Totals, first: Callable[[], Awaitable[object]], *before: str) -> None:
        self._totals, self._before = totals, before
        self._first: Callable[[], Awaitable[object]] | None = first

    async def peek(self, spending: Spending, shares: tuple[Share, ...]) -> dict[str, int]:
        """See activities.totals.Totals."""
        await self._interrupted("peek")
        return await self._totals.peek(spending, shares)

    async def reserve(self, spending: Spending, shares: tuple[Share, ...], at: Moment) -> dict[str, int]:
        """See activities.totals.Totals."""
        await self._interrupted("reserve")
        return await self._totals.reserve(spending, shares, at)

    async def release(self, spending: Spending, at: Moment) -> None:
        """See activities.totals.Totals."""
        await self._totals.release(spending, at)

    async def _interrupted(self, question: str) -> None:
        if self._first is not None and question in self._before:
            first, self._first = self._first, None
            await first()


@pytest.mark.parametrize("at_once", [False, True])
async def test_ten_credits_of_9_99_need_the_signature_that_one_of_99_90_needs(at_once: bool) -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        calls = [credit(999, str(number)) for number in range(10)]
        if at_once:
            outcomes = await asyncio.gather(*map(bench.call, calls))
        else:
            outcomes = [await bench.call(call) for call in calls]
    assert Counter(outcome.status for outcome in outcomes) == {CallStatus.DONE: 5, CallStatus.NEEDS_APPROVAL: 5}
    assert len(bench.toolbox.called) == 5


async def test_a_ruling_shows_what_the_totals_come_to_and_counts_nothing() -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        await bench.call(credit(4000))
        ruling = await bench.rule(credit(999, "2"))
        assert (ruling.effect, ruling.totals) == (RulingEffect.PERMIT, {REQUESTER: 4999, CUSTOMER: 4999})
        assert await counted(bench) == 4000


async def test_a_credit_that_people_must_sign_counts_from_when_it_is_signed() -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        assert (await bench.call(credit(9000))).status is CallStatus.NEEDS_APPROVAL
        assert await counted(bench) == 0
        evidence = (bench.decision((await bench.rule(credit(9000))).action_digest),)
        assert (await bench.call(credit(9000, evidence=evidence))).status is CallStatus.DONE
        assert await counted(bench) == 9000


async def test_a_credit_that_the_server_refuses_does_not_count() -> None:
    async with a_bench(payments(says_no("the account is closed")), policy=OURS) as bench:
        assert (await bench.call(credit(4000))).status is CallStatus.SAID_NO
        assert await counted(bench) == 0


async def test_a_credit_whose_outcome_nobody_knows_goes_on_counting() -> None:
    toolbox = payments(OutcomeUnknown("the line went dead"))
    toolbox.classes = {"payments.issue_credit": EffectClass.OPAQUE}
    async with a_bench(toolbox, policy=OURS) as bench:
        assert (await bench.call(credit(4000))).status is CallStatus.UNKNOWN
        assert await counted(bench) == 4000


@pytest.mark.parametrize("then", [ServerRefused("HTTP 401"), says_no("busy")], ids=["refused", "said no"])
async def test_a_credit_whose_first_answer_was_lost_goes_on_counting_whatever_is_said_of_the_second(then: Any) -> None:
    async with a_bench(payments(in_turn(OutcomeUnknown("reset"), then)), policy=OURS) as bench:
        with pytest.raises(Exception, match="no answer"):
            await bench.call(credit(4000))
        with suppress(ApplicationError):
            await bench.call(credit(4000))
        assert await counted(bench) == 4000
        assert (await bench.call(credit(4000, "2"))).status is CallStatus.NEEDS_APPROVAL


async def test_what_is_reserved_for_one_customer_serves_no_other() -> None:
    """The attempt for C-1 is interrupted between its reservation and its claim."""
    async with a_bench(payments(), policy=OURS) as bench:
        claiming = Interruptible(bench.store.ledger)
        bench.ledger = claiming
        attempt = asyncio.create_task(bench.call(credit(4900)))
        await asyncio.wait_for(claiming.reached.wait(), 10)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        bench.ledger = None
        other = {"order_id": "A-17", "customer_id": "C-2", "cents": 4900}
        outcome = await bench.call(credit(4900, arguments=other))
    assert outcome.status is CallStatus.NEEDS_APPROVAL
    assert bench.toolbox.called == []


class Interruptible:
    """A ledger at which nobody gets to claim anything."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.reached = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def claim(self, _: Claim, __: Moment) -> LedgerEntry:
        """See activities.ledger.Ledger."""
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError("never")


async def test_a_credit_that_may_yet_be_sent_counts_once_however_often_it_is_tried() -> None:
    async with a_bench(payments(NotSent("down")), policy=OURS) as bench:
        for _ in range(3):
            with pytest.raises(Exception, match="down"):
                await bench.call(credit(4000))
        assert await counted(bench) == 4000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"order_id": "A-17", "cents": 999}, "needs the customer at /customer_id to be counted"),
        ({"order_id": "A-17", "customer_id": " ", "cents": 999}, "needs the customer at /customer_id"),
        ({"order_id": "A-17", "customer_id": "C-7", "cents": -999}, "needs an amount at /cents to be counted"),
    ],
)
async def test_a_credit_that_cannot_be_counted_is_refused(arguments: dict[str, JsonValue], sentence: str) -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        outcome = await bench.call(credit(999, arguments=arguments))
    assert outcome.status is CallStatus.REFUSED
    assert sentence in outcome.message
    assert bench.toolbox.called == []


async def test_an_attempt_without_evidence_does_not_make_a_signed_one_of_the_same_call_uncounted() -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        signed = credit(9000, evidence=(bench.decision((await bench.rule(credit(9000))).action_digest),))
        bench.store.totals = Interrupted(bench.store.totals, lambda: bench.call(signed), "peek", "reserve")

        assert (await bench.call(credit(9000))).status is CallStatus.NEEDS_APPROVAL

        assert len(bench.toolbox.called) == 1
        assert await counted(bench) == 9000


async def test_a_rival_that_is_counted_between_ruling_and_reserving_is_seen() -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        totals, rivals = bench.store.totals, (share(4000),)
        bench.store.totals = Interrupted(totals, lambda: totals.reserve(by("a rival's"), rivals, NINE), "reserve")

        outcome = await bench.call(credit(4000))

    assert outcome.status is CallStatus.NEEDS_APPROVAL
    assert outcome.ruling is not None
    assert outcome.ruling.totals[REQUESTER] == 8000
    assert bench.toolbox.called == []


async def test_a_key_that_counts_for_another_action_is_refused() -> None:
    async with a_bench(payments(), policy=OURS) as bench:
        key = idempotency_key(bench.deployment.id, RUN, "payments.issue_credit", "1")
        await bench.store.totals.reserve(by(key), (share(1),), NINE)

        outcome = await bench.call(credit(4000))

    assert outcome.status is CallStatus.REFUSED
    assert "stands in the running total 'credits_of_requester_today' for another action" in outcome.message
    assert bench.toolbox.called == []

"""The gate, when an answer was lost and the server can be asked: found, it is adopted; not found, it is sent again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.ledger import LedgerState
from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused
from contracts.tools import CallStatus, Delivered, EffectClass, Lookup, Taint, ToolCall
from policies.engine import CedarRules
from tests.activities.bench import RUN, Bench, SlowToLeave, a_bench
from tests.doubles import RecordingToolbox

ORDER, FIND = "shop.place_order", "shop.find_orders"
CALL = ToolCall(server="shop", tool="place_order", arguments={"to": "Cork"}, step=ORDER, facts={"number": "/number"})
SLOWEST = timedelta(seconds=5)
LOOKUP = Lookup(
    tool="find_orders",
    key="reference",
    same=("to",),
    items="/orders",
    match="/reference",
    slowest_seconds=SLOWEST.total_seconds(),
)
LOST = OutcomeUnknown("timed out")


class Shop:
    """A shop that keeps our reference and sends no order away; its answers get lost."""

    def __init__(
        self, *answers: Any, effect_class: EffectClass = EffectClass.QUERYABLE, lookup: Lookup = LOOKUP
    ) -> None:
        self.orders: list[dict[str, Any]] = []
        self._answers = list(answers)
        self.found: Callable[[dict[str, Any]], Any] = lambda _: {"orders": self.orders}
        self.toolbox = RecordingToolbox(
            {ORDER: self._place, FIND: lambda arguments: self.found(arguments)},
            classes={ORDER: effect_class},
            schemas={FIND: {"type": "object"}},
            lookups={ORDER: lookup},
        )

    def takes(self, key: str) -> None:
        """The order stands in its books."""
        self.orders.append({"reference": key, "number": len(self.orders) + 1})

    def _place(self, _: dict[str, Any]) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not LOST:
            return answer
        raise answer

    @property
    def sends(self) -> int:
        """How often an order arrived."""
        return self.toolbox.called.count(ORDER)

    @property
    def lookups(self) -> int:
        """How often it was asked."""
        return self.toolbox.called.count(FIND)


async def lost(bench: Bench) -> ApplicationError:
    """An attempt that ends without an outcome, and may be repeated."""
    with pytest.raises(ApplicationError) as raised:
        await bench.call(CALL)
    assert not raised.value.non_retryable
    return raised.value


async def test_what_is_found_after_all_is_adopted_and_never_sent_again() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        error = await lost(bench)
        shop.takes(shop.toolbox.keys[0])
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)
        again = await bench.call(CALL)
        entry = await bench.entry(CALL)

    assert (error.type, error.next_retry_delay) == ("OutcomeUnknown", SLOWEST)
    assert (outcome.status, outcome.facts) == (CallStatus.DONE, {"number": 1})
    assert outcome.message == "no answer came; found by find_orders"
    assert again == outcome
    assert entry is not None and entry.state is LedgerState.ADOPTED
    assert (shop.sends, shop.lookups) == (1, 1)


async def test_the_lookup_carries_our_key_and_what_was_sent() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)

    (key,) = shop.toolbox.keys_of(ORDER)
    assert shop.toolbox.arguments_of(FIND) == [{"reference": key, "to": "Cork"}]


async def test_nothing_is_looked_up_before_the_slowest_write_must_have_appeared() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST - timedelta(seconds=1))
        error = await lost(bench)

    assert (error.type, error.next_retry_delay) == ("Settling", timedelta(seconds=1))
    assert (shop.sends, shop.lookups) == (1, 0)


async def test_it_is_sent_again_with_the_same_key_once_it_was_twice_not_found() -> None:
    shop = Shop(LOST, {"number": 7})
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        first_look = await lost(bench)
        assert (shop.sends, shop.lookups) == (1, 1)
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert (first_look.type, first_look.next_retry_delay) == ("Settling", SLOWEST)
    assert (outcome.status, outcome.facts) == (CallStatus.DONE, {"number": 7})
    assert (shop.sends, shop.lookups) == (2, 2)
    assert len(set(shop.toolbox.keys_of(ORDER))) == 1


async def test_an_order_that_appears_between_two_looks_is_adopted() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)
        shop.takes(shop.toolbox.keys[0])
        bench.clock.forward(SLOWEST)
        assert (await bench.call(CALL)).done

    assert (shop.sends, shop.lookups) == (1, 2)


async def test_after_three_sends_that_were_never_found_people_are_asked() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        for _ in range(5):
            bench.clock.forward(SLOWEST)
            await lost(bench)
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert (outcome.status, outcome.message) == (CallStatus.UNKNOWN, "sent 3 times, and never found by find_orders")
    assert (shop.sends, shop.lookups) == (3, 6)


async def test_a_worker_that_dies_after_a_look_does_not_look_sooner_or_more_often() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)
        error = await lost(bench)  # by another worker: a gate of the bench remembers nothing
        entry = await bench.entry(CALL)

    assert (error.type, error.next_retry_delay) == ("Settling", SLOWEST)
    assert entry is not None and (entry.state, entry.lookups) == (LedgerState.UNKNOWN, 1)
    assert shop.lookups == 1


async def test_found_twice_is_for_people_to_clear_up() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        for _ in range(2):
            shop.takes(shop.toolbox.keys[0])
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert outcome.status is CallStatus.UNKNOWN
    assert outcome.message == "no answer came, and shop.find_orders found it 2 times"
    assert shop.sends == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Delivered(is_error=True, content="the index is being rebuilt"), "shop.find_orders answered with an error"),
        (Delivered(unreadable="too large"), "the answer of shop.find_orders cannot be read"),
        ({"found": []}, "the answer of shop.find_orders has no list at '/orders'"),
        (ServerRefused("no such tool"), "shop.find_orders was refused: no such tool"),
    ],
)
async def test_an_unclear_answer_to_the_lookup_is_never_taken_for_not_found(answer: Any, why: str) -> None:
    shop = Shop(LOST)

    def answered(_: dict[str, Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    shop.found = answered
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert (outcome.status, outcome.message) == (CallStatus.UNKNOWN, f"no answer came, and {why}")
    assert shop.sends == 1


@pytest.mark.parametrize("failure", [NotSent("down"), OutcomeUnknown("timed out")], ids=["not sent", "no answer"])
async def test_a_lookup_that_is_not_answered_is_made_again_and_counts_for_nothing(failure: Exception) -> None:
    shop = Shop(LOST)

    def down(_: dict[str, Any]) -> Any:
        raise failure

    shop.found = down
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        assert (await lost(bench)).type == "NotSent"
        entry = await bench.entry(CALL)

    assert entry is not None and entry.lookups == 0
    assert shop.sends == 1


async def test_a_server_may_say_by_an_error_that_there_is_none() -> None:
    single = LOOKUP.model_copy(update={"items": "", "none_is_error": True})
    shop = Shop(LOST, {"number": 7}, lookup=single)
    shop.found = lambda _: Delivered(is_error=True, content="no such order")
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)
        bench.clock.forward(SLOWEST)
        assert (await bench.call(CALL)).done

    assert shop.sends == 2


async def test_one_thing_is_found_by_the_key_that_stands_in_it() -> None:
    shop = Shop(LOST, lookup=LOOKUP.model_copy(update={"items": ""}))
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        key = shop.toolbox.keys[0]
        shop.found = lambda _: {"reference": key, "number": 3}
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert outcome.facts == {"number": 3}


async def test_another_order_than_ours_is_not_adopted() -> None:
    shop = Shop(LOST)
    shop.takes("somebody else's")
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)

    assert shop.sends == 1


async def test_what_is_to_be_looked_up_with_must_be_a_read() -> None:
    shop = Shop(LOST)
    shop.toolbox.classes = {ORDER: EffectClass.QUERYABLE, FIND: EffectClass.OPAQUE}
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert outcome.status is CallStatus.UNKNOWN
    assert "shop.find_orders is to be looked up with, and is no read" in outcome.message
    assert shop.lookups == 0


async def test_a_lookup_reads_and_taints_the_run_as_any_read_of_its_tool() -> None:
    shop = Shop(LOST)
    definition = shop.toolbox._definition
    tainting = {"taints": (Taint.UNTRUSTED,)}
    shop.toolbox._definition = lambda server, name: definition(server, name).model_copy(  # type: ignore[method-assign]
        update=tainting if name == FIND else {}
    )
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.clock.forward(SLOWEST)
        await lost(bench)
        assert await bench.store.taints.of(RUN) == frozenset({Taint.UNTRUSTED})


async def test_what_was_sent_is_still_looked_up_when_policy_no_longer_permits_it() -> None:
    shop = Shop(LOST)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        shop.takes(shop.toolbox.keys[0])
        bench.policy = CedarRules({"rules": '@id("nothing") forbid(principal, action, resource);'})
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert outcome.done
    assert shop.sends == 1


async def test_what_policy_no_longer_permits_is_not_sent_again_though_it_was_not_found() -> None:
    shop = Shop(LOST, {"number": 7})
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        bench.policy = CedarRules({"rules": '@id("nothing") forbid(principal, action, resource);'})
        bench.clock.forward(SLOWEST)
        await lost(bench)
        bench.clock.forward(SLOWEST)
        outcome = await bench.call(CALL)

    assert outcome.status is CallStatus.UNKNOWN
    assert outcome.message.startswith("it was sent, and then policy changed")
    assert shop.sends == 1


# Keyed, past half of what the server remembers.


async def test_a_keyed_call_past_the_servers_memory_is_looked_up_where_it_can_be() -> None:
    shop = Shop(LOST, effect_class=EffectClass.KEYED)
    async with a_bench(shop.toolbox) as bench:
        await lost(bench)
        shop.takes(shop.toolbox.keys[0])
        bench.clock.forward(timedelta(hours=13))
        outcome = await bench.call(CALL)

    assert outcome.done
    assert (shop.sends, shop.lookups) == (1, 1)


# Idempotent, when something newer was written.

SET = "shop.set_address"


def written(order: str, town: str, occurrence: str = "1") -> ToolCall:
    """An address for an order."""
    arguments: dict[str, Any] = {"order_id": order, "to": town}
    return ToolCall(server="shop", tool="set_address", arguments=arguments, step=SET, occurrence=occurrence)


def addresses(*answers: Any, declared: bool = True) -> RecordingToolbox:
    """A shop whose addresses are set, not added."""
    left = list(answers)

    def answer(_: dict[str, Any]) -> Any:
        current = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(current, Exception):
            raise current
        return current

    resources = {SET: {"order": "order_id"}} if declared else {}
    return RecordingToolbox({SET: answer}, classes={SET: EffectClass.IDEMPOTENT}, resources=resources)


async def test_an_idempotent_call_is_not_repeated_over_a_newer_write_to_the_same() -> None:
    async with a_bench(addresses(LOST, {"ok": True})) as bench:
        with pytest.raises(ApplicationError):
            await bench.call(written("A-1", "Cork"))
        bench.clock.forward(timedelta(seconds=2))
        assert (await bench.call(written("A-1", "Bern", "2"))).done
        bench.clock.forward(timedelta(seconds=70))
        outcome = await bench.call(written("A-1", "Cork"))

    assert outcome.status is CallStatus.UNKNOWN
    assert outcome.message.startswith("the same was written anew since it was sent")
    assert len(bench.toolbox.called) == 2


async def test_a_newer_write_to_something_else_is_no_reason_not_to_repeat() -> None:
    async with a_bench(addresses(LOST, {"ok": True})) as bench:
        with pytest.raises(ApplicationError):
            await bench.call(written("A-1", "Cork"))
        bench.clock.forward(timedelta(seconds=2))
        assert (await bench.call(written("A-2", "Bern", "2"))).done
        assert (await bench.call(written("A-1", "Cork"))).done


async def test_where_nobody_has_said_what_a_call_changes_any_newer_write_of_its_tool_counts() -> None:
    async with a_bench(addresses(LOST, {"ok": True}, declared=False)) as bench:
        with pytest.raises(ApplicationError):
            await bench.call(written("A-1", "Cork"))
        bench.clock.forward(timedelta(seconds=2))
        assert (await bench.call(written("A-2", "Bern", "2"))).done
        bench.clock.forward(timedelta(seconds=70))
        assert (await bench.call(written("A-1", "Cork"))).status is CallStatus.UNKNOWN


async def test_an_older_write_to_the_same_is_no_reason_not_to_repeat() -> None:
    async with a_bench(addresses({"ok": True}, LOST, {"ok": True})) as bench:
        assert (await bench.call(written("A-1", "Bern", "2"))).done
        bench.clock.forward(timedelta(seconds=2))
        with pytest.raises(ApplicationError):
            await bench.call(written("A-1", "Cork"))
        assert (await bench.call(written("A-1", "Cork"))).done


@pytest.mark.parametrize(("seconds", "leaves"), [(2.5, True), (2.6, False)])
async def test_a_worker_that_stood_still_does_not_send_what_others_may_have_looked_for(
    seconds: float, leaves: bool
) -> None:
    shop = Shop({"number": 1})
    async with a_bench(shop.toolbox) as bench:
        bench.ledger = SlowToLeave(bench, seconds)
        if not leaves:
            error = await lost(bench)
            assert (error.type, shop.sends, await bench.sends(CALL)) == ("NotSent", 0, 0)
        assert (await bench.call(CALL)).done

    assert shop.sends == 1

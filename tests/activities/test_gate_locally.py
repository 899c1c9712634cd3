"""The gate as a local activity: it reads, and whatever is no read is refused before anything is written or sent."""

import dataclasses

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.toolbox import NotSent
from contracts.servers import BreakerRule, ServerRules
from contracts.tools import CallStatus, EffectClass, Purpose, ToolCall, Undoes, WhenHeld
from tests.activities.bench import Bench, a_bench
from tests.doubles import RecordingToolbox

FIND = ToolCall(server="orders", tool="find_order", arguments={"order_id": "A-17"}, step="orders.find_order")
EFFECTS = [each for each in EffectClass if each is not EffectClass.READ]


def locally(bench: Bench) -> ActivityEnvironment:
    """An attempt that is scheduled as a local activity."""
    environment = bench.environment()
    environment.info = dataclasses.replace(environment.info, is_local=True)
    return environment


def orders(effect_class: EffectClass = EffectClass.READ) -> RecordingToolbox:
    """A server with one tool of this class."""
    return RecordingToolbox({"orders.find_order": {"status": "delivered"}}, classes={"orders.find_order": effect_class})


async def test_a_read_is_made_and_stands_under_its_key_for_the_ordinary_activity() -> None:
    async with a_bench(orders()) as bench:
        outcome = await locally(bench).run(bench.gate().call_tool, FIND)
        again = await bench.call(FIND)

    assert outcome.done
    assert again == outcome.model_copy(update={"taint": ()})
    assert bench.toolbox.called == ["orders.find_order"]


@pytest.mark.parametrize("effect_class", EFFECTS, ids=[each.value for each in EFFECTS])
async def test_an_effect_that_is_scheduled_as_a_local_activity_is_never_sent(effect_class: EffectClass) -> None:
    async with a_bench(orders(effect_class)) as bench:
        with pytest.raises(
            ApplicationError, match=f"orders.find_order is of class {effect_class.value}, not read"
        ) as refused:
            await locally(bench).run(bench.gate().call_tool, FIND)
        entry = await bench.entry(FIND)

    assert (refused.value.type, refused.value.non_retryable) == ("NotLocally", True)
    assert entry is None, "nothing is claimed"
    assert bench.toolbox.called == []


async def test_an_undo_that_is_scheduled_as_a_local_activity_is_never_sent() -> None:
    toolbox = orders(EffectClass.KEYED)
    toolbox.undoes = {"orders.find_order": Undoes(tool="find_order", same=("order_id",))}
    undo = FIND.model_copy(update={"purpose": Purpose.COMPENSATION})
    async with a_bench(toolbox) as bench:
        with pytest.raises(ApplicationError, match="not read"):
            await locally(bench).run(bench.gate().call_tool, undo)

    assert toolbox.called == []


async def test_an_effect_whose_server_is_down_is_not_answered_locally_either() -> None:
    toolbox = orders(EffectClass.KEYED)
    toolbox.said = {"orders": ServerRules(breaker=BreakerRule(window=1, failures=0))}
    async with a_bench(toolbox) as bench:
        await bench.call(FIND.model_copy(update={"occurrence": "listed"}))
        toolbox.answers = {"orders.find_order": NotSent("connection refused")}
        with pytest.raises(ApplicationError):
            await bench.call(FIND)
        called = list(toolbox.called)
        with pytest.raises(ApplicationError, match="not read"):
            await locally(bench).run(bench.gate().call_tool, FIND)

    assert toolbox.called == called


async def test_a_read_whose_server_is_held_is_reported_at_once_and_makes_nobody_wait() -> None:
    toolbox = orders()
    toolbox.said = {"orders": ServerRules(breaker=BreakerRule(window=1, failures=0))}
    toolbox.answers = {"orders.find_order": NotSent("connection refused")}
    async with a_bench(toolbox) as bench:
        with pytest.raises(ApplicationError):
            await bench.call(FIND)
        reported = FIND.model_copy(update={"when_held": WhenHeld.REPORT})
        outcome = await locally(bench).run(bench.gate().call_tool, reported)

    assert outcome.status is CallStatus.HELD

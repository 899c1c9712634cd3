"""Approved plans at the gate: whoever signs a plan signs the calls that it lists, each once and as it stands there."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import JsonValue

from contracts.servers import ServerRules
from contracts.tools import CallStatus, EffectClass, ToolCall
from policies.engine import CedarRules
from tests.activities.bench import Bench, a_bench
from tests.doubles import GENEROUS, RecordingToolbox, in_turn, says_no

SIGNED = CedarRules(
    {
        "rules": """
@id("anything") permit(principal, action, resource);
@id("signed") @approve("finance_manager") @quorum("1") @within("PT24H")
forbid(principal, action, resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 1 };
"""
    }
)
PLANS = GENEROUS.model_copy(update={"plans": {"open_change": "steps"}})
Entry = dict[str, JsonValue]


def a_toolbox(rules: ServerRules = PLANS, opening: Any = None) -> RecordingToolbox:
    """A register of changes whose plans list further calls, and a system that is changed."""
    answers: dict[str, Any] = {
        "changes.open_change": opening or {"status": "open"},
        "releases.deploy": {"status": "healthy"},
    }
    return RecordingToolbox(answers, classes=dict.fromkeys(answers, EffectClass.IDEMPOTENT), said={"changes": rules})


def deploy(version: str = "2.15.0", occurrence: str = "1") -> ToolCall:
    """A step of the plan."""
    arguments: dict[str, JsonValue] = {"version": version}
    return ToolCall(server="releases", tool="deploy", arguments=arguments, step="step 1: deploy", occurrence=occurrence)


async def listed(bench: Bench, call: ToolCall, **otherwise: JsonValue) -> Entry:
    """The call as a plan lists it."""
    ruling = await bench.rule(call)
    entry: Entry = {
        "tool": f"{call.server}.{call.tool}",
        "arguments": call.arguments,
        "action": ruling.action_digest,
    }
    return entry | otherwise


async def signed_plan(bench: Bench, *entries: Entry) -> ToolCall:
    """The call that opens a change with this plan, signed by Dana."""
    steps: list[JsonValue] = [*entries]
    opening = ToolCall(server="changes", tool="open_change", arguments={"steps": steps}, step="changes.open_change")
    ruling = await bench.rule(opening)
    return opening.model_copy(update={"evidence": (bench.decision(ruling.action_digest),)})


async def attempt(bench: Bench, call: ToolCall, plan: ToolCall) -> CallStatus:
    """The call with the signatures of the plan."""
    return (await bench.call(call.model_copy(update={"evidence": plan.evidence}))).status


async def test_a_call_that_a_signed_plan_lists_rests_on_its_signatures_once_the_plan_is_carried_out() -> None:
    async with a_bench(a_toolbox(), policy=SIGNED) as bench:
        plan = await signed_plan(bench, await listed(bench, deploy()))
        before = await attempt(bench, deploy(), plan)
        opened = (await bench.call(plan)).status
        after = [await attempt(bench, deploy(), plan) for _ in range(2)]
        unsigned = (await bench.call(deploy(occurrence="2"))).status

    assert (before, opened) == (CallStatus.NEEDS_APPROVAL, CallStatus.DONE)
    assert after == [CallStatus.DONE, CallStatus.DONE]
    assert bench.toolbox.effects() == ["changes.open_change", "releases.deploy"], "once, however often it is asked for"
    assert unsigned is CallStatus.NEEDS_APPROVAL


Spoilt = Callable[[Entry], Entry]
NOT_THE_CALL: dict[str, Spoilt] = {
    "other words over its digest": lambda entry: entry | {"arguments": {"version": "2.15.1"}},
    "another tool over its digest": lambda entry: entry | {"tool": "releases.look_at"},
    "its words over another digest": lambda entry: entry | {"action": f"sha256:{'0' * 64}"},
    "no digest": lambda entry: {name: value for name, value in entry.items() if name != "action"},
}


@pytest.mark.parametrize("spoil", NOT_THE_CALL.values(), ids=NOT_THE_CALL)
async def test_a_plan_that_lists_something_else_approves_nothing(spoil: Spoilt) -> None:
    async with a_bench(a_toolbox(), policy=SIGNED) as bench:
        plan = await signed_plan(bench, spoil(await listed(bench, deploy())))
        assert (await bench.call(plan)).status is CallStatus.DONE
        status = await attempt(bench, deploy(), plan)

    assert status is CallStatus.NEEDS_APPROVAL
    assert bench.toolbox.effects() == ["changes.open_change"]


@pytest.mark.parametrize("call", [deploy("2.15.1"), deploy(occurrence="2")], ids=["otherwise", "once more"])
async def test_a_call_that_is_not_exactly_the_one_in_the_plan_needs_signatures_of_its_own(call: ToolCall) -> None:
    async with a_bench(a_toolbox(), policy=SIGNED) as bench:
        plan = await signed_plan(bench, await listed(bench, deploy()))
        await bench.call(plan)
        status = await attempt(bench, call, plan)

    assert status is CallStatus.NEEDS_APPROVAL
    assert bench.toolbox.effects() == ["changes.open_change"]


async def test_a_plan_that_its_server_refused_approves_nothing() -> None:
    async with a_bench(a_toolbox(opening=in_turn(says_no("another change is open"))), policy=SIGNED) as bench:
        plan = await signed_plan(bench, await listed(bench, deploy()))
        assert (await bench.call(plan)).status is CallStatus.SAID_NO
        status = await attempt(bench, deploy(), plan)

    assert status is CallStatus.NEEDS_APPROVAL


async def test_only_a_tool_that_an_operator_has_named_takes_plans() -> None:
    async with a_bench(a_toolbox(GENEROUS), policy=SIGNED) as bench:
        plan = await signed_plan(bench, await listed(bench, deploy()))
        assert (await bench.call(plan)).status is CallStatus.DONE
        status = await attempt(bench, deploy(), plan)

    assert status is CallStatus.NEEDS_APPROVAL

"""`runs list | show | watch | cancel | stuck | why`: where runs stand, and what holds them up."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.runs import TASK_QUEUE
from tests.cli.conftest import CommandLine, Outcome
from tests.cli.shop import Shop

pytestmark = pytest.mark.timeout(90)


async def until(call: Callable[[], Awaitable[Outcome]], reached: Callable[[Any], bool]) -> Any:
    """The command's JSON document once it says so; bounded."""
    async with asyncio.timeout(30):
        while True:
            outcome = await call()
            if outcome.code == 0 and reached(outcome.document):
                return outcome.document


def requester_of(order: str) -> str:
    """Somebody who has asked for nothing else today: small sums of one requester are one large sum."""
    return f"rita.{order.lower()}"


async def waiting_run(interlock: CommandLine, order: str) -> str:
    """A refund that waits for an approver."""
    await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--as", requester_of(order))
    run = f"refund/{order}"
    await until(lambda: interlock("runs", "show", run, "--json"), lambda view: bool(view["waiting_for"]))
    return run


async def test_runs_are_listed_by_state_and_automation(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    filters = ("--state", "awaiting_approval", "--automation", "refund", "--json")
    listed = await until(
        lambda: interlock("runs", "list", *filters), lambda runs: run in [each["run"] for each in runs]
    )
    [found] = [each for each in listed if each["run"] == run]

    assert (found["automation"], found["state"], found["status"]) == ("refund", "awaiting_approval", "running")
    assert {each["state"] for each in listed} == {"awaiting_approval"}
    errands = await interlock("runs", "list", "--automation", "errand", "--json")
    assert run not in [each["run"] for each in errands.document]


async def test_an_unknown_state_or_automation_is_wrong_input(interlock: CommandLine) -> None:
    state = await interlock("runs", "list", "--state", "dreaming' OR 'a' = 'a")
    automation = await interlock("runs", "list", "--automation", "refnd")

    assert (state.code, automation.code) == (2, 2)
    assert "there are: answered, assessing" in state.err
    assert "there are: refund, errand" in automation.err


async def test_a_run_that_does_not_exist_is_refused_everywhere(shop: Shop, interlock: CommandLine) -> None:
    for command in (("show",), ("watch",), ("why",), ("cancel", "--reason", "x")):
        outcome = await interlock("runs", command[0], "refund/nothing", *command[1:])
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err == "no run 'refund/nothing'; `interlock runs list` shows those there are\n"


async def test_show_prints_where_a_waiting_run_stands(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    shown = (await interlock("runs", "show", run)).out

    assert f"{run}  Refund for order {order}\n" in shown
    assert "path: intake → assessing → ruling → awaiting_approval\n" in shown
    assert "1 turns, " in shown
    assert "tokens 100 in, 0 % of them from the cache, 20 out; cost 0.0005\n" in shown
    assert f"  read it: interlock approvals show {run}#1\n" in shown
    assert f"requester: {requester_of(order)}\n" in shown


async def test_watch_prints_plain_lines_until_the_ending(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    watching = asyncio.create_task(interlock("runs", "watch", run, "--timeout", "30s"))
    await temporal.client.get_workflow_handle(run).cancel(reason="enough")
    watched = await watching

    states = [line.split("  ")[-1] for line in watched.out.splitlines()]
    assert states[:4] == ["intake", "assessing", "ruling", "awaiting_approval"]
    assert watched.out.splitlines()[-2:] == [
        "ended: cancelled, cancelled: enough",
        f"next: interlock runs show {run}",
    ]


async def test_cancelling_twice_says_how_it_ended(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    first = await interlock("runs", "cancel", run, "--reason", "enough", "--as", "otto")
    watched = await interlock("runs", "watch", run)
    second = await interlock("runs", "cancel", run, "--reason", "enough")

    assert first.out.splitlines() == [f"asked {run} to stop", f"next: interlock runs watch {run}"]
    assert "ended: cancelled, cancelled: enough (asked by otto)" in watched.out
    assert second.code == 1
    assert second.err == f"{run} has ended already (completed); see `interlock runs show {run}`\n"


@pytest.mark.parametrize("reason", ["", " ", "x" * 301])
async def test_a_run_is_cancelled_only_for_a_reason(
    shop: Shop, interlock: CommandLine, order: str, reason: str
) -> None:
    run = await waiting_run(interlock, order)
    refused = await interlock("runs", "cancel", run, "--reason", reason)

    assert (refused.code, refused.err) == (2, "--reason says why in 1 to 300 characters; it is kept with the run\n")


async def test_why_names_who_a_healthy_run_waits_for(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    why = (await interlock("runs", "why", run)).out

    assert f"{run} is awaiting_approval since " in why
    assert "waits for a " in why
    assert " until 20" in why
    assert f"  next: interlock approvals show {run}#1\n" in why
    assert run not in [finding["subject"] for finding in (await interlock("runs", "stuck", "--json")).document]


async def test_the_commands_for_a_run_that_was_started_again_can_be_pasted(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    await interlock("runs", "cancel", run, "--reason", "wrong order")
    await interlock("runs", "watch", run)
    again = ("--again", "the customer called", "--as", requester_of(order))
    started = await interlock("runs", "start", "refund", "--set", f"order_id={order}", *again)
    await until(lambda: interlock("runs", "show", f"{run}~2", "--json"), lambda view: bool(view["waiting_for"]))
    shown = await interlock("runs", "show", f"{run}~2")
    why = await interlock("runs", "why", f"{run}~2")
    waited = await interlock("runs", "watch", f"{run}~2", "--timeout", "1s")
    cancelled = await interlock("runs", "cancel", f"{run}~2", "--reason", "enough")
    watched = await interlock("runs", "watch", f"{run}~2")
    ended = await interlock("runs", "why", f"{run}~2")

    assert f"next: interlock runs watch '{run}~2'\n      interlock runs show '{run}~2'" in started.out
    assert f"  read it: interlock approvals show '{run}~2#1'" in shown.out
    assert f"  next: interlock approvals show '{run}~2#1'" in why.out
    assert f"`interlock runs watch '{run}~2'`" in waited.err
    assert f"next: interlock runs watch '{run}~2'" in cancelled.out
    assert f"next: interlock runs show '{run}~2'" in watched.out
    assert f"  next: interlock runs show '{run}~2'" in ended.out


async def test_a_retrying_activity_is_named_with_its_failure_and_its_next_try(
    shop: Shop, interlock: CommandLine
) -> None:
    run = f"refund/DOWN-{uuid.uuid4().hex[:6]}"
    await interlock("runs", "start", "refund", "--set", f"order_id={run.split('/')[1]}")
    explained = await until(
        lambda: interlock("runs", "why", run, "--json"), lambda explanation: bool(explanation["findings"])
    )
    stuck = await interlock("runs", "stuck", "--json")

    assert "the orders server is being repaired" in explained["findings"][0]["problem"]
    assert explained["state"] == "intake"
    assert run in [finding["subject"] for finding in stuck.document]


async def test_a_failing_workflow_task_is_named_with_its_cause(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine
) -> None:
    run = f"refund/{uuid.uuid4().hex[:6]}"
    await temporal.client.start_workflow("no_such_automation", id=run, task_queue=TASK_QUEUE)
    explained = await until(
        lambda: interlock("runs", "why", run, "--json"), lambda explanation: bool(explanation["findings"])
    )
    shown = await interlock("runs", "stuck")

    assert explained["findings"][0]["problem"].startswith("its workflow task fails, attempt ")
    assert "no_such_automation" in explained["findings"][0]["problem"]
    assert f"{run}: its workflow task fails" in shown.out
    await temporal.client.get_workflow_handle(run).terminate()


async def test_a_queue_without_workers_is_named(temporal: WorkflowEnvironment, interlock: CommandLine) -> None:
    stuck = await interlock.anywhere("runs", "stuck", "--address", interlock.address, "--namespace", "temporal-system")

    assert stuck.code == 0, stuck.err
    assert "task queue 'interlock': no worker polls it for activities\n  next: interlock worker" in stuck.out

"""`runs start`: new cases start, known ones are attached to, and nothing is started twice by accident."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.testing import WorkflowEnvironment

from cli.automations import find_automation
from cli.exits import Refused
from cli.server import Server
from cli.starting import make_order, start
from contracts.runs import KnownCase
from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.cli.test_following import waiting_run

pytestmark = pytest.mark.timeout(90)
REPOSITORY = Path(__file__).parents[2]


async def test_a_small_refund_is_started_followed_and_ends_well(shop: Shop, interlock: CommandLine, order: str) -> None:
    done = await interlock(
        "runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=4000", "--wait"
    )

    assert done.code == 0, done.err
    assert done.out.startswith(f"started refund/{order}\n")
    assert "verifying" in done.out
    assert f"ended: refunded, 40.00 EUR credited for order {order}" in done.out
    assert f"next: interlock runs show refund/{order}" in done.out
    assert shop.books[order].credits == [4000]


class Full(Server):
    """A server whose workers take no other run; of Temporal nothing can be asked, or started."""

    def __init__(self, known: KnownCase) -> None:
        self.known = known

    async def read(self, activity: str, question: BaseModel, answer: type[Any]) -> Any:
        """What is known of the case."""
        assert activity == "look_up_case"
        return self.known

    async def describe(self, run: str) -> Any:
        """Temporal has forgotten it."""
        raise Refused(f"no run {run!r}")


@pytest.mark.parametrize(
    ("known", "again"), [(KnownCase(), ""), (KnownCase(workflow_id="refund/A-17", ending="refunded"), "lost")]
)
async def test_where_there_is_no_room_nothing_is_even_started(known: KnownCase, again: str) -> None:
    entry = find_automation("refund")
    request = entry.request.model_validate({"order_id": "A-17"})
    server = Full(known.model_copy(update={"no_room": "1000 runs are under way"}))

    with pytest.raises(Refused, match="1000 runs are under way"):
        await start(server, make_order(entry, request, "rita", again))


async def test_an_ended_case_is_attached_to_whether_there_is_room_or_not() -> None:
    entry = find_automation("refund")
    request = entry.request.model_validate({"order_id": "A-17"})
    known = KnownCase(workflow_id="refund/A-17", same_input=True, ending="refunded", no_room="1000 runs are under way")

    assert (await start(Full(known), make_order(entry, request, "rita", ""))).ending == "refunded"


async def test_json_output_is_one_document(shop: Shop, interlock: CommandLine, order: str) -> None:
    small = ("--set", f"order_id={order}", "--set", "limit_cents=4000")
    done = await interlock("runs", "start", "refund", *small, "--wait", "--json", "--as", "rita")

    assert done.document["run"] == f"refund/{order}"
    assert (done.document["new"], done.document["good"]) == (True, True)
    assert done.document["ending"]["state"] == "refunded"
    shown = await interlock("runs", "show", f"refund/{order}", "--json")
    assert shown.document["first_run_id"] == done.document["first_run_id"]
    assert shown.document["requester"] == "rita"


async def test_the_same_case_again_prints_the_recorded_ending(shop: Shop, interlock: CommandLine, order: str) -> None:
    small = ("runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=4000")
    await interlock(*small, "--wait")
    again = await interlock(*small)

    assert again.code == 0, again.err
    assert again.out.splitlines()[:2] == [
        f"refund/{order} was started before with the same input, and has ended",
        "ended: refunded",
    ]
    assert shop.books[order].credits == [4000]


async def test_the_same_case_under_way_is_attached_to(shop: Shop, interlock: CommandLine, order: str) -> None:
    large = ("runs", "start", "refund", "--set", f"order_id={order}")
    first = await interlock(*large, "--json")
    second = await interlock(*large, "--json")

    assert (first.document["new"], second.document["new"]) == (True, False)
    assert first.document["first_run_id"] == second.document["first_run_id"]


async def test_the_same_case_with_other_input_is_refused_and_the_difference_named(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    await waiting_run(interlock, order)
    other = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=1")

    assert other.code == 1
    assert other.out == ""
    assert f"refund/{order} is under way with other input: limit_cents differ" in other.err
    assert f"cancel it with `interlock runs cancel refund/{order} --reason WHY` before you start it anew" in other.err
    assert "--again" not in other.err

    await interlock("runs", "cancel", f"refund/{order}", "--reason", "wrong order")
    await interlock("runs", "watch", f"refund/{order}")
    ended = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=1")

    assert ended.code == 1
    assert f"refund/{order} was started before with other input: limit_cents differ" in ended.err
    assert "start anew with --again REASON" in ended.err


async def test_again_starts_an_ended_case_anew_and_refuses_while_it_is_under_way(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    large = ("runs", "start", "refund", "--set", f"order_id={order}")
    await interlock(*large)
    early = await interlock(*large, "--again", "the customer called")
    await interlock("runs", "cancel", f"refund/{order}", "--reason", "wrong order")
    ended = await interlock(*large, "--wait")
    anew = await interlock(*large, "--again", "the customer called", "--json")

    assert early.code == 1
    assert "is under way" in early.err
    assert ended.code == 1
    assert "ended: cancelled" in ended.out
    assert anew.code == 0, anew.err
    assert (anew.document["run"], anew.document["new"]) == (f"refund/{order}~2", True)


async def test_a_case_that_no_worker_has_begun_is_attached_to_and_never_started_twice(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine, order: str
) -> None:
    entry = find_automation("refund")
    waiting = make_order(entry, entry.request.model_validate({"order_id": order}), "rita", "")
    case = entry.first_case(waiting.request, waiting.start)
    handle = await temporal.client.start_workflow("refund", case, id=f"refund/{order}", task_queue="nobody")
    same = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--json")
    other = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--set", "limit_cents=1")

    assert (same.document["new"], same.document["first_run_id"]) == (False, handle.first_execution_run_id)
    assert other.code == 1
    assert f"refund/{order} is under way with other input: limit_cents differ" in other.err


async def test_an_ending_that_nobody_hoped_for_exits_with_1(shop: Shop, interlock: CommandLine, order: str) -> None:
    shop.books[order].refunded_cents = 4000
    done = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--wait", "--json")

    assert done.code == 1
    assert (done.document["ending"]["state"], done.document["good"]) == ("declined", False)


async def test_a_run_that_temporal_ended_exits_with_1_and_can_be_started_anew(
    temporal: WorkflowEnvironment, shop: Shop, interlock: CommandLine, order: str
) -> None:
    large = ("runs", "start", "refund", "--set", f"order_id={order}")
    await interlock(*large)
    await waiting_run(interlock, order)
    await temporal.client.get_workflow_handle(f"refund/{order}").terminate("by hand")
    waited = await interlock(*large, "--wait")
    why = await interlock("runs", "why", f"refund/{order}")
    anew = await interlock(*large, "--again", "it was terminated", "--json")

    assert waited.code == 1
    assert f"refund/{order} was ended by Temporal" in waited.err
    assert "Temporal says it is terminated at 20" in why.out
    assert anew.document["run"] == f"refund/{order}~2"


async def test_waiting_too_long_exits_with_4_and_the_run_goes_on(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    waited = await interlock("runs", "start", "refund", "--set", f"order_id={order}", "--wait", "--timeout", "1s")

    assert waited.code == 4
    assert waited.err.startswith(f"refund/{order} has not ended after")
    assert (await interlock("runs", "show", f"refund/{order}", "--json")).document["final"] is False


async def test_a_server_that_is_not_there_exits_with_3_and_says_how_to_start_one(interlock: CommandLine) -> None:
    nowhere = await interlock.anywhere("runs", "start", "refund", "--set", "order_id=A-1", "--address", "127.0.0.1:1")

    assert (nowhere.code, nowhere.out) == (3, "")
    assert "interlock dev" in nowhere.err
    assert len(nowhere.err.splitlines()) == 1


async def test_without_a_worker_nothing_is_started(temporal: WorkflowEnvironment, interlock: CommandLine) -> None:
    silent = await interlock.anywhere(
        "runs",
        "start",
        "refund",
        "--set",
        "order_id=A-1",
        "--address",
        interlock.address,
        "--namespace",
        "temporal-system",
    )

    assert silent.code == 3
    assert silent.err.startswith("no worker answered on task queue 'interlock'")


async def test_the_installed_command_reads_standard_input_and_keeps_its_exit_code(
    temporal: WorkflowEnvironment, shop: Shop, order: str
) -> None:
    command = [sys.executable, "-m", "cli.main", "runs", "start", "refund", "--from", "-", "--json"]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        input=json.dumps({"order_id": order}),
        env={"TEMPORAL_ADDRESS": temporal.client.service_client.config.target_host, "PATH": "/usr/bin"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == f"refund/{order}"
    assert done.stderr == ""

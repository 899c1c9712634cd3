"""`interlock approvals`: what people are shown is what they decide on, once, and whoever is late is told."""

import asyncio
import functools
import json
import shlex
import subprocess
import uuid
from datetime import datetime, timedelta

import pytest

from contracts.decisions import Decision, Verdict
from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.cli.test_following import requester_of, until, waiting_run
from workers.embedded.temporal_server import temporal_binary

pytestmark = pytest.mark.timeout(90)


async def test_an_approval_is_listed_shown_approved_and_the_run_goes_on(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    listed = (await interlock("approvals", "list", "--json")).document
    [entry] = [each for each in listed if each["workflow_id"] == run]
    approved = await interlock("approvals", "approve", entry["request_id"], "--as", "dana", "--note", "fine")
    watched = await interlock("runs", "watch", run)

    assert entry["requester"] == requester_of(order)
    assert approved.code == 0, approved.err
    assert approved.out.splitlines() == [f"{run}#1 is approved", f"next: interlock runs watch {run}"]
    assert approved.err == "development mode: this decision is not signed\n"
    assert "ended: refunded" in watched.out
    assert shop.books[order].credits == [64_000]


async def test_show_prints_the_exact_arguments_who_may_decide_and_until_when(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    shown = (await interlock("approvals", "show", f"{run}#1")).out

    assert shown.startswith(f"request: {run}#1\nasks:\n| Credit 640.00 EUR for order {order}?\n")
    for line in (
        f"run: {run}",
        "automation: refund",
        "state: awaiting_approval",
        f"requester: {requester_of(order)}",
        "| Claude advises: 640.00 EUR: one of two items arrived broken",
        "| cost of waiting: the customer waits; nothing has been paid",
        "action: payments.issue_credit",
        '|   "cents": 64000,',
        f'|   "order_id": "{order}",',
        "  anybody but whoever asked: development mode, without a roster",
        "  approve: exactly what is shown may happen",
        f"next: interlock approvals ANSWER {run}#1 --as YOU; ANSWER is approve, reject, return",
    ):
        assert line in shown.splitlines()
    assert "until: 20" in shown


async def test_people_are_listed_what_they_may_sign_and_told_how_much_else_there_is(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)

    async def listed(*options: str) -> list[str]:
        page = await interlock("approvals", "list", "--json", *options)
        return [entry["workflow_id"] for entry in page.document]

    assert run in await listed("--as", "dana")
    assert run in await listed("--as", "dana", "--automation", "refund")
    assert run not in await listed("--as", "dana", "--automation", "errand")
    own = ("--as", requester_of(order).upper())
    assert run not in await listed(*own)
    assert run in await listed(*own, "--all")
    assert "by other people only; --all lists them too" in (await interlock("approvals", "list", *own)).out


async def test_small_credits_of_the_same_amount_are_told_together(shop: Shop, interlock: CommandLine) -> None:
    orders = [f"A-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    amount = 50_000 + int(uuid.uuid4().hex[:3], 16)
    for order in orders:
        asked = ("--set", f"order_id={order}", "--set", f"limit_cents={amount}", "--as", requester_of(order))
        await interlock("runs", "start", "refund", *asked)
        watched = functools.partial(interlock, "runs", "show", f"refund/{order}", "--json")
        await until(watched, lambda view: bool(view["waiting_for"]))
    listed = (await interlock("approvals", "list", "--as", "dana")).out

    each, total = f"{amount / 100:.2f} EUR", f"{2 * amount / 100:.2f} EUR"
    assert f"2 alike: payments.issue_credit, {each} each, {total} in all" in listed
    assert any(all(order in line for order in orders) for line in listed.splitlines())


@pytest.mark.parametrize(("verdict", "code", "ending"), [("approve", 0, "refunded"), ("reject", 1, "rejected")])
async def test_a_decision_that_waits_ends_with_what_happened(
    shop: Shop, interlock: CommandLine, order: str, verdict: str, code: int, ending: str
) -> None:
    run = await waiting_run(interlock, order)
    decided = await interlock("approvals", verdict, f"{run}#1", "--as", "dana", "--wait", "--timeout", "60s")

    assert decided.code == code, decided.err
    assert f"ended: {ending}" in decided.out
    assert decided.out.splitlines()[-1] == f"next: interlock runs show {run}"


async def test_a_decision_that_waits_for_another_one_is_told_when_its_time_is_up(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    decided = await interlock(
        "approvals", "return", f"{run}#1", "--as", "dana", "--note", "half?", "--wait", "--timeout", "3s"
    )

    assert decided.code == 4
    assert decided.out.startswith(f"{run}#1 is returned\n")
    assert f"`interlock runs watch {run}`" in decided.err


async def test_a_timeout_without_waiting_is_wrong_input_and_decides_nothing(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    decided = await interlock("approvals", "approve", f"{run}#1", "--as", "dana", "--timeout", "60s")

    assert (decided.code, decided.out) == (2, "")
    assert "give --wait as well" in decided.err
    assert "closed: " not in (await interlock("approvals", "show", f"{run}#1")).out


async def test_a_second_decision_is_told_what_was_decided(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    await interlock("approvals", "reject", f"{run}#1", "--as", "dana", "--note", "another shop's box")
    await interlock("runs", "watch", run)
    late = await interlock("approvals", "approve", f"{run}#1", "--as", "dario")

    assert (late.code, late.out) == (1, "")
    assert late.err.startswith(f"{run}#1 was rejected by dana at ")
    assert shop.books[order].credits == []


async def test_who_asked_may_not_approve(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    own = await interlock("approvals", "approve", f"{run}#1", "--as", requester_of(order))

    assert own.code == 1
    assert f"{requester_of(order)!r} asked for this run and may not decide on it" in own.err


async def test_a_return_needs_a_note_and_sends_the_run_back(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    silent = await interlock("approvals", "return", f"{run}#1", "--as", "dana")
    empty = await interlock("approvals", "return", f"{run}#1", "--as", "dana", "--note", " ")
    returned = await interlock("approvals", "return", f"{run}#1", "--as", "dana", "--note", "half of it?")

    assert (silent.code, empty.code) == (2, 2)
    assert "--note" in silent.err
    assert returned.out.startswith(f"{run}#1 is returned\n")


async def test_a_verdict_that_a_request_does_not_offer_is_refused_with_its_options(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    retried = await interlock("approvals", "retry", f"{run}#1", "--as", "dana")

    assert retried.code == 1
    assert retried.err == f"'retry' is no answer to {run}#1; answer one of: approve, reject, return\n"


async def test_an_escalation_is_answered_from_the_same_inbox(shop: Shop, interlock: CommandLine) -> None:
    order = f"NO-{uuid.uuid4().hex[:6]}"
    small = ("--set", f"order_id={order}", "--set", "limit_cents=4000")
    await interlock("runs", "start", "refund", *small, "--as", requester_of(order))
    run = f"refund/{order}"
    await until(lambda: interlock("runs", "show", run, "--json"), lambda view: bool(view["waiting_for"]))
    shown = await interlock("approvals", "show", f"{run}#1")
    no_value = await interlock("approvals", "supply", f"{run}#1", "--as", "dana", "--value", "{cents")
    abandoned = await interlock("approvals", "abandon", f"{run}#1", "--as", "dana")
    watched = await interlock("runs", "watch", run)

    assert "kind: escalation" in shown.out
    assert "  abandon: what was done is undone, and the run ends; it goes on in cancelled" in shown.out.splitlines()
    assert "ANSWER is retry, take-over, abandon" in shown.out
    assert (no_value.code, no_value.err[:20]) == (2, "--value is not JSON ")
    assert abandoned.code == 0, abandoned.err
    assert "ended: cancelled, abandoned by dana" in watched.out


async def test_what_sign_prints_works_with_the_stock_command_line(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    signed = await interlock(
        "approvals", "sign", f"{run}#1", "--verdict", "approve", "--print", "--as", "dana", "--valid-for", "PT5M"
    )
    decision = Decision.model_validate_json(signed.out)
    command = shlex.split(signed.err.splitlines()[-1].removeprefix("send it: "))
    await asyncio.to_thread(
        subprocess.run, [temporal_binary(), *command[1:]], check=True, capture_output=True, timeout=30
    )
    watched = await interlock("runs", "watch", run)

    assert (decision.verdict, decision.approver) == (Verdict.APPROVE, "dana")
    assert decision.expires_at - decision.issued_at == timedelta(minutes=5)
    assert decision.expires_at > datetime.now().astimezone()
    assert not {"signature", "nonce", "key_id"} & json.loads(signed.out).keys()
    assert "ended: refunded" in watched.out


async def test_whoever_prints_a_decision_that_would_not_count_is_told_so(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    run = await waiting_run(interlock, order)
    requester = requester_of(order)
    printing = ("approvals", "sign", f"{run}#1", "--verdict", "approve", "--print", "--valid-for", "30d")
    signed = await interlock(*printing, "--as", requester)

    assert signed.code == 0
    assert f"note: '{requester}' asked for it; as things stand the run would not count this decision" in signed.err
    assert f"note: --valid-for was cut to the deadline of {run}#1: it may be used until 20" in signed.err


async def test_sign_without_print_says_how_to_decide(shop: Shop, interlock: CommandLine) -> None:
    outcome = await interlock("approvals", "sign", "refund/A-1#1", "--verdict", "take_over", "--as", "dana")

    assert outcome.code == 2
    assert "interlock approvals take-over refund/A-1#1" in outcome.err


async def test_an_unknown_request_is_refused(shop: Shop, interlock: CommandLine) -> None:
    for command in ("show", "approve"):
        outcome = await interlock("approvals", command, "refund/nothing#1")
        assert outcome.code == 1
        assert outcome.err == "no request 'refund/nothing#1'; `interlock approvals list` shows the open ones\n"


async def test_there_is_a_command_for_every_verdict(interlock: CommandLine) -> None:
    for verdict in Verdict:
        shown = await interlock.anywhere("approvals", verdict.value.replace("_", "-"), "--help")
        assert shown.code == 0
        assert "--as" in shown.out

"""`interlock runs resolve`: a person says what came of a call that was never answered."""

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.cli.test_following import requester_of, until, waiting_run

DANA = ("--as", "dana")


@pytest.fixture
def lost(order: str) -> str:
    """An order whose mark gets no answer."""
    return f"LOST-{order}"


async def escalated(interlock: CommandLine, order: str) -> str:
    """A refund that waits to learn whether its mark happened."""
    asked = ("--set", f"order_id={order}", "--set", "limit_cents=4000", "--as", requester_of(order))
    started = await interlock("runs", "start", "refund", *asked)
    assert started.code == 0, started.err
    run = f"refund/{order}"
    await until(lambda: interlock("runs", "show", run, "--json"), lambda view: bool(view["waiting_for"]))
    return run


async def test_a_mark_that_happened_is_not_made_again(interlock: CommandLine, shop: Shop, lost: str) -> None:
    run = await escalated(interlock, lost)
    shown = await interlock("approvals", "show", f"{run}#1", *DANA)
    said = await interlock(
        "runs", "resolve", run, "orders.mark_refunded", "--happened", "--note", "the order is marked", *DANA
    )
    ended = await interlock("runs", "watch", run)

    assert "sent: once, at " in shown.out
    assert "our reference: " in shown.out
    assert "happened: the call did happen, and your note says how you know" in shown.out
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == f"{run}#1 was answered with happened"
    assert "ended: refunded" in ended.out
    assert [given["order_id"] for given in shop.toolbox.arguments_of("orders.mark_refunded")].count(lost) == 1


async def test_what_cannot_be_found_out_is_undone(interlock: CommandLine, shop: Shop, lost: str) -> None:
    run = await escalated(interlock, lost)
    said = await interlock("runs", "resolve", run, "--abandon", *DANA)
    ended = await interlock("runs", "watch", run)

    assert said.code == 0, said.err
    assert "ended: cancelled, abandoned by dana: nobody knows whether orders.mark_refunded" in ended.out
    assert shop.books[lost].credits == []


async def test_the_call_is_named_by_request_tool_or_digest_and_a_wrong_name_is_told(
    interlock: CommandLine, shop: Shop, lost: str
) -> None:
    run = await escalated(interlock, lost)
    wrong = await interlock("runs", "resolve", run, "payments.issue_credit", "--abandon", *DANA)
    right = await interlock("runs", "resolve", run, "1", "--abandon", *DANA)

    assert wrong.code == 1
    assert f"{run} waits to learn of 1 calls, and 'payments.issue_credit' names none of them: {run}#1" in wrong.err
    assert right.code == 0, right.err


async def test_one_answer_must_be_given_and_a_proof_with_it(interlock: CommandLine, shop: Shop, lost: str) -> None:
    run = f"refund/{lost}"
    none = await interlock("runs", "resolve", run, *DANA)
    two = await interlock("runs", "resolve", run, "--happened", "--abandon", *DANA)
    bare = await interlock("runs", "resolve", run, "--happened", *DANA)

    assert {none.code, two.code, bare.code} == {2}
    assert "one of --happened, --did-not-happen and --abandon" in none.err
    assert "one of --happened, --did-not-happen and --abandon" in two.err
    assert "--note is missing; say how you know that it happened" in bare.err


async def test_a_run_in_which_nothing_is_in_doubt_says_so(interlock: CommandLine, shop: Shop, order: str) -> None:
    run = await waiting_run(interlock, order)
    said = await interlock("runs", "resolve", run, "--abandon", *DANA)

    assert said.code == 1
    assert f"nothing has to be found out for {run}" in said.err

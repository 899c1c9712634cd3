"""Budgets on the command line: what is left of them, and how people say how much more a run may spend."""

import json
from datetime import UTC, datetime

import pytest

from activities.budgets import BudgetLine, Whose, day_of
from activities.conversations import RunKey
from activities.reads import BudgetOfRun
from cli.budgets import budget_lines, read_more
from cli.exits import WrongInput
from contracts.budgets import Unit
from contracts.claude import Usage
from tests.cli.conftest import CommandLine
from tests.cli.shop import Shop
from tests.cli.test_following import requester_of, until, waiting_run
from workers.resources.store.spending import count_turn


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("turns=20", {"turns": 20}),
        (" turns = 20, money=1.50 ", {"turns": 20, "money": "1.50"}),
        ("tokens=100000,hours=0.5", {"tokens": 100_000, "hours": "0.5"}),
        ('{"turns": 20, "money": 1.5}', {"turns": 20, "money": "1.5"}),
    ],
)
def test_how_much_more_is_written_in_pairs_or_as_json(text: str, value: object) -> None:
    read = read_more("--by", text)

    assert (json.loads(read) if read else read) == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("20", "'20' is not one of turns, tokens, money, hours with an amount"),
        ("turns=", "'turns=' is not one of turns, tokens, money, hours with an amount"),
        ("cents=150", "'cents=150' is not one of turns"),
        ("turns=2,turns=3", "turns is given twice"),
        ("turns=many", "turns: Input should be a valid integer"),
        ("money=-1", "money: Input should be greater than or equal to 0"),
        ("turns=0", "the value adds nothing"),
        ('{"turns": }', "the value: Invalid JSON"),
    ],
)
def test_what_says_nothing_usable_is_wrong_input_with_an_example(text: str, named: str) -> None:
    with pytest.raises(WrongInput) as wrong:
        read_more("--by", text)

    assert f"--by {text!r}: {named}" in str(wrong.value)
    assert str(wrong.value).endswith("; write for example --by turns=20,money=1.50")


def test_what_is_left_is_told_of_the_run_and_of_its_requester_with_what_was_added() -> None:
    run = BudgetLine(whose=Whose.RUN, unit=Unit.TURNS, configured=40, added=20, spent=41)
    money = BudgetLine(whose=Whose.RUN, unit=Unit.MONEY, configured=2_000_000, spent=500_000)
    requester = BudgetLine(whose=Whose.REQUESTER, unit=Unit.MONEY, configured=9_000_000, spent=10_000_000)

    assert list(budget_lines(BudgetOfRun(lines=(run, money, requester)))) == [
        "left for this run: 19 of 60 turns (20 of it added by people), 1.5000 of 2.0000 in money",
        "left for this requester today: 0.0000 of 9.0000 in money",
    ]
    assert list(budget_lines(BudgetOfRun())) == []
    assert list(budget_lines("no worker answered")) == ["budget: cannot be told now, no worker answered"]


async def test_show_tells_what_is_left_of_the_budget(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    shown = await interlock("runs", "show", run)
    document = (await interlock("runs", "show", run, "--json")).document

    left = "1999 of 2000 turns, 19999880 of 20000000 tokens, 19.9995 of 20.0000 in money"
    assert f"left for this run: {left}" in shown.out
    assert "left for this requester today: 199.9995 of 200.0000 in money" in shown.out
    assert document["budget"][0] == {
        "whose": "this run",
        "unit": "turns",
        "configured": 2000,
        "added": 0,
        "spent": 1,
    }


async def test_a_run_that_has_spent_its_budget_goes_on_with_what_is_added(
    shop: Shop, interlock: CommandLine, order: str
) -> None:
    await spend_everything(shop, requester_of(order))
    run = await waiting_run(interlock, order)
    shown = await interlock("approvals", "show", f"{run}#1", "--as", "dana")
    extended = await interlock("approvals", "extend", f"{run}#1", "--by", "money=5", "--as", "dana")
    view = await until(lambda: interlock("runs", "show", run, "--json"), lambda view: len(view["path"]) > 4)
    left = await interlock("runs", "show", run)

    spent = "the budget is spent: 200.0000 of 200.0000 in money for this requester today"
    assert f"| {spent}" in shown.out
    assert "| how to extend: by JSON such as" in shown.out
    assert "  extend: the run may spend more, by as much again or by what you say with --by, and goes on" in shown.out
    assert extended.out.splitlines()[0] == f"{run}#1 was answered with extend"
    assert [visit["state"] for visit in view["path"]][1:4] == ["assessing", "escalated", "assessing"]
    requester = "left for this requester today: 4.9995 of 205.0000 in money (5.0000 of it added by people)"
    assert requester in left.out


async def spend_everything(shop: Shop, requester: str) -> None:
    """Another run of this requester has spent what they may today."""
    earlier, now = RunKey(workflow_id=f"refund/earlier for {requester}", first_run_id="run-1"), datetime.now(UTC)
    spender = (await shop.store.budgets.account(earlier, requester, "refund", day_of(now))).spender
    usage = Usage(cost_micros=200_000_000)
    await shop.store._database.write(lambda connection: count_turn(connection, earlier, spender, usage, now))


async def test_what_does_not_ask_for_more_cannot_be_extended(shop: Shop, interlock: CommandLine, order: str) -> None:
    run = await waiting_run(interlock, order)
    refused = await interlock("approvals", "extend", f"{run}#1", "--by", "turns=20", "--as", "dana")
    wrong = await interlock("approvals", "extend", f"{run}#1", "--by", "twenty", "--as", "dana")

    assert (refused.code, refused.err) == (
        1,
        f"'extend' is no answer to {run}#1; answer one of: approve, reject, return\n",
    )
    assert wrong.code == 2
    assert "--by 'twenty': 'twenty' is not one of turns, tokens, money, hours with an amount" in wrong.err

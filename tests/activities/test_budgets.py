"""Budgets: what is left of which limit, when nothing is left, and what Claude is told."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from activities.budgets import Account, Addition, Standing, Whose, standing_of, to_add
from activities.context_files import Budget, ContextFiles, Limits
from activities.conversations import RunKey
from contracts.budgets import WAY_TO_EXTEND, Amounts, Extension, Spender, read_extension
from contracts.claude import Usage
from contracts.roster import Person, Roster
from tests.activities.bench import NINE, RUN, Bench, a_bench
from tests.doubles import RecordingToolbox
from workers.resources.store.spending import count_turn

RITA = Spender(requester="somebody", automation="refund")
FORTY = Budget(run=Limits(turns=40), requester=Limits())
UNLIMITED = Limits()


def standing(budget: Budget, now: datetime = NINE, additions: tuple[Addition, ...] = (), **spent: Amounts) -> Standing:
    """How a run stands that was started at nine."""
    counted = {"run": Amounts(), "day": Amounts()} | spent
    account = Account(spender=RITA, additions=additions, started_at=NINE, **counted)
    return standing_of(account, budget, now)


def test_every_turn_is_told_what_is_left() -> None:
    budget = Budget(run=Limits(turns=40, tokens=1000, money=Decimal("0.5"), hours=2), requester=UNLIMITED)
    spent = Amounts(turns=3, tokens=100, cost_micros=125_000)

    told = standing(budget, NINE + timedelta(minutes=30), run=spent).told

    left = "37 of 40 turns, 900 of 1000 tokens, 0.3750 of 0.5000 in money, 1.50 of 2.00 hours"
    assert told == f"Left of this run's budget, this turn included: {left}."


def test_once_little_is_left_of_the_nearest_limit_claude_is_told_to_come_to_an_end() -> None:
    budget = Budget(run=Limits(turns=40, tokens=1000), requester=UNLIMITED, warn_at=0.9)

    assert standing(budget, run=Amounts(turns=35, tokens=899)).warning == ""
    warned = standing(budget, run=Amounts(turns=37, tokens=910))
    assert warned.warning == "Little is left: 3 of 40 turns for this run. Come to an end."
    assert warned.told.endswith(f". {warned.warning}")


def test_of_the_requesters_limit_claude_is_told_only_when_it_is_near() -> None:
    budget = Budget(run=UNLIMITED, requester=Limits(money=Decimal(10)))

    assert standing(budget, day=Amounts(cost_micros=7_900_000)).told == ""
    near = standing(budget, day=Amounts(cost_micros=8_000_000)).told
    assert near == "Little is left: 2.0000 of 10.0000 in money for this requester today. Come to an end."


def test_without_a_limit_nothing_is_told_and_nothing_is_ever_spent() -> None:
    much = Amounts(turns=10**6, tokens=10**9, cost_micros=10**9)
    free = standing(Budget(run=UNLIMITED, requester=UNLIMITED), run=much, day=much)

    assert (free.told, free.exhausted) == ("", "")


@pytest.mark.parametrize(
    ("limits", "spent", "said"),
    [
        (Limits(turns=40), Amounts(turns=40), "40 of 40 turns"),
        (Limits(tokens=1000), Amounts(tokens=1200), "1200 of 1000 tokens"),
        (Limits(money=Decimal("0.001")), Amounts(cost_micros=1000), "0.0010 of 0.0010 in money"),
    ],
)
def test_a_limit_is_reached_at_its_last_unit(limits: Limits, spent: Amounts, said: str) -> None:
    budget = Budget(run=limits, requester=UNLIMITED)
    unit = next(iter(spent.model_fields_set))
    one_less = spent.model_copy(update={unit: min(getattr(spent, unit), standing(budget).lines[0].limit) - 1})

    assert standing(budget, run=one_less).exhausted == ""
    assert standing(budget, run=spent).exhausted == f"the budget is spent: {said} for this run"


def test_wall_time_counts_from_the_start_of_the_run_whatever_it_waits_for() -> None:
    budget = Budget(run=Limits(hours=1), requester=UNLIMITED)

    assert standing(budget, NINE + timedelta(minutes=59)).exhausted == ""
    assert standing(budget, NINE + timedelta(minutes=61)).exhausted == (
        "the budget is spent: 1.02 of 1.00 hours for this run"
    )


def test_everything_that_is_spent_is_named() -> None:
    budget = Budget(run=Limits(turns=4), requester=Limits(turns=9, hours=1))

    spent = standing(budget, NINE + timedelta(days=1), run=Amounts(turns=4), day=Amounts(turns=9)).exhausted

    assert spent == "the budget is spent: 4 of 4 turns for this run; 9 of 9 turns for this requester today"


def test_a_limit_that_is_too_small_to_be_counted_is_a_limit_all_the_same() -> None:
    tiny = Budget(run=Limits(money=Decimal("0.0000001"), hours=0.0001), requester=UNLIMITED)

    assert [line.limit for line in standing(tiny).lines] == [1, 1]


# What people add.


def test_what_was_added_counts_for_the_run_for_good() -> None:
    earlier = Addition(amounts=Amounts(turns=20), at=NINE - timedelta(days=3))

    after = standing(FORTY, additions=(earlier,), run=Amounts(turns=41))

    assert (after.exhausted, after.lines[0].left) == ("", 19)


def test_what_was_added_lets_the_run_pass_its_requesters_limit_on_that_day_only() -> None:
    budget = Budget(run=UNLIMITED, requester=Limits(turns=40))
    before_midnight = Addition(amounts=Amounts(turns=5), at=datetime(2026, 11, 20, 23, 59, tzinfo=UTC))
    spent = Amounts(turns=42)

    assert standing(budget, NINE, (before_midnight,), day=spent).exhausted == ""
    assert standing(budget, NINE + timedelta(days=1), (before_midnight,), day=spent).exhausted


def test_as_much_again_is_as_much_as_the_page_allows_from_now_on_of_what_is_spent() -> None:
    budget = Budget(run=Limits(turns=40, tokens=1000), requester=Limits(turns=100))
    spent = standing(budget, run=Amounts(turns=10, tokens=1150), day=Amounts(turns=10))

    added = to_add(spent, None)

    assert added == Amounts(tokens=1150)
    assert {line.unit.value: line.left for line in spent.with_added(added).lines if line.whose is Whose.RUN} == {
        "turns": 30,
        "tokens": 1000,
    }


def test_where_nothing_is_spent_any_more_as_much_again_is_nothing() -> None:
    """Over midnight a requester has a new day's budget."""
    assert to_add(standing(FORTY, run=Amounts(turns=39)), None) == Amounts()


def test_what_would_not_let_the_run_go_on_is_too_little_and_people_are_told_what_it_takes() -> None:
    spent = standing(FORTY, run=Amounts(turns=41))

    with pytest.raises(ValueError, match=r"41 of 41 turns for this run; add at least turns=2$"):
        to_add(spent, Extension(turns=1))
    assert to_add(spent, Extension(turns=2)) == Amounts(turns=2)


def test_what_it_takes_is_said_in_the_form_in_which_people_add_it() -> None:
    budget = Budget(run=Limits(money=Decimal(1), hours=1), requester=UNLIMITED)
    spent = standing(budget, NINE + timedelta(hours=2), run=Amounts(cost_micros=1_000_001))

    with pytest.raises(ValueError, match=r"add at least money=0\.000002,hours=1\.01$"):
        to_add(spent, Extension(turns=1))
    assert to_add(spent, Extension(money=Decimal("0.000002"), hours=Decimal("1.01")))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("many", "the value: Invalid JSON"),
        ('{"turns": -1}', "turns: Input should be greater"),
        ('{"turns": 1.5}', "turns: Input should be a valid integer"),
        ('{"money": "NaN"}', "money: Input should be a finite number"),
        ('{"money": "0.0000001"}', "money: Decimal input should have no more than 6"),
        ('{"cents": 3}', "cents: Extra inputs are not permitted"),
        ('{"hours": 1e9}', "hours: Input should be less"),
        ("{}", "the value adds nothing"),
        ('{"turns": 0}', "the value adds nothing"),
    ],
)
def test_a_value_that_says_nothing_usable_is_named_with_the_way_out(value: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as refused:
        read_extension(value)

    assert str(refused.value).endswith(f"; say how much more {WAY_TO_EXTEND}")


# With the store and the roster.


async def test_a_person_has_one_budget_under_all_their_names(tmp_path: Path) -> None:
    (tmp_path / "refund").mkdir()
    (tmp_path / "refund" / "context.toml").write_text("[budget.requester]\nturns = 2\n")
    async with a_bench(RecordingToolbox({}), contexts=ContextFiles([tmp_path])) as bench:
        bench.authority.people = Roster(people=(Person(subject="r.stone", aliases=("rita",)),))
        first = await looked_at(bench, "rita")
        other = RunKey(workflow_id="refund/B-1", first_run_id="run-9")
        for spender, run in ((first.spender, RUN), ((await looked_at(bench, "R.Stone ")).spender, other)):
            await counted(bench, run, spender)

        assert (await looked_at(bench, "rita")).exhausted.endswith("2 of 2 turns for this requester today")
        assert (await looked_at(bench, "dana")).exhausted == ""


async def test_the_page_that_counts_is_that_of_the_registered_automation(tmp_path: Path) -> None:
    (tmp_path / "errand").mkdir()
    (tmp_path / "errand" / "context.toml").write_text("[budget.run]\nturns = 1\n")
    async with a_bench(RecordingToolbox({}), contexts=ContextFiles([tmp_path])) as bench:
        spender = (await looked_at(bench, "rita")).spender
        await counted(bench, RUN, spender)

        assert (await looked_at(bench, "rita")).lines[0].limit == 2000


async def looked_at(bench: Bench, requester: str) -> Standing:
    """How the bench's run stands, had `requester` asked for it."""
    start = await bench.store.starts.find(RUN)
    assert start is not None
    asked = start.start.model_copy(update={"requester": requester})
    return await bench.budgeting().standing(RUN, start.model_copy(update={"start": asked}), bench.clock.at)


async def counted(bench: Bench, run: RunKey, spender: Spender) -> None:
    """A turn is counted."""
    usage = Usage(input_tokens=100, output_tokens=20, cost_micros=500)
    await bench.store._database.write(lambda connection: count_turn(connection, run, spender, usage, bench.clock.at))

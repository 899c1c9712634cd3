"""Budgets: what is spent of each limit, what is left, and what Claude is told of it; and the port to what is counted.

A budget is looked at before a turn is paid for, so the turn that reaches a limit is the last one. What was spent comes
from the store, where it was counted together with each answer; limits come from the automation's page.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from activities.authority import Authority
from activities.context_files import Budget, ContextFiles, Limits
from activities.conversations import RunKey
from activities.inbox import StartRecord
from contracts.budgets import HOUR_SECONDS, MICROS, Amounts, Extension, Spender, Unit
from contracts.decisions import Decision
from contracts.model import Model, Moment
from contracts.runs import Ancestor


class Addition(Model):
    """What a person has added to the budget of a run."""

    amounts: Amounts
    at: Moment


class Account(Model):
    """What the store knows of a run's spending, all of it at one moment."""

    spender: Spender
    run: Amounts
    """Of the run and of every run inside it, over all days."""
    day: Amounts
    """Of all runs of the spender on that day."""
    additions: tuple[Addition, ...] = ()
    started_at: Moment | None = None


class Budgets(Protocol):
    """What was spent and what was added. Turns are counted in the transaction that commits their answers."""

    async def account(self, run: RunKey, requester: str, automation: str, day: str) -> Account:
        """What is counted; `requester` is a subject of the roster, `day` is `YYYY-MM-DD` in UTC."""

    async def has_extended(self, run: RunKey, decision: Decision) -> bool:
        """Whether exactly this decision has extended the run's budget."""

    async def extend(self, run: RunKey, decision: Decision, amounts: Amounts, approver: str, at: Moment) -> None:
        """Add to the budget of a run, once per decision; committed, with its audit record, when it returns."""


class Whose(StrEnum):
    """What a limit holds for."""

    RUN = "this run"
    REQUESTER = "this requester today"
    """All runs of the automation that one requester has asked for, on one day (UTC)."""
    AROUND = "the runs around this one"
    """Each run inside which this one was started; `of` names it."""


class BudgetLine(Model):
    """One limit, and what is spent of it."""

    whose: Whose
    unit: Unit
    configured: int
    """By the automation's page."""
    added: int = 0
    """By people, for this run."""
    spent: int
    of: str = Field(default="", exclude_if=lambda run: not run)
    """The run around this one whose limit it is."""

    @property
    def limit(self) -> int:
        """What may be spent."""
        return self.configured + self.added

    @property
    def left(self) -> int:
        """What may still be spent."""
        return max(0, self.limit - self.spent)

    @property
    def missing(self) -> int:
        """What must be added at least before anything more may be spent; 0 while something is left."""
        return max(0, self.spent - self.limit + 1)

    def words(self, amount: int) -> str:
        """So much of the limit, such as `3 of 40 turns`."""
        whose = f" of {self.of}" * bool(self.of)
        return f"{written(self.unit, amount)} of {written(self.unit, self.limit)} {_NAMES[self.unit]}{whose}"


class Standing(Model):
    """How a run stands with its budget."""

    spender: Spender
    """Whom the next turn is counted for."""
    lines: tuple[BudgetLine, ...] = ()
    warn_at: float

    @property
    def exhausted(self) -> str:
        """What is spent, in one sentence; empty while everything has something left that people may add to here."""
        spent = "; ".join(f"{line.words(line.spent)} for {line.whose.value}" for line in self._own if line.missing)
        return f"the budget is spent: {spent}" if spent else ""

    @property
    def exhausted_around(self) -> str:
        """What is spent of the runs around this one, in one sentence; empty while everything has something left."""
        around = (line for line in self.lines if line.whose is Whose.AROUND and line.missing)
        spent = "; ".join(line.words(line.spent) for line in around)
        return f"a budget around this run is spent, and only there it can be extended: {spent}" if spent else ""

    @property
    def _own(self) -> tuple[BudgetLine, ...]:
        """Those that people may add to for this run."""
        return tuple(line for line in self.lines if line.whose is not Whose.AROUND)

    @property
    def warning(self) -> str:
        """What Claude must know once little is left of the limit that is nearest; else empty."""
        nearest = max(self.lines, key=_share, default=None)
        if nearest is None or _share(nearest) < self.warn_at:
            return ""
        return f"Little is left: {nearest.words(nearest.left)} for {nearest.whose.value}. Come to an end."

    @property
    def told(self) -> str:
        """What Claude is told with each turn; empty where a run has no limit and its requester's is far."""
        own = ", ".join(line.words(line.left) for line in self.lines if line.whose is not Whose.REQUESTER)
        left = f"Left of this run's budget, this turn included: {own}." if own else ""
        return " ".join(filter(None, (left, self.warning)))

    def with_added(self, amounts: Amounts) -> "Standing":
        """The same once people have added `amounts` today."""
        around = (line for line in self.lines if line.whose is Whose.AROUND)
        more = (line.model_copy(update={"added": line.added + amounts.of(line.unit)}) for line in self._own)
        return self.model_copy(update={"lines": (*more, *around)})

    def as_much_again(self) -> Amounts:
        """What must be added so that of every limit that is spent as much is left as the page allows."""
        return _most((line.unit, line.spent - line.limit + line.configured) for line in self._own if line.missing)

    def missing(self) -> Amounts:
        """What must be added at least before the run may go on."""
        return _most((line.unit, line.missing) for line in self._own)


class Budgeting:
    """How runs stand with their budgets."""

    def __init__(self, budgets: Budgets, contexts: ContextFiles, authority: Authority) -> None:
        self._budgets, self._contexts, self._authority = budgets, contexts, authority

    async def standing(self, run: RunKey, start: StartRecord, now: datetime) -> Standing:
        """How `run` stands at `now`. Raises NothingInForce while nobody can tell which names are one person."""
        requester = (await self._authority.roster()).subject_of(start.start.requester)
        own = await self._alone(run, requester, start.start.automation, now)
        inside = start.start.inside
        around = [line for each in inside for line in await self._around(each, requester, now)]
        spender = own.spender.model_copy(update={"inside": inside})
        return own.model_copy(update={"spender": spender, "lines": (*own.lines, *around)})

    async def _alone(self, run: RunKey, requester: str, automation: str, now: datetime) -> Standing:
        """Without the runs around it."""
        account = await self._budgets.account(run, requester, automation, day_of(now))
        return standing_of(account, self._contexts.of(automation).budget, now)

    async def _around(self, ancestor: Ancestor, requester: str, now: datetime) -> list[BudgetLine]:
        """What is left of a run around another one. A day's limit is that of each automation for itself."""
        run = RunKey(workflow_id=ancestor.workflow_id, first_run_id=ancestor.first_run_id)
        standing = await self._alone(run, requester, ancestor.automation, now)
        of_it: dict[str, object] = {"whose": Whose.AROUND, "of": run.workflow_id}
        return [line.model_copy(update=of_it) for line in standing.lines if line.whose is Whose.RUN]


def standing_of(account: Account, budget: Budget, now: datetime) -> Standing:
    """What is spent of which limit. What people add holds for the run, on that day for its requester's limits too."""
    added = _sum(addition.amounts for addition in account.additions)
    today = _sum(addition.amounts for addition in account.additions if day_of(addition.at) == day_of(now))
    took = int((now - account.started_at).total_seconds()) if account.started_at else 0
    spent = account.run.model_copy(update={"seconds": max(0, took)})
    lines = (
        *_lines(Whose.RUN, amounts_of(budget.run), added, spent),
        *_lines(Whose.REQUESTER, amounts_of(budget.requester).model_copy(update={"seconds": 0}), today, account.day),
    )
    return Standing(spender=account.spender, lines=lines, warn_at=budget.warn_at)


def amounts_of(limits: Limits) -> Amounts:
    """Limits as a page has them, in whole units; 0 is no limit."""
    money, seconds = math.ceil(limits.money * MICROS), math.ceil(limits.hours * HOUR_SECONDS)
    return Amounts(turns=limits.turns, tokens=limits.tokens, cost_micros=money, seconds=seconds)


def to_add(standing: Standing, extension: Extension | None) -> Amounts:
    """What a person's word adds: what they say, or as much again where they say nothing.

    Raises ValueError where the run could not go on with it; the sentence says what it takes.
    """
    if extension is None:
        return standing.as_much_again()
    amounts = extension.amounts()
    after = standing.with_added(amounts)
    if after.exhausted:
        raise ValueError(f"it is not enough, {after.exhausted}; add at least {_listed(standing.missing())}")
    return amounts


def day_of(moment: datetime) -> str:
    """The day on which something is counted, in UTC."""
    return moment.astimezone(UTC).date().isoformat()


def written(unit: Unit, amount: int) -> str:
    """An amount as people read it, without its unit."""
    match unit:
        case Unit.TURNS | Unit.TOKENS:
            return str(amount)
        case Unit.MONEY:
            return f"{amount / MICROS:.4f}"
        case Unit.TIME:
            return f"{amount / HOUR_SECONDS:.2f}"


_NAMES = {Unit.TURNS: "turns", Unit.TOKENS: "tokens", Unit.MONEY: "in money", Unit.TIME: "hours"}


def _lines(whose: Whose, limits: Amounts, added: Amounts, spent: Amounts) -> list[BudgetLine]:
    return [
        BudgetLine(whose=whose, unit=unit, configured=limits.of(unit), added=added.of(unit), spent=spent.of(unit))
        for unit in Unit
        if limits.of(unit)
    ]


def _share(line: BudgetLine) -> float:
    return line.spent / line.limit


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    total = Amounts()
    for each in amounts:
        total = total.plus(each)
    return total


def _most(amounts: Iterable[tuple[Unit, int]]) -> Amounts:
    most: dict[str, int] = {}
    for unit, amount in amounts:
        most[unit.value] = max(amount, most.get(unit.value, 0))
    return Amounts(**most)


def _listed(amounts: Amounts) -> str:
    """Amounts in the form in which people add them, rounded up."""
    hundredths = math.ceil(amounts.seconds * 100 / HOUR_SECONDS)
    fields = {
        "turns": str(amounts.turns),
        "tokens": str(amounts.tokens),
        "money": f"{amounts.cost_micros / MICROS:.6f}" * bool(amounts.cost_micros),
        "hours": f"{hundredths / 100:.2f}" * bool(hundredths),
    }
    return ",".join(f"{name}={value}" for name, value in fields.items() if value not in ("", "0"))

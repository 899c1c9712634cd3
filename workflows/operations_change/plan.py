"""The plan of a change as Claude writes it, and the check that holds it to what may be done. A plan is advice."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from contracts.model import Model
from contracts.tools import Scalar

MOST_STEPS = 8
Values = dict[str, str | int]


class Named(Model):
    """A value by its name."""

    name: str = Field(min_length=1, max_length=80)
    value: str | int


class PlannedStep(Model):
    """One call, what should come of it, what must be read afterwards, and what takes it back."""

    tool: str = Field(max_length=80)
    arguments: tuple[Named, ...] = Field(max_length=6)
    expected: str = Field(min_length=1, max_length=160)
    check: tuple[Named, ...] = Field(max_length=6)
    undo: str = Field(default="", max_length=80)
    """Empty: nothing takes it back."""

    @property
    def given(self) -> Values:
        """Its arguments; the run adds its own reference."""
        return {each.name: each.value for each in self.arguments}

    @property
    def checked(self) -> Values:
        """What must be read afterwards."""
        return {each.name: each.value for each in self.check}

    def unlike(self, now: Mapping[str, Scalar]) -> str:
        """What is read otherwise than the check says; empty when the step has done what it should."""
        wrong = {name: value for name, value in self.checked.items() if now.get(name) != value}
        return "; ".join(f"{name} is {now.get(name)!r}, not {value!r}" for name, value in wrong.items())


class Plan(Model):
    """What Claude proposes, in order."""

    summary: str = Field(min_length=1, max_length=300)
    steps: tuple[PlannedStep, ...] = Field(min_length=1, max_length=MOST_STEPS)

    @property
    def reversible(self) -> tuple[PlannedStep, ...]:
        """The steps that can be taken back; only the last one may be none of them."""
        return self.steps if self.steps[-1].undo else self.steps[:-1]

    @property
    def has_point_of_no_return(self) -> bool:
        """Its last step cannot be taken back."""
        return len(self.reversible) < len(self.steps)


class Wanted(NamedTuple):
    """A step that brings a change about, and what must be true once it is taken."""

    tool: str
    arguments: Values
    shows: Values
    undo: str = ""


def problems(plan: Plan, wanted: Sequence[Sequence[Wanted]], found: Mapping[str, Scalar]) -> list[str]:
    """Why the plan is no plan for this change; empty when it is one.

    `wanted`: every step that the change needs, in groups; within a group the order is free. `found`: what was read.
    """
    every = [each for group in wanted for each in group]
    wrong = [f"step {number}: {why}" for number, step in enumerate(plan.steps, 1) for why in _amiss(step, every, found)]
    return wrong or [*_missing(plan, every), *_out_of_order(plan, wanted)]


def _amiss(step: PlannedStep, every: Sequence[Wanted], found: Mapping[str, Scalar]) -> Iterator[str]:
    """What is wrong with one step by itself: tool, arguments, undo, check."""
    of_tool = [each for each in every if each.tool == step.tool]
    if not of_tool:
        tools = ", ".join(dict.fromkeys(each.tool for each in every))
        yield f"{step.tool!r} has no place in this change; its tools are {tools}"
        return
    if wrong := list(_misgiven(step, of_tool)):
        yield from wrong
        return
    meant = next(each for each in of_tool if each.arguments == step.given)
    if step.undo != meant.undo:
        yield f"{step.tool} is taken back by {meant.undo or 'nothing'}, not by {step.undo or 'nothing'}"
    for name, value in meant.shows.items():
        if step.checked.get(name) != value:
            yield f"the check must say that {name} is {value!r}"
    for name, value in step.checked.items():
        if meant.shows.get(name, found.get(name)) != value:
            yield f"the check of {name} is neither what the step brings about nor what was read"


def _misgiven(step: PlannedStep, of_tool: Sequence[Wanted]) -> Iterator[str]:
    names = of_tool[0].arguments.keys()
    if len(step.arguments) != len(step.given) or step.given.keys() != names:
        yield f"{step.tool} takes each of {', '.join(names)} once, and nothing else"
        return
    for name, value in step.given.items():
        if value not in [each.arguments[name] for each in of_tool]:
            yield f"{name} {value!r} was neither asked for nor read"


def _missing(plan: Plan, every: Sequence[Wanted]) -> Iterator[str]:
    calls = [_call(step) for step in plan.steps]
    for each in every:
        if (times := calls.count((each.tool, each.arguments))) != 1:
            yield f"{each.tool} with {_told(each.arguments)} must be there once, and is {times} times"


def _out_of_order(plan: Plan, wanted: Sequence[Sequence[Wanted]]) -> Iterator[str]:
    place = {_key(each.tool, each.arguments): number for number, group in enumerate(wanted) for each in group}
    places = [place[_key(*_call(step))] for step in plan.steps]
    if places != sorted(places):
        order = ", then ".join(" and ".join(dict.fromkeys(each.tool for each in group)) for group in wanted if group)
        yield f"the order must be {order}"


def _call(step: PlannedStep) -> tuple[str, Values]:
    return step.tool, step.given


def _key(tool: str, arguments: Values) -> tuple[str, tuple[tuple[str, str | int], ...]]:
    return tool, tuple(sorted(arguments.items()))


def _told(arguments: Values) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in arguments.items())

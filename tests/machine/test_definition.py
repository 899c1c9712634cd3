"""A machine that cannot work is refused when its module is imported; a move it does not declare is refused in a run."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from workflows.machine.definition import IllegalTransition, Machine, MachineDefinitionError
from workflows.machine.failing import Escalate, KeepTrying, UndoAll


class State(StrEnum):
    """A small business."""

    PACKING = "packing"
    AWAITING_PICKUP = "awaiting_pickup"
    SHIPPED = "shipped"
    LOST = "lost"


def small_machine() -> Machine[State]:
    """A machine that works."""
    machine = Machine(
        State,
        initial=State.PACKING,
        waiting=(State.AWAITING_PICKUP,),
        final=(State.SHIPPED, State.LOST),
        good=(State.SHIPPED,),
    )

    @machine.state(State.PACKING, skip=State.SHIPPED, supply=True)
    async def pack(self: object) -> Literal[State.AWAITING_PICKUP, State.LOST]:
        return State.AWAITING_PICKUP

    @machine.state(State.AWAITING_PICKUP, retry=State.PACKING, take_over=State.SHIPPED)
    async def await_pickup(self: object) -> Literal[State.PACKING, State.SHIPPED]:
        return State.SHIPPED

    machine.check()
    return machine


def test_transitions_are_read_off_the_handlers_signatures_in_their_order() -> None:
    assert dict(small_machine().transitions) == {
        State.PACKING: (State.AWAITING_PICKUP, State.LOST),
        State.AWAITING_PICKUP: (State.PACKING, State.SHIPPED),
    }


def test_a_declared_move_is_made() -> None:
    assert small_machine().move(State.PACKING, State.LOST) is State.LOST


@pytest.mark.parametrize("target", [State.SHIPPED, State.PACKING, BuiltIn.CANCELLED, BuiltIn.ESCALATED])
def test_an_undeclared_move_is_refused_naming_both_ends_and_changes_nothing(target: Any) -> None:
    machine = small_machine()
    before = dict(machine.transitions)
    with pytest.raises(IllegalTransition) as refused:
        machine.move(State.PACKING, target)
    assert str(refused.value) == f"'packing' declares 'awaiting_pickup', 'lost'; its handler returned {target!r}"
    assert dict(machine.transitions) == before
    assert machine.move(State.PACKING, State.AWAITING_PICKUP) is State.AWAITING_PICKUP


def test_a_handler_that_returns_nothing_is_refused() -> None:
    with pytest.raises(IllegalTransition, match="returned None"):
        small_machine().move(State.PACKING, None)  # type: ignore[arg-type]


def test_an_escalation_may_always_be_retried_and_otherwise_as_the_state_says() -> None:
    machine = small_machine()
    assert machine.escapes(State.PACKING) == {
        Verdict.RETRY: State.PACKING,
        Verdict.SUPPLY: State.PACKING,
        Verdict.SKIP: State.SHIPPED,
    }
    assert machine.escapes(State.AWAITING_PICKUP) == {Verdict.RETRY: State.PACKING, Verdict.TAKE_OVER: State.SHIPPED}


def failing_machine() -> Machine[State]:
    """A machine of which every state fails in its own way; LOST follows from a failure alone."""
    machine = Machine(State, initial=State.PACKING, final=(State.SHIPPED, State.LOST), good=(State.SHIPPED,))

    @machine.state(State.PACKING, fails=KeepTrying(times=3, every=timedelta(minutes=5)))
    async def pack(self: object) -> Literal[State.AWAITING_PICKUP]:
        return State.AWAITING_PICKUP

    @machine.state(State.AWAITING_PICKUP, fails=UndoAll(to=State.LOST))
    async def await_pickup(self: object) -> Literal[State.SHIPPED]:
        return State.SHIPPED

    machine.check()
    return machine


def test_what_follows_a_failed_step_is_part_of_the_machine_and_otherwise_people_choose() -> None:
    machine = failing_machine()
    assert machine.fails(State.PACKING) == KeepTrying(times=3, every=timedelta(minutes=5))
    assert dict(machine.failures) == {State.PACKING: State.PACKING, State.AWAITING_PICKUP: State.LOST}
    assert small_machine().fails(State.PACKING) == Escalate()
    assert dict(small_machine().failures) == {}


def test_a_handler_may_not_return_what_only_a_failed_step_leads_to() -> None:
    with pytest.raises(IllegalTransition):
        failing_machine().move(State.AWAITING_PICKUP, State.LOST)


def test_every_machine_knows_the_built_in_states() -> None:
    machine = small_machine()
    assert machine.named("escalated") is BuiltIn.ESCALATED
    assert machine.named("packing") is State.PACKING
    assert [state for state in (*State, *BuiltIn) if machine.is_final(state)] == [
        State.SHIPPED,
        State.LOST,
        BuiltIn.CANCELLED,
        BuiltIn.UNDO_INCOMPLETE,
    ]
    assert [state for state in (*State, *BuiltIn) if machine.is_waiting(state)] == [
        State.AWAITING_PICKUP,
        BuiltIn.ESCALATED,
    ]
    with pytest.raises(ValueError, match="nowhere"):
        machine.named("nowhere")


# Mistakes. Each stands in a module of its own, and importing that module must fail.

MODULE = """
from datetime import timedelta
from enum import StrEnum
from typing import Literal
from workflows.machine.definition import Machine
from workflows.machine.failing import KeepTrying, UndoAll


class State(StrEnum):
    PACKING = "packing"
    SENDING = "sending"
    SHIPPED = "shipped"


M = Machine(State, initial=State.PACKING, final=(State.SHIPPED,), good=(State.SHIPPED,))


@M.state(State.PACKING)
async def pack(self) -> Literal[State.SENDING]: ...


@M.state(State.SENDING)
async def send(self) -> Literal[State.SHIPPED]: ...


M.check()
"""

MISTAKES = {
    "two handlers": (
        ("@M.state(State.SENDING)", "@M.state(State.PACKING)"),
        "State.PACKING.*already has a handler: pack",
    ),
    "no handler": (
        ("@M.state(State.SENDING)\nasync def send(self) -> Literal[State.SHIPPED]: ...", ""),
        "State.SENDING.*has no handler and is not final",
    ),
    "unreachable": (
        ("-> Literal[State.SENDING]", "-> Literal[State.SHIPPED]"),
        "State.SENDING.*cannot be reached from.*PACKING",
    ),
    "no way to an end": (
        ("-> Literal[State.SHIPPED]", "-> Literal[State.PACKING]"),
        "State.SENDING.*cannot reach a final state",
    ),
    "a circle beside the way": (
        ("-> Literal[State.SENDING]", "-> Literal[State.SHIPPED, State.PACKING]"),
        "State.SENDING.*cannot be reached",
    ),
    "a final state with a handler": (
        ("final=(State.SHIPPED,)", "final=(State.SHIPPED, State.SENDING)"),
        "State.SENDING.*is final but has a handler",
    ),
    "no return type": ((" -> Literal[State.SENDING]", ""), r"pack must return Literal\[State.X, ...\]"),
    "a return type that is no list of states": (("Literal[State.SENDING]", "State"), "pack must return Literal"),
    "a return type of words": (("Literal[State.SENDING]", 'Literal["sending"]'), "pack must return Literal"),
    "a return type with a stranger": (("Literal[State.SENDING]", "Literal[State.SENDING, None]"), "pack must return"),
    "a built-in name": (('SENDING = "sending"', 'SENDING = "escalated"'), "State.SENDING.*has the name of a built-in"),
    "good and not final": (("good=(State.SHIPPED,)", "good=(State.SENDING,)"), "State.SENDING.*is good but not final"),
    "waiting and final": (
        ("good=(State.SHIPPED,)", "good=(State.SHIPPED,), waiting=(State.SHIPPED,)"),
        "State.SHIPPED.*is waiting and final",
    ),
    "an ending nobody reaches": (
        ('SHIPPED = "shipped"', 'SHIPPED = "shipped"; LOST = "lost"; GONE = "gone"'),
        "State.GONE.*cannot be reached from",
    ),
    "undoing to a stranger": (
        ("@M.state(State.SENDING)", "@M.state(State.SENDING, fails=UndoAll(to='lost'))"),
        "State.SENDING.*undoes everything and goes to 'lost', which is none of State",
    ),
    "undoing in a circle": (
        ("@M.state(State.SENDING)", "@M.state(State.SENDING, fails=UndoAll(to=State.PACKING))"),
        "State.SENDING.*undoes everything and comes back by way of.*State.PACKING",
    ),
    "undoing to itself": (
        ("@M.state(State.SENDING)", "@M.state(State.SENDING, fails=UndoAll(to=State.SENDING))"),
        "State.SENDING.*undoes everything and comes back",
    ),
    "keeping on and never trying": (
        ("@M.state(State.SENDING)", "@M.state(State.SENDING, fails=KeepTrying(times=0, every=timedelta(hours=1)))"),
        "State.SENDING.*must keep trying at least once, after some time",
    ),
    "keeping on without a pause": (
        ("@M.state(State.SENDING)", "@M.state(State.SENDING, fails=KeepTrying(times=1, every=timedelta()))"),
        "State.SENDING.*must keep trying at least once, after some time",
    ),
}


@pytest.fixture
def importing(tmp_path: Path) -> Callable[[str], None]:
    """Import a module with this text."""

    def run(text: str) -> None:
        path = tmp_path / "mistaken.py"
        path.write_text(text)
        exec(compile(text, str(path), "exec"), {"__name__": "mistaken"})

    return run


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_at_import_naming_the_state(mistake: str, importing: Callable[[str], None]) -> None:
    (right, wrong), said = MISTAKES[mistake]
    assert right in MODULE
    with pytest.raises(MachineDefinitionError, match=said):
        importing(MODULE.replace(right, wrong))


def test_the_module_without_a_mistake_is_imported(importing: Callable[[str], None]) -> None:
    importing(MODULE)


def test_every_problem_is_named_at_once() -> None:
    machine = Machine(State, initial=State.PACKING, final=(State.SHIPPED,), good=(State.LOST,))
    with pytest.raises(MachineDefinitionError) as refused:
        machine.check()
    for state in ("PACKING", "AWAITING_PICKUP", "LOST"):
        assert f"State.{state}" in str(refused.value)
    assert str(refused.value).startswith("tests.machine.test_definition: ")

"""Draw a machine as Mermaid, straight from its handlers' signatures; implicit arrows are dashed."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from workflows.machine.definition import Machine
from workflows.machine.failing import KeepTrying

_ESCALATED, _CANCELLED, _INCOMPLETE = (
    BuiltIn.ESCALATED.value,
    BuiltIn.CANCELLED.value,
    BuiltIn.UNDO_INCOMPLETE.value,
)


def mermaid(machine: Machine[Any]) -> str:
    """A flowchart: busy states rounded, waiting states as hexagons, final states doubly framed."""
    return (
        "\n".join(["flowchart TD", *_nodes(machine), *_arrows(machine), *_implicit(machine), *_classes(machine)]) + "\n"
    )


def _nodes(machine: Machine[Any]) -> Iterator[str]:
    yield "    start(( ))"
    for state in _states(machine):
        yield f"    {state.value}{_shape(machine, state)}"


def _states(machine: Machine[Any]) -> list[Enum]:
    return [*machine.states.__members__.values(), *BuiltIn]


def _shape(machine: Machine[Any], state: Enum) -> str:
    words = str(state.value).replace("_", " ")
    if machine.is_final(state):
        return f"([{words}])"
    return f"{{{{{words}}}}}" if machine.is_waiting(state) else f"({words})"


def _arrows(machine: Machine[Any]) -> Iterator[str]:
    yield f"    start --> {machine.initial.value}"
    for state in machine.states:
        yield from (f"    {state.value} --> {target.value}" for target in machine.transitions.get(state, ()))


def _implicit(machine: Machine[Any]) -> Iterator[str]:
    yield from _after_failures(machine)
    yield from (f"    {state.value} -.-> {_ESCALATED}" for state in machine.transitions)
    yield from dict.fromkeys(_resumptions(machine))  # two states may lead to the same arrow
    yield f"    {_ESCALATED} -.->|abandon| {_CANCELLED}"
    yield f"    {_ESCALATED} -.->|abandon, an undo failed| {_INCOMPLETE}"


def _after_failures(machine: Machine[Any]) -> Iterator[str]:
    for state, target in machine.failures.items():
        rule = machine.fails(state)
        words = f"a step failed, {rule.times} times" if isinstance(rule, KeepTrying) else "a step failed, all is undone"
        yield f"    {state.value} -.->|{words}| {target.value}"


def _resumptions(machine: Machine[Any]) -> Iterator[str]:
    for state in machine.transitions:
        for option, target in machine.escapes(state).items():
            label = "" if option in (Verdict.RETRY, Verdict.SUPPLY) else f"|{option.value.replace('_', ' ')}|"
            yield f"    {_ESCALATED} -.->{label} {target.value}"


def _classes(machine: Machine[Any]) -> Iterator[str]:
    yield "    classDef good fill:#dff5e1,stroke:#2e7d32"
    yield "    classDef builtin stroke-dasharray: 4 4,color:#777"
    yield f"    class {','.join(state.value for state in machine.good)} good"
    yield f"    class {','.join(state.value for state in BuiltIn)} builtin"

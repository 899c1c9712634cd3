"""The diagram is the machine: every arrow of the signatures, and the implicit ones dashed."""

import re

import pytest

from contracts.runs import BuiltIn
from tests.machine.test_definition import failing_machine, small_machine
from workflows.catalog import Catalog, CatalogEntry
from workflows.machine.diagram import mermaid

ENTRIES = Catalog.load().entries()


def arrows(text: str, kind: str) -> set[tuple[str, str]]:
    """The ends of every arrow of one kind."""
    return set(re.findall(rf"^    (\w+) {re.escape(kind)}(?:\|[^|]*\|)? (\w+)$", text, re.MULTILINE))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_declared_arrow_is_drawn_and_no_other(entry: CatalogEntry) -> None:
    declared = {
        (state.value, target.value) for state, targets in entry.machine.transitions.items() for target in targets
    }
    assert arrows(mermaid(entry.machine), "-->") == declared | {("start", entry.machine.initial.value)}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_implicit_arrows_are_dashed(entry: CatalogEntry) -> None:
    dashed = arrows(mermaid(entry.machine), "-.->")
    for state in entry.machine.transitions:
        assert (state.value, "escalated") in dashed
        assert {("escalated", target.value) for target in entry.machine.escapes(state).values()} <= dashed
    assert {("escalated", "cancelled"), ("escalated", "undo_incomplete")} <= dashed


def test_the_kind_of_a_state_shows_in_its_shape() -> None:
    text = mermaid(small_machine())
    assert "    packing(packing)\n" in text
    assert "    awaiting_pickup{{awaiting pickup}}\n" in text
    assert "    shipped([shipped])\n" in text
    assert "    escalated{{escalated}}\n" in text
    assert "    undo_incomplete([undo incomplete])\n" in text
    assert re.search(r"^    class shipped good$", text, re.MULTILINE)


def test_what_a_person_may_choose_stands_on_the_arrow() -> None:
    text = mermaid(small_machine())
    assert "    escalated -.->|skip| shipped\n" in text
    assert "    escalated -.->|take over| shipped\n" in text


def test_what_follows_a_failed_step_is_an_arrow_of_its_own() -> None:
    text = mermaid(failing_machine())
    assert "    packing -.->|a step failed, 3 times| packing\n" in text
    assert "    awaiting_pickup -.->|a step failed, all is undone| lost\n" in text
    assert "a step failed" not in mermaid(small_machine())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_state_is_drawn_once(entry: CatalogEntry) -> None:
    nodes = re.findall(r"^    (\w+)[({[]", mermaid(entry.machine), re.MULTILINE)
    assert nodes == ["start", *(state.value for state in entry.machine.states), *(state.value for state in BuiltIn)]

"""The stories together: every arrow, every answer to an escalation and every ending of both machines was taken."""

import pytest

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from tests.workflows.chronicle import CHRONICLE
from workflows.catalog import Catalog, CatalogEntry

ENTRIES = Catalog.load().entries()
CANNOT_ESCALATE = {("errand", "awaiting_approval")}
"""Handlers of these states take no step that can fail for good: they only write to the store, until it succeeds."""

pytestmark = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def test_every_arrow_has_a_story(entry: CatalogEntry) -> None:
    declared = {
        (entry.name, state.value, following.value)
        for state, successors in entry.machine.transitions.items()
        for following in successors
    }
    assert declared - CHRONICLE.arrows == set()


def test_every_ending_has_a_story(entry: CatalogEntry) -> None:
    endings = {state.value for state in entry.machine.final} | {BuiltIn.CANCELLED.value}
    assert {(entry.name, ending) for ending in endings} - CHRONICLE.endings == set()


def test_every_answer_to_an_escalation_has_a_story(entry: CatalogEntry) -> None:
    declared = {
        (entry.name, state.value, verdict.value, target.value)
        for state in entry.machine.transitions
        for verdict, target in entry.machine.escapes(state).items()
        if (entry.name, state.value) not in CANNOT_ESCALATE
    }
    assert declared - CHRONICLE.choices == set()
    assert any(choice[0] == entry.name and choice[2] == Verdict.ABANDON for choice in CHRONICLE.choices)


def test_a_run_was_cancelled_in_every_state_that_is_not_final(entry: CatalogEntry) -> None:
    states = {state.value for state in entry.machine.transitions} | {BuiltIn.ESCALATED.value}
    cancelled = {before for name, before, after in CHRONICLE.arrows if (name, after) == (entry.name, "cancelled")}
    assert states - cancelled == set()


def test_an_undo_that_stays_undone_has_a_story(entry: CatalogEntry) -> None:
    """Only automations that register compensations can end so."""
    if entry.name == "refund":
        assert ("refund", BuiltIn.UNDO_INCOMPLETE.value) in CHRONICLE.endings

"""The stories together: every arrow, every answer to an escalation and every ending of our machines was taken."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from contracts.decisions import Verdict
from contracts.runs import BuiltIn
from tests.workflows.chronicle import Chronicle, all_chronicles
from tests.workflows.trip_world import OUTSIDE
from workflows.catalog import Catalog, CatalogEntry

CANNOT_ESCALATE = {
    ("errand", "awaiting_approval"),
    ("support_escalation", "awaiting_lead"),
    ("operations_change", "cooling_off"),
}
"""Handlers of these states take no step that can fail for good: they only write to the store, until it succeeds."""
CAN_LEAVE_UNDONE = {
    "refund",
    "trip",
    "guest_checkout",
    "upsert_contact",
    "check_in_guest",
    "submit_guest_service_request",
    "submit_maintenance_request",
}
"""Automations that register compensations."""
ANOTHER_WITHIN_SECONDS = 90
"""Whoever tells stories in another process tells one in that time."""


# One test, so that those who share tests among processes run it last, as they run the smallest file last.
@pytest.mark.timeout(900)
async def test_every_arrow_every_choice_and_every_ending_has_a_story(chronicles: Path, all_stories: set[str]) -> None:
    chronicle = await until_told(chronicles, all_stories)
    entries, with_trips = Catalog.load().entries(), Catalog.load(OUTSIDE).entries()

    assert {failure for entry in with_trips for failure in failures(entry)} - chronicle.failures == set()
    assert {arrow for entry in entries for arrow in arrows(entry)} - chronicle.arrows == set()
    assert {choice for entry in with_trips for choice in choices(entry)} - chronicle.choices == set()
    assert {ending for entry in with_trips for ending in endings(entry)} - chronicle.endings == set()
    abandoned = {automation for automation, _, choice, _ in chronicle.choices if choice == Verdict.ABANDON}
    assert {entry.name for entry in entries} - abandoned == set()


async def until_told(folder: Path, stories: set[str]) -> Chronicle:
    """What all stories prove, once other processes have told theirs."""
    untold, deadline = stories, time.monotonic() + ANOTHER_WITHIN_SECONDS
    while True:
        chronicle = all_chronicles(folder)
        if len(left := stories - chronicle.finished) < len(untold):
            untold, deadline = left, time.monotonic() + ANOTHER_WITHIN_SECONDS
        if not left:
            return chronicle
        assert time.monotonic() < deadline, f"these stories were not told: {sorted(left)}"
        await asyncio.sleep(0.2)


def arrows(entry: CatalogEntry) -> Iterable[tuple[str, str, str]]:
    """Those of the signatures, and a cancel from every state that is not final."""
    for state, successors in entry.machine.transitions.items():
        yield from ((entry.name, state.value, following.value) for following in successors)
        yield entry.name, state.value, BuiltIn.CANCELLED.value
    yield entry.name, BuiltIn.ESCALATED.value, BuiltIn.CANCELLED.value


def failures(entry: CatalogEntry) -> Iterable[tuple[str, str, str]]:
    """What follows by itself when a step fails; a handler that returns the same state does not count."""
    for state, following in entry.machine.failures.items():
        yield entry.name, state.value, following.value


def choices(entry: CatalogEntry) -> Iterable[tuple[str, str, str, str]]:
    """Every option that an escalation may offer, and where it leads."""
    for state in entry.machine.transitions:
        if (entry.name, state.value) not in CANNOT_ESCALATE:
            for verdict, target in entry.machine.escapes(state).items():
                yield entry.name, state.value, verdict.value, target.value


def endings(entry: CatalogEntry) -> Iterable[tuple[str, str]]:
    """The machine's own, and those that every machine has."""
    yield from ((entry.name, state.value) for state in entry.machine.final)
    yield entry.name, BuiltIn.CANCELLED.value
    if entry.name in CAN_LEAVE_UNDONE:
        yield entry.name, BuiltIn.UNDO_INCOMPLETE.value

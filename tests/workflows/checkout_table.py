"""What must come of a checkout in which one step goes wrong: each step, in each way. Pure: the test takes it from here.

`python -m tests.workflows.checkout_table` prints it; docs/outcomes/guest_checkout.md shows it.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.decisions import Verdict
from tests.demo_servers import Fault, is_away, lies, loses, loses_the_answer, mumbles, refuses, says_no, stays_away
from tests.workflows.hotel_world import CLOSED, UNTOUCHED, Books

BEFORE: Mapping[str, Mapping[str, int | str]] = {
    "payments.authorise": {"reserved_cents": 0},
    "property.check_out": {"booking": "in_house"},
    "property.send_to_cleaning": {"room": "clean"},
    "housekeeping.create_task": {"open_tasks": 0},
    "crm.close_opportunity": {"opportunity": "open"},
    "payments.capture": {"captured_cents": 0},
    "compliance.record_checkout": {"entries": 0},
}
"""The steps in their order -> how the books are once each is undone."""
STEPS = tuple(BEFORE)
UNDONE_BY = {
    "payments.void": "payments.authorise",
    "property.reinstate": "property.check_out",
    "property.take_back_from_cleaning": "property.send_to_cleaning",
    "housekeeping.cancel_task": "housekeeping.create_task",
    "crm.reopen_opportunity": "crm.close_opportunity",
    "payments.refund": "payments.capture",
    "compliance.record_reversal": "compliance.record_checkout",
}
FIRST_READS = ("property.find_bookings", "property.find_room", "crm.opportunities_of_guest")
LAST_READS = (*FIRST_READS, "housekeeping.tasks_of_room", "payments.payments_of_booking", "compliance.entries_of")
"""When the systems of record are read back; the first three are read for the second time."""


class Way(StrEnum):
    """In which way one call goes wrong."""

    SAYS_NO = "the tool says no"
    LIES = "the tool does it and says no"
    REFUSED = "the server refuses it"
    FORBIDDEN = "a rule forbids it"
    AWAY = "the server is away"
    STAYS_AWAY = "the server stays away"
    LOST = "it never arrives"
    ANSWER_LOST = "its answer is lost"
    UNREADABLE = "its answer cannot be read"
    KILLED_BEFORE = "the worker is killed before"
    KILLED_AFTER = "the worker is killed after"


FAULTS: Mapping[Way, Fault] = {
    Way.SAYS_NO: says_no,
    Way.LIES: lies,
    Way.REFUSED: refuses,
    Way.AWAY: is_away,
    Way.STAYS_AWAY: stays_away,
    Way.LOST: loses,
    Way.ANSWER_LOST: loses_the_answer,
    Way.UNREADABLE: mumbles,
}
"""Those that strike a call; of the others a rule, or the worker's own death, is the cause."""
KILLS = (Way.KILLED_BEFORE, Way.KILLED_AFTER)
PASSES = (Way.AWAY, Way.LOST, Way.ANSWER_LOST, Way.UNREADABLE, *KILLS)
"""What an effect survives: it happens once, and the run goes on."""


@dataclass(frozen=True)
class Cell:
    """One step that goes wrong in one way, and what must come of it."""

    tool: str
    way: Way
    ending: str
    books: Books
    says: Verdict | None = None
    """What a person says whom the run has to ask; None: nobody is asked."""
    nth: int = 1
    """Which call of the tool it is."""

    @property
    def name(self) -> str:
        """For the report of a test."""
        again = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.tool}{again}: {self.way.value}{f', {self.says.value}' if self.says else ''}"

    @property
    def outcome(self) -> str:
        """In the table's words."""
        asked = f"a person says {self.says.value.replace('_', ' ')}: " if self.says else ""
        left = "" if self.books in (CLOSED, UNTOUCHED) else f" ({_left(self.books)} left)"
        return f"{asked}{self.ending.replace('_', ' ')}{left}"


def forward() -> Iterator[Cell]:
    """Each effect."""
    for tool in STEPS:
        first = tool == STEPS[0]
        for way in PASSES:
            yield Cell(tool, way, "checked_out", CLOSED)
        for way in (Way.SAYS_NO, Way.LIES, Way.REFUSED, Way.FORBIDDEN):
            yield Cell(tool, way, "declined" if first else "reversed", UNTOUCHED)
        yield Cell(tool, Way.STAYS_AWAY, "cancelled", UNTOUCHED, Verdict.ABANDON)


def backward() -> Iterator[Cell]:
    """Each undo, once everything was done and the last step says no."""
    for tool, effect in UNDONE_BY.items():
        for way in PASSES:
            yield Cell(tool, way, "reversed", UNTOUCHED)
        yield Cell(tool, Way.SAYS_NO, "reversed", UNTOUCHED, Verdict.RETRY)
        yield Cell(tool, Way.STAYS_AWAY, "reversed", UNTOUCHED, Verdict.RETRY)
        yield Cell(tool, Way.REFUSED, "undo_incomplete", _undone_after(effect), Verdict.ABANDON)
        yield Cell(tool, Way.FORBIDDEN, "reversed", _undone_but(effect), Verdict.TAKE_OVER)


def reading() -> Iterator[Cell]:
    """Each read, before anything is done and when the books are read back."""
    for tool in FIRST_READS:
        yield from _reads(tool, 1)
    for tool in LAST_READS:
        yield from _reads(tool, 2 if tool in FIRST_READS else 1)


def _reads(tool: str, nth: int) -> Iterator[Cell]:
    for way in (Way.AWAY, Way.LOST):
        yield Cell(tool, way, "checked_out", CLOSED, nth=nth)
    yield Cell(tool, Way.UNREADABLE, "checked_out", CLOSED, Verdict.RETRY, nth)
    yield Cell(tool, Way.SAYS_NO, "cancelled", UNTOUCHED, Verdict.ABANDON, nth)


def _undone_but(effect: str) -> Books:
    """Everything but that effect, which a person only says to have undone."""
    return _changed(tool for tool in STEPS if tool != effect)


def _undone_after(effect: str) -> Books:
    """What came after that effect; itself and what came before stand."""
    return _changed(STEPS[STEPS.index(effect) + 1 :])


def _changed(undone: Iterable[str]) -> Books:
    changes: dict[str, Any] = {}
    for tool in undone:
        changes |= BEFORE[tool]
    return CLOSED.model_copy(update=changes)


def _left(books: Books) -> str:
    """The effects of which the books show that they stand."""
    standing = [name for name, value in books.model_dump().items() if value != getattr(UNTOUCHED, name)]
    return ", ".join(name.removesuffix("_cents").replace("_", " ") for name in standing)


CELLS = (*forward(), *backward(), *reading())


def page() -> str:
    """The table as a page."""
    return "\n".join(
        [
            "# What comes of a guest checkout in which something goes wrong",
            "",
            "One call of a checkout goes wrong in one way, and this is how the run ends. Each cell is a test on the",
            "real Temporal server and the demo's own servers (`tests/workflows/test_checkout_table.py`, and where",
            "workers are killed `test_checkout_killed.py`): what stands in their databases is what should, and nothing",
            "was ever done twice. Generated; do not edit.",
            "",
            *_section("Each effect", tuple(forward())),
            *_section("Each undo, once everything was done and the last step says no", tuple(backward())),
            *_section("Each read, before anything is done (1) and when the books are read back", tuple(reading())),
        ]
    )


def _section(title: str, cells: tuple[Cell, ...]) -> Iterator[str]:
    rows = tuple(dict.fromkeys((cell.tool, cell.nth) for cell in cells))
    ways = tuple(dict.fromkeys(cell.way for cell in cells))
    found = {(cell.tool, cell.nth, cell.way): cell.outcome for cell in cells}
    yield from (f"## {title}", "")
    yield f"| in which way | {' | '.join(_row_name(*row, rows) for row in rows)} |"
    yield "|---" * (len(rows) + 1) + "|"
    for way in ways:
        yield f"| {way.value} | {' | '.join(found.get((*row, way), '') for row in rows)} |"
    yield ""


def _row_name(tool: str, nth: int, rows: tuple[tuple[str, int], ...]) -> str:
    twice = [row for row in rows if row[0] == tool]
    return f"{tool} ({nth})" if len(twice) > 1 else tool


if __name__ == "__main__":
    sys.stdout.write(page())

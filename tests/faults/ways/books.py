"""The servers' own books, held against what a way through an automation should have left in them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.demo_servers import Row, Rows
from tests.faults.ways.journey import Effects

BOOKKEEPING = ("payments.answers",)
"""Tables that tell of calls and not of what came of them."""
LEAVES = {"crm.add_note": "crm.notes"}
"""Opaque tools -> the table in which a person who is asked whether a call happened would look."""


def differences(before: Rows, after: Rows, expected: Effects) -> Iterator[str]:
    """Where the books do not say what they should: an effect that is lost, doubled, or nobody's wish."""
    for table, rows in after.items():
        if table in BOOKKEEPING or table.endswith(".sqlite_sequence"):
            continue
        if len(rows) < len(before[table]):
            yield f"rows of {table} are gone"
        yield from _unlike(table, new_rows(before[table], rows), expected.get(table, ()))


def new_rows(before: list[Row], after: list[Row]) -> list[Row]:
    """Those that were not there, or not so."""
    return list((Counter(after) - Counter(before)).elements())


def _unlike(table: str, found: list[Row], expected: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    left = list(found)
    for wanted in expected:
        fits = next((row for row in left if wanted.items() <= dict(row).items()), None)
        if fits is None:
            yield f"lost: {table} has no {dict(wanted)}"
        else:
            left.remove(fits)
    yield from (f"more than there should be: {table} has {dict(row)}" for row in left)

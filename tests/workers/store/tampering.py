"""Twelve kinds of tampering with the rows of a stream; each takes the rows, a position from 1, and chance."""

from collections.abc import Callable
from random import Random

from contracts.audit import GENESIS, ChainLink
from tests.workers.store.audited import LinkRow

Tampering = Callable[[list[LinkRow], int, Random], list[LinkRow]]


def flip_a_bit(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """One bit of one payload."""
    text = str(rows[at - 1]["payload"])
    place = chance.randrange(len(text))
    return _with(rows, at, payload=f"{text[:place]}{chr(ord(text[place]) ^ 1)}{text[place + 1 :]}")


def edit_and_rehash(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A payload, with a hash that fits it."""
    return _with(rows, at, **_rehashed(_edited(rows[at - 1], chance), str(rows[at - 1]["previous"])))


def delete(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A row."""
    return rows[: at - 1] + rows[at:]


def delete_and_renumber(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A row, and the gap it leaves."""
    return _numbered(delete(rows, at, chance))


def swap_rows(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """The row with its successor, or the last one with the first."""
    return _numbered(_swapped(rows, at))


def swap_payloads(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """What two rows say; numbers, predecessors and hashes stay."""
    kept = ("seq", "previous", "hash")
    swapped = _swapped(rows, at)
    return [new | {name: old[name] for name in kept} for old, new in zip(rows, swapped, strict=True)]


def insert(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A row that follows the one before it, and moves the others."""
    previous = str(rows[at - 2]["hash"]) if at > 1 else GENESIS
    new = _rehashed(_edited(rows[at - 1], chance), previous)
    return _numbered([*rows[: at - 1], new, *rows[at - 1 :]])


def duplicate(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A row."""
    return _numbered([*rows[:at], rows[at - 1], *rows[at:]])


def truncate(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """Everything from here on."""
    return rows[: at - 1]


def edit_and_rehash_all(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A payload, and every hash from there on."""
    return _chained(_with(rows, at, **_edited(rows[at - 1], chance)))


def delete_and_rehash_all(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """A row, and every hash from there on."""
    return _chained(delete(rows, at, chance))


def insert_and_rehash_all(rows: list[LinkRow], at: int, chance: Random) -> list[LinkRow]:
    """One more row, and every hash from there on."""
    return _chained(insert(rows, at, chance))


WITH_TRACES: tuple[Tampering, ...] = (
    flip_a_bit,
    edit_and_rehash,
    delete,
    delete_and_renumber,
    swap_rows,
    swap_payloads,
    insert,
    duplicate,
)
"""The chain alone shows these."""
WITHOUT_TRACES: tuple[Tampering, ...] = (truncate, edit_and_rehash_all, delete_and_rehash_all, insert_and_rehash_all)
"""What is left is a chain without a fault: only checkpoints show these."""


def _with(rows: list[LinkRow], at: int, **changes: object) -> list[LinkRow]:
    return [*rows[: at - 1], rows[at - 1] | changes, *rows[at:]]


def _edited(row: LinkRow, chance: Random) -> LinkRow:
    return row | {"payload": str(row["payload"]).replace('"2026-', f'"{chance.randrange(1000, 2000)}-', 1)}


def _swapped(rows: list[LinkRow], at: int) -> list[LinkRow]:
    changed = list(rows)
    other = at if at < len(rows) else 0
    changed[at - 1], changed[other] = changed[other], changed[at - 1]
    return changed


def _numbered(rows: list[LinkRow]) -> list[LinkRow]:
    return [row | {"seq": number} for number, row in enumerate(rows, start=1)]


def _rehashed(row: LinkRow, previous: str) -> LinkRow:
    place = (str(row["stream"]), int(row["seq"]))
    return row | {"previous": previous, "hash": ChainLink.hash_of(*place, previous, str(row["payload"]))}


def _chained(rows: list[LinkRow]) -> list[LinkRow]:
    chained: list[LinkRow] = []
    for row in _numbered(rows):
        chained.append(_rehashed(row, str(chained[-1]["hash"]) if chained else GENESIS))
    return chained

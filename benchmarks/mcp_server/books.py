"""Books: tables of any size in which every row has a code that can be had only by reading it."""

import hashlib
import json
from functools import lru_cache

from benchmarks.goals import RECALLED_PAGE, RECALLS

ITEMS = ("anchor", "barrel", "candle", "drum", "engine", "funnel", "girder", "hinge")
ROW_BYTES = 76
"""About so long is a row."""


class WrongCode(ValueError):
    """A page was asked for without what it takes."""


def code(seed: str, book: str, page: int, row: int) -> str:
    """What stands in a row: its place, and twelve digits that nobody knows without the seed."""
    secret = hashlib.blake2b(f"{book} {page} {row}".encode(), key=seed.encode()[:64], digest_size=6).hexdigest()
    return f"p{page}.{row}-{secret}"


def rows_of(page_bytes: int) -> int:
    """How many rows a page of that size has."""
    return max(1, page_bytes // ROW_BYTES)


def recalled_row(page_bytes: int) -> int:
    """The row of page 3 whose code later pages take: far from both ends."""
    return max(1, rows_of(page_bytes) * 2 // 3)


@lru_cache(maxsize=4096)
def page(seed: str, book: str, number: int, page_bytes: int) -> str:
    """A page as text: a JSON array of rows."""
    rows = [
        {
            "row": row,
            "item": ITEMS[row % len(ITEMS)],
            "cents": 100 * row + number,
            "code": code(seed, book, number, row),
        }
        for row in range(1, rows_of(page_bytes) + 1)
    ]
    return json.dumps(rows)


def check(seed: str, book: str, number: int, page_bytes: int, given: str, recalled: str) -> None:
    """Raises WrongCode unless the page is asked for with what stood on earlier ones."""
    if number > 1 and given != code(seed, book, number - 1, 1):
        raise WrongCode(f"page {number} of {book!r} takes the code of row 1 of page {number - 1}, not {given!r}")
    if number in RECALLS:
        row = recalled_row(page_bytes)
        if recalled != code(seed, book, RECALLED_PAGE, row):
            raise WrongCode(
                f"page {number} of {book!r} takes the code of row {row} of page {RECALLED_PAGE}, not {recalled!r}"
            )

"""The work that both contestants do, in the words in which whoever does it is told."""

import re
from dataclasses import dataclass

PAGE, POST, READ_RESULT = "bench__page", "bench__post", "read_result"
"""Tools by the names under which Claude knows them; the last one is Interlock's own, where it is offered."""
RECALLED_PAGE = 3
RECALLS = (40, 490)
"""Asking for these pages takes a value that stood in the middle of page 3, and nowhere else."""
_READ = re.compile(r"Read the book (\S+), pages 1 to (\d+) of (\d+) bytes\.")
_POST = re.compile(r"Post the entry (\S+)\.")


@dataclass(frozen=True)
class Reading:
    """Pages are read one after another; each holds what the next one takes."""

    book: str
    pages: int
    page_bytes: int

    @property
    def words(self) -> str:
        """What whoever does it is told."""
        return f"Read the book {self.book}, pages 1 to {self.pages} of {self.page_bytes} bytes."

    @property
    def name(self) -> str:
        """Tells it apart."""
        return self.book


@dataclass(frozen=True)
class Posting:
    """One entry is posted, which somebody must allow."""

    entry: str

    @property
    def words(self) -> str:
        """What whoever does it is told."""
        return f"Post the entry {self.entry}."

    @property
    def name(self) -> str:
        """Tells it apart."""
        return self.entry


Goal = Reading | Posting


def reading_of_turns(book: str, turns: int, page_bytes: int) -> Reading:
    """So many turns with the model, of which the last one answers: a page less."""
    return Reading(book, turns - 1, page_bytes)


def goal_in(text: str) -> Goal | None:
    """The goal that stands in a text, if one does."""
    if read := _READ.search(text):
        return Reading(read[1], int(read[2]), int(read[3]))
    if post := _POST.search(text):
        return Posting(post[1])
    return None

"""The library behind the documentation: published pages with a full-text index, in SQLite, read by a read-only role."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.documentation.pages import PAGES, PUBLISHED
from demo.mcp_servers.documentation.records import Heading, Headings, Match, Matches, Page
from demo.mcp_servers.full_text import reading_as
from demo.mcp_servers.refusals import Refused

FILE_NAME = "documentation.db"
TABLES = (
    """CREATE TABLE pages (
        number INTEGER PRIMARY KEY, page_id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, section TEXT NOT NULL,
        in_force_since TEXT NOT NULL, text TEXT NOT NULL, is_draft INTEGER NOT NULL)""",
    """CREATE VIEW published AS
        SELECT number, page_id, title, section, in_force_since, text FROM pages WHERE NOT is_draft""",
    "CREATE VIRTUAL TABLE words USING fts5(page_id UNINDEXED, title, text, tokenize='porter unicode61')",
)
VIEWS, INDEXES = ("published",), ("words",)
"""What may be read, here and by anybody: drafts stand in neither."""
COMMON_WORDS = """
    a an and are as at be been but by can for from had has have he her his i if in is it its me my no not of on or our
    she so that the their them then there they this to us was we were what when where which who will with would you your
    one two three four five ten day days week weeks month months ago after before since still do does did get got
"""
COMMON = frozenset(COMMON_WORDS.split())
"""Words that stand everywhere, and say nothing of what is looked for."""


class Library:
    """Searches and reads pages; refuses in sentences."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        DataFile.create(self._path, TABLES, {}, _fill)

    def search(self, text: str, most: int) -> Matches:
        words = [word for word in re.findall(r"\w+", text.lower()) if word not in COMMON]
        if not words:
            return Matches(count=0, pages=[])
        with self._reading() as connection:
            rows = connection.execute(
                """SELECT published.*, snippet(words, 2, '**', '**', ' ... ', 24) AS excerpt
                   FROM words JOIN published ON published.page_id = words.page_id
                   WHERE words MATCH ? ORDER BY bm25(words, 0.0, 8.0, 1.0), published.number LIMIT ?""",
                (" OR ".join(f'"{word}"' for word in dict.fromkeys(words)), most),
            ).fetchall()
        return Matches(count=len(rows), pages=[Match(**_without(row, "number", "text")) for row in rows])

    def headings(self, page_id: str) -> Headings:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT * FROM published WHERE ?1 IN ('', page_id) ORDER BY section, number", (page_id,)
            ).fetchall()
        return Headings(count=len(rows), pages=[Heading(**_without(row, "number", "text")) for row in rows])

    def page(self, page_id: str) -> Page:
        with self._reading() as connection:
            row = connection.execute("SELECT * FROM published WHERE page_id = ?", (page_id,)).fetchone()
        if row is None:
            raise Refused(f"there is no page {page_id!r}; search for what it is about")
        return Page(**_without(row, "number"))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with reading_as(self._path, VIEWS, INDEXES) as connection:
            yield connection


def _without(row: sqlite3.Row, *columns: str) -> dict[str, str]:
    return {name: row[name] for name in row.keys() if name not in columns}  # noqa: SIM118 - a row is no mapping


def _fill(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (number, each.page_id, each.title, each.section, each.in_force_since.isoformat(), each.text, each.is_draft)
            for number, each in enumerate(PAGES, start=1)
        ],
    )
    connection.executemany(
        "INSERT INTO words (page_id, title, text) VALUES (?, ?, ?)",
        [(each.page_id, each.title, each.text) for each in PUBLISHED],
    )

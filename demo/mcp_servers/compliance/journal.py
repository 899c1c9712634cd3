"""The journal behind the compliance log, in SQLite: the database itself lets nobody change or remove an entry."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from demo.mcp_servers.compliance.records import Entries, Entry, EntryKind
from demo.mcp_servers.datafile import DataFile

TABLES = (
    """CREATE TABLE entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, booking_number TEXT NOT NULL,
        cents INTEGER NOT NULL, reference TEXT NOT NULL, entry_key TEXT NOT NULL, written_at TEXT NOT NULL)""",
    "CREATE INDEX entries_of_reference ON entries (booking_number, reference)",
    """CREATE TRIGGER nothing_is_changed BEFORE UPDATE ON entries
        BEGIN SELECT raise(ABORT, 'an entry is never changed; write a reversal'); END""",
    """CREATE TRIGGER nothing_is_removed BEFORE DELETE ON entries
        BEGIN SELECT raise(ABORT, 'an entry is never removed; write a reversal'); END""",
)

VIEWS = {"entries": "number, kind, booking_number, cents, reference, entry_key, written_at"}


class Journal:
    """Appends and reads entries. It knows no key: whoever writes twice has written twice, and can look it up before."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "compliance.db", TABLES, VIEWS, lambda _: None)

    def entries(self, booking_number: str, reference: str) -> Entries:
        with self._datafile.reading() as connection:
            found = _entries(connection, booking_number, reference)
        reversed_count = sum(entry.kind is EntryKind.REVERSAL for entry in found)
        standing = [entry for entry in found if entry.kind is EntryKind.CHECKOUT][reversed_count:]
        return Entries(
            booking_number=booking_number,
            reference=reference,
            standing_count=len(standing),
            standing_cents=sum(entry.cents for entry in standing),
            entries=found,
        )

    def record_checkout(self, booking_number: str, cents: int, reference: str, entry_key: str) -> Entry:
        with self._datafile.writing() as connection:
            return _append(connection, EntryKind.CHECKOUT, booking_number, cents, reference, entry_key)

    def record_reversal(self, booking_number: str, reference: str, entry_key: str) -> Entries:
        """Write that what stands under this reference is reversed; when nothing stands, nothing is written."""
        with self._datafile.writing() as connection:
            found = _entries(connection, booking_number, reference)
            reversed_count = sum(entry.kind is EntryKind.REVERSAL for entry in found)
            for entry in [each for each in found if each.kind is EntryKind.CHECKOUT][reversed_count:]:
                _append(connection, EntryKind.REVERSAL, booking_number, entry.cents, reference, entry_key)
        return self.entries(booking_number, reference)


def _append(
    connection: sqlite3.Connection, kind: EntryKind, booking_number: str, cents: int, reference: str, entry_key: str
) -> Entry:
    written = (kind.value, booking_number, cents, reference, entry_key, datetime.now(UTC).isoformat())
    connection.execute(
        """INSERT INTO entries (kind, booking_number, cents, reference, entry_key, written_at)
           VALUES (?, ?, ?, ?, ?, ?)""",
        written,
    )
    return _entries(connection, booking_number, reference)[-1]


def _entries(connection: sqlite3.Connection, booking_number: str, reference: str) -> list[Entry]:
    rows = connection.execute(
        "SELECT * FROM entries WHERE booking_number = ? AND reference = ? ORDER BY number", (booking_number, reference)
    )
    return [Entry(entry_id=f"CL-{1000 + row['number']}", **row) for row in rows]

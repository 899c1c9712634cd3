"""The card index behind the customer file: customers and contacts, complaints, notes and what was done, in SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from demo.mcp_servers import world
from demo.mcp_servers.crm import contacts, interactions, pipeline
from demo.mcp_servers.crm.complaints import COMPLAINTS
from demo.mcp_servers.crm.contacts import ContactFile
from demo.mcp_servers.crm.interactions import InteractionLog
from demo.mcp_servers.crm.notes import NOTES
from demo.mcp_servers.crm.pipeline import Pipeline
from demo.mcp_servers.crm.records import (
    Complaint,
    Complaints,
    Customer,
    CustomerMatches,
    Note,
    Notes,
    QuoteChecked,
    QuotesChecked,
)
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

MATCHES_LISTED = 20

TABLES = (
    """CREATE TABLE customers (
        customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT, city TEXT NOT NULL,
        customer_since TEXT NOT NULL)""",
    """CREATE TABLE complaints (
        order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, received_on TEXT NOT NULL,
        text TEXT NOT NULL)""",
    """CREATE TABLE notes (
        note_id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id TEXT NOT NULL REFERENCES customers,
        text TEXT NOT NULL, written_at TEXT NOT NULL)""",
    *pipeline.TABLES,
    *interactions.TABLES,
    *contacts.TABLES,
)

VIEWS = {
    "customers": "customer_id, name, email, city, customer_since",
    "complaints": "order_id, customer_id, received_on, text",
    "notes": "note_id, customer_id, text, written_at",
    **pipeline.VIEWS,
    **interactions.VIEWS,
    **contacts.VIEWS,
}


class CardIndex:
    """Reads and writes the customer file; refuses in sentences."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "crm.db", TABLES, VIEWS, _fill)
        self.pipeline = Pipeline(self._datafile)
        self.interactions = InteractionLog(self._datafile)
        self.contacts = ContactFile(self._datafile)

    def find(self, customer_id: str) -> Customer:
        with self._datafile.reading() as connection:
            return _customer(connection, customer_id)

    def search(self, text: str) -> CustomerMatches:
        with self._datafile.reading() as connection:
            # instr, not LIKE: what people type is text, not a pattern.
            rows = connection.execute(
                """SELECT * FROM customers
                   WHERE instr(lower(customer_id || ' ' || name || ' ' || city), lower(?1))
                       OR instr(lower(coalesce(email, '')), lower(?1))
                   ORDER BY customer_id LIMIT ?2""",
                (text.strip(), MATCHES_LISTED + 1),
            ).fetchall()
        listed = [Customer(**row) for row in rows[:MATCHES_LISTED]]
        return CustomerMatches(count=len(listed), more=len(rows) > MATCHES_LISTED, customers=listed)

    def complaint_about(self, order_id: str) -> Complaint:
        with self._datafile.reading() as connection:
            row = connection.execute("SELECT * FROM complaints WHERE order_id = ?", (order_id,)).fetchone()
        if row is None:
            raise Refused(f"there is no complaint about order {order_id!r} on file")
        return Complaint(**row)

    def complaints_of(self, customer_id: str) -> Complaints:
        with self._datafile.reading() as connection:
            _customer(connection, customer_id)
            rows = connection.execute(
                "SELECT * FROM complaints WHERE customer_id = ? ORDER BY received_on, order_id",
                (customer_id,),
            )
            found = [Complaint(**row) for row in rows]
        return Complaints(customer_id=customer_id, count=len(found), complaints=found)

    def add_note(self, customer_id: str, text: str) -> Note:
        with self._datafile.writing() as connection:
            _customer(connection, customer_id)
            written_at = datetime.now(UTC)
            inserted = connection.execute(
                "INSERT INTO notes (customer_id, text, written_at) VALUES (?, ?, ?)",
                (customer_id, text, written_at.isoformat()),
            )
            note_id = inserted.lastrowid or 0
        return Note(note_id=note_id, customer_id=customer_id, text=text, written_at=written_at)

    def notes_of(self, customer_id: str) -> Notes:
        with self._datafile.reading() as connection:
            _customer(connection, customer_id)
            rows = connection.execute("SELECT * FROM notes WHERE customer_id = ? ORDER BY note_id", (customer_id,))
            found = [Note(**row) for row in rows]
        return Notes(customer_id=customer_id, count=len(found), notes=found)

    def check_quotes(self, customer_id: str, quotes: Sequence[tuple[int | None, str]]) -> QuotesChecked:
        texts = {note.note_id: _plain(note.text) for note in self.notes_of(customer_id).notes}
        checked = [
            QuoteChecked(note_id=note_id, words=words, stands=note_id in texts and _plain(words) in texts[note_id])
            for note_id, words in quotes
        ]
        missing = [each.note_id for each in checked if not each.stands]
        return QuotesChecked(
            customer_id=customer_id,
            missing=len(missing),
            first_missing=missing[0] if missing else None,
            quotes=checked,
        )


def _plain(text: str) -> str:
    """Words as people compare them."""
    return " ".join(text.casefold().split())


def _customer(connection: sqlite3.Connection, customer_id: str) -> Customer:
    row = connection.execute("SELECT * FROM customers WHERE customer_id = ?", (customer_id,)).fetchone()
    if row is None:
        raise Refused(f"there is no customer {customer_id!r}; search the customer file by name or e-mail")
    return Customer(**row)


def _fill(connection: sqlite3.Connection) -> None:
    pipeline.fill(connection)
    contacts.fill(connection)
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
        [
            (known.customer_id, known.name, known.email, known.city, known.customer_since.isoformat())
            for known in world.CUSTOMERS
        ],
    )
    today = world.today()
    connection.executemany(
        "INSERT INTO complaints VALUES (?, ?, ?, ?)",
        [
            (each.order_id, each.customer_id, (today - timedelta(days=each.days_ago)).isoformat(), each.text)
            for each in COMPLAINTS
        ],
    )
    connection.executemany(
        "INSERT INTO notes (customer_id, text, written_at) VALUES (?, ?, ?)",
        [
            (
                each.customer_id,
                each.text.format(until=today + timedelta(days=each.binds_days)),
                datetime.combine(today - timedelta(days=each.days_ago), time(14, 30), UTC).isoformat(),
            )
            for each in NOTES
        ],
    )

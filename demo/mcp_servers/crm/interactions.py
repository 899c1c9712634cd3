"""What was done for customers, one entry for each matter of a caller: who repeats it adds nothing."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from demo.mcp_servers.crm.records import Interaction, Interactions
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

TABLES = (
    """CREATE TABLE interactions (
        number INTEGER PRIMARY KEY AUTOINCREMENT, reference TEXT NOT NULL UNIQUE,
        customer_id TEXT NOT NULL REFERENCES customers, order_id TEXT NOT NULL, ticket TEXT NOT NULL,
        outcome TEXT NOT NULL, cents INTEGER NOT NULL, note_ids TEXT NOT NULL, why TEXT NOT NULL,
        logged_at TEXT NOT NULL)""",
    "CREATE INDEX interactions_of_customer ON interactions (customer_id)",
)
VIEWS = {"interactions": "number, reference, customer_id, order_id, ticket, outcome, cents, note_ids, why, logged_at"}


class InteractionLog:
    """Appends and reads interactions; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def log(
        self,
        customer_id: str,
        order_id: str,
        ticket: str,
        outcome: str,
        cents: int,
        note_ids: Sequence[int],
        why: str,
        reference: str,
    ) -> Interaction:
        """Once for each reference; the notes that it names must be the customer's own."""
        told = (reference, customer_id, order_id, ticket, outcome, cents, json.dumps([*note_ids]), why)
        with self._datafile.writing() as connection:
            found = _entries(connection, customer_id, reference)
            if not found:
                _refuse_strange_notes(connection, customer_id, note_ids)
                _insert(connection, told)
                return _entries(connection, customer_id, reference)[0]
            _refuse_another(found[0], told)
            return found[0]

    def of_customer(self, customer_id: str, reference: str) -> Interactions:
        with self._datafile.reading() as connection:
            found = _entries(connection, customer_id, reference)
        return Interactions(customer_id=customer_id, count=len(found), interactions=found)


def _refuse_strange_notes(connection: sqlite3.Connection, customer_id: str, note_ids: Sequence[int]) -> None:
    own = {
        row["note_id"] for row in connection.execute("SELECT note_id FROM notes WHERE customer_id = ?", (customer_id,))
    }
    if strange := sorted(set(note_ids) - own):
        raise Refused(f"the file of customer {customer_id!r} has no note {strange[0]}; name its own notes")


def _refuse_another(known: Interaction, told: Sequence[object]) -> None:
    before = (known.reference, known.customer_id, known.order_id, known.ticket, known.outcome, known.cents)
    if before != tuple(told[: len(before)]):
        raise Refused(f"{known.reference!r} has logged something else here: {known.outcome}, {known.cents} cents")


def _insert(connection: sqlite3.Connection, told: Sequence[object]) -> None:
    try:
        connection.execute(
            """INSERT INTO interactions
               (reference, customer_id, order_id, ticket, outcome, cents, note_ids, why, logged_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (*told, datetime.now(UTC).isoformat()),
        )
    except sqlite3.IntegrityError as error:
        raise Refused(
            f"{told[0]!r} has logged something here about another customer, or {told[1]!r} is none"
        ) from error


def _entries(connection: sqlite3.Connection, customer_id: str, reference: str) -> list[Interaction]:
    rows = connection.execute(
        "SELECT * FROM interactions WHERE customer_id = ?1 AND ?2 IN ('', reference) ORDER BY number",
        (customer_id, reference),
    )
    return [_interaction(row) for row in rows]


def _interaction(row: sqlite3.Row) -> Interaction:
    told = {name: row[name] for name in Interaction.model_fields if name not in ("interaction_id", "note_ids")}
    return Interaction(interaction_id=f"I-{1000 + row['number']}", note_ids=json.loads(row["note_ids"]), **told)

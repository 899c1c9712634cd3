"""The service desk's tickets, in SQLite: one open ticket of a kind for each person, once per idempotency key."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from demo.mcp_servers import world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.tickets.records import Closing, Ticket, TicketKind, Tickets, TicketStatus

DAYS_FOR = {TicketKind.HARDWARE: 10, TicketKind.WORKPLACE: 5, TicketKind.BADGE: 2, TicketKind.TAKE_BACK: 5}

TABLES = (
    """CREATE TABLE tickets (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE, employee_id TEXT NOT NULL,
        kind TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL, needed_by TEXT NOT NULL,
        express INTEGER NOT NULL, requested_at TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX one_open_ticket_of_a_kind ON tickets (employee_id, kind) WHERE status = 'open'",
)
VIEWS = {"tickets": "number, employee_id, kind, reference, status, needed_by, express, requested_at"}


class Desk:
    """Reads and writes tickets; refuses in sentences."""

    def __init__(self, folder: Path, today: Callable[[], date] = world.today) -> None:
        self._today = today
        self._datafile = DataFile.create(folder / "tickets.db", TABLES, VIEWS, lambda _: None)

    def tickets_of(self, employee_id: str, reference: str) -> Tickets:
        """A person's tickets; an empty reference is any."""
        with self._datafile.reading() as connection:
            found = [each for each in _tickets(connection, employee_id) if reference in ("", each.reference)]
        standing = [each for each in found if each.status is not TicketStatus.CLOSED]
        wanted = sum(each.kind is not TicketKind.TAKE_BACK for each in standing)
        return Tickets(employee_id=employee_id, standing_count=wanted, tickets=found)

    def create(self, employee_id: str, kind: TicketKind, needed_by: date, reference: str, key: str) -> Ticket:
        if kind is TicketKind.TAKE_BACK:
            raise Refused("a take_back is opened by the desk itself, when tickets are closed")
        with self._datafile.writing() as connection:
            known = connection.execute("SELECT * FROM tickets WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return _same(known, employee_id, kind, needed_by, reference)
            _refuse_second(connection, employee_id, kind)
            return self._add(connection, employee_id, kind, needed_by, reference, key)

    def close(self, employee_id: str, reference: str) -> Closing:
        """Close what is open under this reference; hardware that was handed out is fetched again."""
        with self._datafile.writing() as connection:
            own = [each for each in _tickets(connection, employee_id) if each.reference == reference]
            closed = connection.execute(
                """UPDATE tickets SET status = 'closed'
                   WHERE employee_id = ? AND reference = ? AND status = 'open' AND kind != 'take_back'""",
                (employee_id, reference),
            ).rowcount
            fetched = next((each.ticket_id for each in own if each.kind is TicketKind.TAKE_BACK), None)
            handed_out = any(each.kind is TicketKind.HARDWARE and each.status is TicketStatus.DONE for each in own)
            if handed_out and fetched is None:
                by = self._today() + timedelta(days=DAYS_FOR[TicketKind.TAKE_BACK])
                key = f"take back for {reference}"
                fetched = self._add(connection, employee_id, TicketKind.TAKE_BACK, by, reference, key).ticket_id
        return Closing(employee_id=employee_id, reference=reference, closed_count=closed, take_back=fetched)

    def finish(self, ticket_id: str) -> Ticket:
        """Somebody has done it."""
        with self._datafile.writing() as connection:
            row = connection.execute("SELECT * FROM tickets WHERE number = ?", (_number(ticket_id),)).fetchone()
            if row is None or row["status"] == "closed":
                raise Refused(f"there is no ticket {ticket_id!r} to be done; list the tickets of the person")
            connection.execute("UPDATE tickets SET status = 'done' WHERE number = ?", (row["number"],))
            return _ticket(connection.execute("SELECT * FROM tickets WHERE number = ?", (row["number"],)).fetchone())

    def _add(
        self, connection: sqlite3.Connection, employee_id: str, kind: TicketKind, by: date, reference: str, key: str
    ) -> Ticket:
        express = by < self._today() + timedelta(days=DAYS_FOR[kind])
        connection.execute(
            """INSERT INTO tickets (idempotency_key, employee_id, kind, reference, status, needed_by, express,
                                    requested_at) VALUES (?, ?, ?, ?, 'open', ?, ?, ?)""",
            (key, employee_id, kind.value, reference, by.isoformat(), express, datetime.now(UTC).isoformat()),
        )
        return _tickets(connection, employee_id)[-1]


def _same(row: sqlite3.Row, employee_id: str, kind: TicketKind, needed_by: date, reference: str) -> Ticket:
    asked = (employee_id, kind.value, needed_by.isoformat(), reference)
    if (row["employee_id"], row["kind"], row["needed_by"], row["reference"]) != asked:
        raise Refused(f"the idempotency key {row['idempotency_key']!r} was used for another ticket; use a new key")
    return _ticket(row)


def _refuse_second(connection: sqlite3.Connection, employee_id: str, kind: TicketKind) -> None:
    for ticket in _tickets(connection, employee_id):
        if ticket.status is TicketStatus.OPEN and ticket.kind is kind:
            raise Refused(f"{employee_id} has {ticket.ticket_id} for {kind.value} already, for {ticket.reference!r}")


def _tickets(connection: sqlite3.Connection, employee_id: str) -> list[Ticket]:
    rows = connection.execute("SELECT * FROM tickets WHERE employee_id = ? ORDER BY number", (employee_id,))
    return [_ticket(row) for row in rows]


def _ticket(row: sqlite3.Row) -> Ticket:
    named = {name: row[name] for name in Ticket.model_fields if name != "ticket_id"}
    return Ticket(ticket_id=f"IT-{1000 + row['number']}", **named)


def _number(ticket_id: str) -> int:
    digits = ticket_id.removeprefix("IT-")
    return int(digits) - 1000 if digits.isdigit() and len(digits) < 10 else 0

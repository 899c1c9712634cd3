"""Replacements: an item of a delivered order sent once more, under its caller's own reference, and taken back by it."""

import sqlite3
from datetime import UTC, datetime

from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.orders.records import Replacement, Replacements, ReplacementStatus
from demo.mcp_servers.refusals import Refused

TABLES = (
    """CREATE TABLE replacements (
        number INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL REFERENCES orders, sku TEXT NOT NULL,
        cents INTEGER NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL, placed_at TEXT NOT NULL)""",
    "CREATE INDEX replacements_of_order ON replacements (order_id)",
)
VIEWS = {"replacements": "number, order_id, sku, cents, reference, status, placed_at"}


class ReplacementDesk:
    """Orders replacements and cancels them; refuses in sentences."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def of_order(self, order_id: str, reference: str) -> Replacements:
        with self._datafile.reading() as connection:
            _order(connection, order_id)
            found = [each for each in _replacements(connection, order_id) if reference in ("", each.reference)]
        standing = sum(each.status is ReplacementStatus.ORDERED for each in found)
        return Replacements(order_id=order_id, count=len(found), standing_count=standing, replacements=found)

    def place(self, order_id: str, sku: str, cents: int, reference: str) -> Replacement:
        """Once for each item and reference; an item of an order is replaced once, whoever asks for it."""
        with self._datafile.writing() as connection:
            order = _order(connection, order_id)
            for known in _replacements(connection, order_id):
                if known.sku == sku and known.status is ReplacementStatus.ORDERED:
                    if (known.reference, known.cents) == (reference, cents):
                        return known
                    raise Refused(f"{sku!r} of order {order_id!r} has been replaced already, by {known.reference!r}")
            _refuse_order(order)
            _refuse_item(connection, order_id, sku, cents)
            connection.execute(
                """INSERT INTO replacements (order_id, sku, cents, reference, status, placed_at)
                   VALUES (?, ?, ?, ?, 'ordered', ?)""",
                (order_id, sku, cents, reference, datetime.now(UTC).isoformat()),
            )
            return _replacements(connection, order_id)[-1]

    def cancel(self, order_id: str, sku: str, reference: str) -> Replacements:
        """Take back what this caller has ordered; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            _order(connection, order_id)
            connection.execute(
                """UPDATE replacements SET status = 'cancelled'
                   WHERE order_id = ? AND sku = ? AND reference = ? AND status = 'ordered'""",
                (order_id, sku, reference),
            )
        return self.of_order(order_id, reference)


def _refuse_order(order: sqlite3.Row) -> None:
    if order["status"] == "refunded":
        raise Refused(f"order {order['order_id']!r} has been refunded; what was refunded is not replaced as well")
    if order["status"] != "delivered":
        raise Refused(f"order {order['order_id']!r} is {order['status']}; only what was delivered is replaced")


def _refuse_item(connection: sqlite3.Connection, order_id: str, sku: str, cents: int) -> None:
    row = connection.execute("SELECT * FROM items WHERE order_id = ? AND sku = ?", (order_id, sku)).fetchone()
    if row is None:
        raise Refused(f"order {order_id!r} has no item {sku!r}; look the order up and name one of its items")
    if row["unit_price_cents"] != cents:
        raise Refused(f"{sku!r} costs {row['unit_price_cents']} cents in order {order_id!r}, not {cents}")


def _order(connection: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    if row is None:
        raise Refused(f"there is no order {order_id!r}; check the number on the confirmation")
    return row


def _replacements(connection: sqlite3.Connection, order_id: str) -> list[Replacement]:
    rows = connection.execute("SELECT * FROM replacements WHERE order_id = ? ORDER BY number", (order_id,))
    return [Replacement(replacement_id=f"R-{1000 + row['number']}", **row) for row in rows]

"""Questions about many orders: every condition is a field with a type, and no caller ever words a statement."""

import sqlite3
from collections.abc import Iterator
from datetime import date

from demo.mcp_servers.orders.records import OrderConditions

_CONDITIONS = {
    "customer_id": "customer_id = ?",
    "status": "status = ?",
    "placed_from": "placed_on >= ?",
    "placed_until": "placed_on <= ?",
    "least_cents": "total_cents >= ?",
    "most_cents": "total_cents <= ?",
    "sku": "order_id IN (SELECT order_id FROM items WHERE sku = ?)",
}
_LATE = "status IN ('placed', 'shipped') AND promised_by < ?"


def count_found(connection: sqlite3.Connection, asked: OrderConditions, today: date) -> int:
    """How many orders there are that meet every condition."""
    where, values = _where(asked, today)
    return int(connection.execute(f"SELECT count(*) FROM orders WHERE {where}", values).fetchone()[0])  # noqa: S608


def found(
    connection: sqlite3.Connection, asked: OrderConditions, today: date, limit: int, offset: int
) -> list[sqlite3.Row]:
    """Some of them, the newest first."""
    where, values = _where(asked, today)
    return connection.execute(
        f"SELECT * FROM orders WHERE {where} ORDER BY placed_on DESC, order_id DESC LIMIT ? OFFSET ?",  # noqa: S608
        (*values, limit, offset),
    ).fetchall()


def _where(asked: OrderConditions, today: date) -> tuple[str, tuple[str | int, ...]]:
    """Words that are ours, and the values that go with them."""
    terms = list(_terms(asked, today))
    return " AND ".join(words for words, _ in terms) or "true", tuple(value for _, value in terms)


def _terms(asked: OrderConditions, today: date) -> Iterator[tuple[str, str | int]]:
    given = asked.model_dump(mode="json", exclude_none=True)
    yield from ((words, given[name]) for name, words in _CONDITIONS.items() if name in given)
    if asked.late:
        yield _LATE, today.isoformat()

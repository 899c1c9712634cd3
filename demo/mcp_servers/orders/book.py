"""The order book: orders and their state, in SQLite, with the rules for marking them refunded."""

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

from demo.mcp_servers import world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.orders import query, replacements
from demo.mcp_servers.orders.records import (
    FoundOrder,
    FoundOrders,
    HistoryEntry,
    OpenOrder,
    OpenOrders,
    Order,
    OrderConditions,
    OrderHistory,
    OrderItem,
    RefundMark,
)
from demo.mcp_servers.orders.replacements import ReplacementDesk
from demo.mcp_servers.refusals import Refused, plural

ORDERS_PER_PAGE = 60  # about 20 KB of JSON

TABLES = (
    "CREATE TABLE customers (customer_id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT)",
    """CREATE TABLE orders (
        order_id TEXT PRIMARY KEY, customer_id TEXT NOT NULL REFERENCES customers, status TEXT NOT NULL,
        total_cents INTEGER NOT NULL, currency TEXT NOT NULL,
        placed_on TEXT NOT NULL, promised_by TEXT NOT NULL, delivered_on TEXT,
        refunded_cents INTEGER NOT NULL, refund_reason TEXT, status_before_refund TEXT)""",
    "CREATE INDEX orders_of_customer ON orders (customer_id, placed_on, order_id)",
    """CREATE TABLE items (
        order_id TEXT NOT NULL REFERENCES orders, position INTEGER NOT NULL, sku TEXT NOT NULL,
        name TEXT NOT NULL, quantity INTEGER NOT NULL, unit_price_cents INTEGER NOT NULL,
        PRIMARY KEY (order_id, position))""",
    *replacements.TABLES,
)

VIEWS = {
    "customers": "customer_id, name, email",
    "orders": "order_id, customer_id, status, total_cents, currency, placed_on, promised_by, delivered_on, "
    "refunded_cents",
    "items": "order_id, position, sku, name, quantity, unit_price_cents",
    **replacements.VIEWS,
}


class OrderBook:
    """Reads and writes orders; refuses in sentences."""

    def __init__(self, folder: Path, today: Callable[[], date] = world.today) -> None:
        self._today = today
        self._datafile = DataFile.create(
            folder / "orders.db", TABLES, VIEWS, lambda connection: _fill(connection, today())
        )
        self.replacements = ReplacementDesk(self._datafile)

    def find(self, order_id: str) -> Order:
        with self._datafile.reading() as connection:
            row = _order_row(connection, order_id)
            return Order(**row, items=_items(connection, order_id))

    def open_orders(self, customer_id: str) -> OpenOrders:
        today = self._today()
        with self._datafile.reading() as connection:
            name = _customer_name(connection, customer_id)
            rows = connection.execute(
                """SELECT * FROM orders WHERE customer_id = ? AND status IN ('placed', 'shipped')
                   ORDER BY placed_on, order_id""",
                (customer_id,),
            ).fetchall()
            found = [_open_order(connection, row, today) for row in rows]
        return OpenOrders(customer_id=customer_id, customer_name=name, as_of=today, count=len(found), orders=found)

    def history(self, customer_id: str, page: int) -> OrderHistory:
        with self._datafile.reading() as connection:
            _customer_name(connection, customer_id)
            in_all = _count_orders(connection, customer_id)
            pages = max(1, -(-in_all // ORDERS_PER_PAGE))
            if page > pages:
                raise Refused(
                    f"customer {customer_id!r} has {plural(pages, 'page')} of orders; there is no page {page}"
                )
            rows = connection.execute(
                "SELECT * FROM orders WHERE customer_id = ? ORDER BY placed_on, order_id LIMIT ? OFFSET ?",
                (customer_id, ORDERS_PER_PAGE, (page - 1) * ORDERS_PER_PAGE),
            ).fetchall()
            entries = [HistoryEntry(**row, items=_items(connection, row["order_id"])) for row in rows]
        return OrderHistory(customer_id=customer_id, page=page, pages=pages, orders_in_all=in_all, orders=entries)

    def matching(self, asked: OrderConditions, page: int) -> FoundOrders:
        """Orders that meet every condition, a page of them."""
        today = self._today()
        with self._datafile.reading() as connection:
            in_all = query.count_found(connection, asked, today)
            pages = max(1, -(-in_all // ORDERS_PER_PAGE))
            if page > pages:
                raise Refused(f"{plural(pages, 'page')} of orders meet these conditions; there is no page {page}")
            rows = query.found(connection, asked, today, ORDERS_PER_PAGE, (page - 1) * ORDERS_PER_PAGE)
            entries = [FoundOrder(**row, items=_items(connection, row["order_id"])) for row in rows]
        return FoundOrders(page=page, pages=pages, orders_in_all=in_all, orders=entries)

    def mark_refunded(self, order_id: str, cents: int, reason: str) -> RefundMark:
        with self._datafile.writing() as connection:
            row = _order_row(connection, order_id)
            if row["refunded_cents"] != cents:
                _refuse_mark(row, cents)
                connection.execute(
                    """UPDATE orders SET status_before_refund = status, status = 'refunded',
                       refunded_cents = ?, refund_reason = ? WHERE order_id = ?""",
                    (cents, reason, order_id),
                )
            return _mark(connection, order_id)

    def unmark_refunded(self, order_id: str) -> RefundMark:
        with self._datafile.writing() as connection:
            _order_row(connection, order_id)
            connection.execute(
                """UPDATE orders SET status = status_before_refund, status_before_refund = NULL,
                   refunded_cents = 0, refund_reason = NULL WHERE order_id = ? AND status = 'refunded'""",
                (order_id,),
            )
            return _mark(connection, order_id)


def _refuse_mark(row: sqlite3.Row, cents: int) -> None:
    order_id, currency = row["order_id"], row["currency"]
    if cents > row["total_cents"]:
        raise Refused(
            f"order {order_id!r} came to {row['total_cents']} {currency} cents; {cents} cannot be marked as refunded"
        )
    if row["refunded_cents"]:
        raise Refused(
            f"order {order_id!r} is already marked as refunded with {row['refunded_cents']} {currency} "
            f"cents, not {cents}; unmark it first"
        )


def _order_row(connection: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        """SELECT orders.*, customers.name AS customer_name, customers.email AS customer_email
           FROM orders JOIN customers USING (customer_id) WHERE order_id = ?""",
        (order_id,),
    ).fetchone()
    if row is None:
        raise Refused(f"there is no order {order_id!r}; check the number on the confirmation")
    return row


def _customer_name(connection: sqlite3.Connection, customer_id: str) -> str:
    row = connection.execute("SELECT name FROM customers WHERE customer_id = ?", (customer_id,)).fetchone()
    if row is None:
        raise Refused(f"there is no customer {customer_id!r}; search the customer file by name or e-mail")
    return str(row["name"])


def _items(connection: sqlite3.Connection, order_id: str) -> list[OrderItem]:
    rows = connection.execute("SELECT * FROM items WHERE order_id = ? ORDER BY position", (order_id,))
    return [OrderItem(**row) for row in rows]


def _open_order(connection: sqlite3.Connection, row: sqlite3.Row, today: date) -> OpenOrder:
    days_late = max(0, (today - date.fromisoformat(row["promised_by"])).days)
    return OpenOrder(**row, days_late=days_late, items=_items(connection, row["order_id"]))


def _count_orders(connection: sqlite3.Connection, customer_id: str) -> int:
    row = connection.execute("SELECT count(*) FROM orders WHERE customer_id = ?", (customer_id,)).fetchone()
    return int(row[0])


def _mark(connection: sqlite3.Connection, order_id: str) -> RefundMark:
    return RefundMark(**_order_row(connection, order_id))


def _fill(connection: sqlite3.Connection, as_of: date) -> None:
    customers = [(known.customer_id, known.name, known.email) for known in world.CUSTOMERS]
    connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", customers)
    for order in world.orders(as_of):
        _insert(connection, order)


def _insert(connection: sqlite3.Connection, order: world.Order) -> None:
    dates = (order.placed_on, order.promised_by, order.delivered_on)
    before = "delivered" if order.status == "refunded" else None
    connection.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
        (
            order.order_id,
            order.customer_id,
            order.status,
            order.total_cents,
            world.CURRENCY,
            *(each and each.isoformat() for each in dates),
            order.refunded_cents,
            before,
        ),
    )
    connection.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)",
        [
            (order.order_id, position, item.sku, item.name, item.quantity, item.unit_price_cents)
            for position, item in enumerate(order.items)
        ],
    )

"""Servers read in a role of their own: what it cannot do fails at the database, over the connection that tools use."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from demo.mcp_servers.compliance.journal import Journal
from demo.mcp_servers.crm.cards import CardIndex
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.housekeeping.board import Board
from demo.mcp_servers.mail.outbox import Outbox
from demo.mcp_servers.orders import server as orders
from demo.mcp_servers.orders.book import OrderBook
from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.property.register import Register
from demo.mcp_servers.reader import TookTooLong
from tests.demo.asking import Answer, ask, refusal
from tests.demo_servers import SERVERS

BOOKS: dict[str, Callable[[Path], Any]] = {
    "orders": OrderBook,
    "payments": PaymentLedger.open,
    "crm": CardIndex,
    "mail": Outbox.open,
    "property": Register,
    "housekeeping": Board,
    "compliance": Journal,
}
NO_SELECT = (
    "INSERT INTO main.{table} DEFAULT VALUES",
    "UPDATE main.{table} SET {column} = {column}",
    "DELETE FROM main.{table}",
    "DELETE FROM {table}",
    "DROP TABLE main.{table}",
    "DROP VIEW temp.{table}",
    "ALTER TABLE main.{table} RENAME TO mine",
    "CREATE TABLE mine (x)",
    "CREATE TEMP TABLE mine (x)",
    "CREATE TEMP VIEW mine AS SELECT * FROM main.{table}",
    "CREATE INDEX mine ON {table} ({column})",
    "ATTACH DATABASE ':memory:' AS other",
    "ATTACH DATABASE '{file}' AS other",
    "DETACH DATABASE main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA table_info({table})",
    "PRAGMA database_list",
    "VACUUM",
    "VACUUM INTO '{file}.copy'",
    "REINDEX",
    "ANALYZE",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT mine",
    "SELECT load_extension('mine')",
    "WITH RECURSIVE more(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM more) SELECT x FROM more",
)
"""What somebody might try who can word a statement, whatever it would do."""
MOSTLY_READ = "SELECT count(*) FROM items AS a, items AS b WHERE a.unit_price_cents + b.unit_price_cents < 0"
"""It would be over by itself after a second or two."""


def datafile_of(book: Any) -> DataFile:
    """Through which a server reads its books."""
    datafile = book._datafile
    assert isinstance(datafile, DataFile)
    return datafile


@contextmanager
def reading(server: str, data: Path) -> Iterator[sqlite3.Connection]:
    """The connection over which the tools of a server read."""
    with datafile_of(BOOKS[server](data)).reading() as connection:
        yield connection


def refused(connection: sqlite3.Connection, statement: str) -> str:
    """Why the database does not do it; empty when it has."""
    try:
        connection.execute(statement).fetchall()
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("server", BOOKS)
def test_whoever_reads_can_do_nothing_but_select(tmp_path: Path, server: str) -> None:
    views = datafile_of(BOOKS[server](tmp_path))._views
    file = tmp_path / f"{server}.db"
    before = file.read_bytes()
    with reading(server, tmp_path) as connection:
        for table, columns in views.items():
            words = {"table": table, "column": columns.split(", ")[0], "file": file}
            done = [each for each in NO_SELECT if not refused(connection, each.format(**words))]
            assert done == []
            assert refused(connection, f"SELECT {columns} FROM {table}") == "", "it still reads"

    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("server", "statement"),
    [
        ("payments", "SELECT * FROM cards"),
        ("payments", "SELECT count(*) FROM cards"),
        ("payments", "SELECT 1 FROM answers"),
        ("payments", "SELECT payments.order_id FROM payments, cards"),
        ("payments", "SELECT order_id FROM payments WHERE EXISTS (SELECT holder_email FROM cards)"),
        ("payments", "SELECT order_id FROM payments UNION SELECT holder_email FROM cards"),
        ("payments", "SELECT * FROM main.payments"),
        ("payments", "SELECT count(*) FROM main.payments"),
        ("payments", "WITH payments AS (SELECT * FROM cards) SELECT * FROM payments"),
        ("payments", "WITH payments AS (SELECT count(*) FROM cards) SELECT * FROM payments"),
        ("payments", "WITH cards AS (SELECT * FROM main.cards) SELECT * FROM cards"),
        ("orders", "SELECT refund_reason FROM orders"),
        ("orders", "SELECT refund_reason FROM main.orders"),
        ("orders", "WITH orders AS (SELECT refund_reason FROM main.orders) SELECT * FROM orders"),
        ("orders", "WITH items AS (SELECT order_id FROM main.orders) SELECT * FROM items"),
        ("housekeeping", "SELECT idempotency_key FROM tasks"),
        ("housekeeping", "WITH tasks AS (SELECT idempotency_key FROM main.tasks) SELECT * FROM tasks"),
        ("mail", "SELECT * FROM sqlite_master"),
        ("mail", "SELECT * FROM sqlite_temp_master"),
        ("mail", "SELECT * FROM sqlite_sequence"),
        ("mail", "SELECT * FROM pragma_table_info('mails')"),
        ("mail", "SELECT * FROM json_each('[1]')"),
    ],
)
def test_whoever_reads_sees_the_views_and_nothing_else(tmp_path: Path, server: str, statement: str) -> None:
    with reading(server, tmp_path) as connection:
        assert refused(connection, statement) != ""


def test_each_lock_holds_without_the_others(tmp_path: Path) -> None:
    insert = "INSERT INTO main.entries (kind, booking_number) VALUES ('checkout', 'B-1')"
    with reading("compliance", tmp_path) as connection:
        connection.set_authorizer(None)
        assert "readonly" in refused(connection, "CREATE TEMP TABLE mine (x)"), "only its queries are taken"
        connection.execute("PRAGMA query_only = OFF")
        assert "readonly" in refused(connection, insert), "the file is opened for reading"
    with closing(sqlite3.connect(tmp_path / "compliance.db")) as connection:
        assert "NOT NULL" in refused(connection, insert), "whoever may write gets as far as the rules of the table"


def test_a_query_that_takes_too_long_is_ended_by_the_database_and_says_what_to_do(tmp_path: Path) -> None:
    book = OrderBook(tmp_path)
    datafile_of(book).statement_seconds = 0.05
    with (
        pytest.raises(TookTooLong, match=r"ended a query after 0\.05 s; ask for less"),
        datafile_of(book).reading() as connection,
    ):
        connection.execute(MOSTLY_READ).fetchall()
    assert book.find("A-17").order_id == "A-17", "the next read begins anew"


async def test_a_tool_whose_query_takes_too_long_says_so(tmp_path: Path) -> None:
    book = OrderBook(tmp_path)
    datafile_of(book).statement_seconds = 0.0
    async with Client(orders.build_server(book)) as client:
        said = await refusal(client, "order_history", customer_id="C-42")
    assert "the database ended a query" in said


READ_TOOLS: dict[str, dict[str, Answer]] = {
    "orders": {
        "find_order": {"order_id": "A-17"},
        "find_orders": {"late": True},
        "open_orders_of_customer": {"customer_id": "C-7"},
        "order_history": {"customer_id": "C-42"},
    },
    "payments": {
        "payment_of_order": {"order_id": "A-17"},
        "credits_of_order": {"order_id": "A-17"},
        "payments_of_booking": {"booking_number": "B-2041"},
    },
    "crm": {
        "find_customer": {"customer_id": "C-7"},
        "search_customers": {"text": "reeves"},
        "complaints_of_customer": {"customer_id": "C-7"},
        "read_complaint": {"order_id": "A-17"},
        "notes_of_customer": {"customer_id": "C-7"},
        "opportunities_of_guest": {"guest_email": "elena.marchetti@example.com"},
    },
    "mail": {"mail_sent_to": {"to": "dana.reeves@example.com"}},
    "property": {
        "find_bookings": {"guest_email": "elena.marchetti@example.com"},
        "find_room": {"room_number": "204"},
    },
    "housekeeping": {"tasks_of_room": {"room_number": "204"}},
    "compliance": {"entries_of": {"booking_number": "B-2041", "reference": "ours"}},
}


@pytest.mark.parametrize("server", BOOKS)
async def test_no_tool_that_only_reads_waits_for_whoever_writes(tmp_path: Path, server: str) -> None:
    async with Client(SERVERS[server](tmp_path)) as client:
        reads = {tool.name for tool in (await client.list_tools()).tools if _reads(tool)}
        with closing(sqlite3.connect(tmp_path / f"{server}.db", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            for tool in reads & READ_TOOLS[server].keys():
                await ask(client, tool, **READ_TOOLS[server][tool])
    assert READ_TOOLS[server].keys() <= reads


def _reads(tool: Any) -> bool:
    return bool(tool.annotations and tool.annotations.read_only_hint)


DIES_WRITING = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE items SET name = name || name || name")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_half_done_is_taken_back_and_keeps_nobody_from_reading(tmp_path: Path) -> None:
    book = OrderBook(tmp_path)
    before = book.find("A-17")
    dead = subprocess.run((sys.executable, "-c", DIES_WRITING, str(tmp_path / "orders.db")), check=False)
    assert dead.returncode == -signal.SIGKILL
    assert (tmp_path / "orders.db-journal").stat().st_size > 0, "it had begun to write"

    assert book.find("A-17") == before
    assert not (tmp_path / "orders.db-journal").exists()


# One tool that is asked by conditions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"customer_id": "C-7"}, {"A-17", "A-21", "A-23"}),
        ({"customer_id": "C-7", "status": "delivered"}, {"A-17"}),
        ({"late": True, "customer_id": "C-7"}, {"A-21"}),
        ({"least_cents": 250_000}, {"A-19"}),
        ({"customer_id": "C-7", "most_cents": 8900, "least_cents": 8900}, {"A-17", "A-21"}),
        ({"customer_id": "C-7' OR '1'='1"}, set()),
        ({"sku": "%"}, set()),
    ],
)
async def test_orders_are_found_by_every_condition_at_once_and_a_condition_is_only_a_value(
    tmp_path: Path, conditions: Answer, expected: set[str]
) -> None:
    async with Client(SERVERS["orders"](tmp_path)) as client:
        found = await ask(client, "find_orders", **conditions)
    assert {order["order_id"] for order in found["orders"]} == expected
    assert found["orders_in_all"] == len(expected)


async def test_many_orders_are_found_page_by_page_the_newest_first(tmp_path: Path) -> None:
    async with Client(SERVERS["orders"](tmp_path)) as client:
        first = await ask(client, "find_orders", customer_id="C-42", placed_until="2024-06-30")
        last = await ask(client, "find_orders", customer_id="C-42", placed_until="2024-06-30", page=first["pages"])
        past = await refusal(client, "find_orders", customer_id="C-42", page=99)
        wrong = await refusal(client, "find_orders", status="lost")
    placed = [order["placed_on"] for order in (*first["orders"], *last["orders"])]
    assert placed == sorted(placed, reverse=True)
    assert first["pages"] > 1
    assert "there is no page 99" in past
    assert "status" in wrong

"""The pretend systems as processes: both protocol eras, restarts, held answers, one-line failures."""

import asyncio
import json
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextResourceContents
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from demo.mcp_servers.mail.outbox import Outbox
from demo.mcp_servers.orders.book import OrderBook
from tests.demo.asking import BOWL, Answer, ask

pytestmark = pytest.mark.many

ROOT = Path(__file__).parents[2]
SECONDS_TO_WAIT = 30

Era = Literal["auto", "legacy"]
BOTH_ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Running:
    process: asyncio.subprocess.Process
    url: str

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(SECONDS_TO_WAIT):
            return await self.process.wait()


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=environment or None,
    )


async def run(*arguments: str) -> Ended:
    process = await start(*arguments)
    async with asyncio.timeout(SECONDS_TO_WAIT):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def serving(name: str, data: Path, *options: str, **environment: str) -> AsyncIterator[Running]:
    process = await start(f"demo.mcp_servers.{name}", "--data", str(data), "--port", "0", *options, **environment)
    try:
        assert process.stderr is not None
        async with asyncio.timeout(SECONDS_TO_WAIT):
            line = (await process.stderr.readline()).decode()
        found = re.search(r"listening on (\S+)", line)
        assert found, line
        yield Running(process, found[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def over_stdio(name: str, data: Path, era: Era = "auto") -> Client:
    command = ["-m", f"demo.mcp_servers.{name}", "--data", str(data)]
    parameters = StdioServerParameters(command=sys.executable, args=command, cwd=ROOT)
    return Client(stdio_client(parameters), mode=era, read_timeout_seconds=SECONDS_TO_WAIT)


def over_http(url: str, era: Era = "auto") -> Client:
    return Client(url, mode=era, read_timeout_seconds=SECONDS_TO_WAIT)


async def count_credits(data: Path, order_id: str) -> str:
    ended = await run("demo.mcp_servers.payments", "--data", str(data), "--count-credits", order_id)
    assert ended.code == 0, ended.err
    return ended.out.strip()


@BOTH_ERAS
@pytest.mark.parametrize("name", ["orders", "crm"])
async def test_a_stdio_server_speaks_both_protocol_eras(tmp_path: Path, name: str, era: Era) -> None:
    async with over_stdio(name, tmp_path, era) as client:
        assert client.protocol_version == ("2026-07-28" if era == "auto" else "2025-11-25")
        assert len((await client.list_tools()).tools) >= 5
        tool, argument = {"orders": ("find_order", "A-17"), "crm": ("find_customer", "C-7")}[name]
        key = "order_id" if name == "orders" else "customer_id"
        assert (await ask(client, tool, **{key: argument}))["customer_id"] == "C-7"


@pytest.mark.parametrize(
    ("name", "tool", "named", "subject"),
    [
        ("changes", "changes_of", "subject", "pricing"),
        ("releases", "find_service", "service", "pricing"),
        ("vault", "find_credential", "credential", "warehouse-sftp"),
        ("archive", "find_dataset", "dataset", "newsletter-2019"),
    ],
)
async def test_a_system_of_operations_is_served_over_stdio(
    tmp_path: Path, name: str, tool: str, named: str, subject: str
) -> None:
    async with over_stdio(name, tmp_path) as client:
        answer = await ask(client, tool, **{named: subject})
    assert answer["count"] == (0 if name == "changes" else 1)


@pytest.mark.parametrize("name", ["property", "housekeeping", "compliance", "people_records", "tickets", "identity"])
async def test_a_system_of_the_hotel_or_the_company_is_served_over_stdio(tmp_path: Path, name: str) -> None:
    about_a_booking = {"booking_number": "B-2041", "reference": "ours"}
    asked: dict[str, tuple[str, Answer]] = {
        "property": ("find_room", {"room_number": "204"}),
        "housekeeping": ("tasks_of_room", {"room_number": "204"}),
        "compliance": ("entries_of", about_a_booking),
        "people_records": ("find_person", {"employee_id": "E-2041"}),
        "tickets": ("tickets_of", {"employee_id": "E-2041"}),
        "identity": ("accounts_of", {"employee_id": "E-2041"}),
    }
    tool, arguments = asked[name]
    async with over_stdio(name, tmp_path) as client:
        answer = await ask(client, tool, **arguments)
    assert arguments.items() <= answer.items()


@BOTH_ERAS
@pytest.mark.parametrize("name", ["payments", "mail"])
async def test_an_http_server_speaks_both_protocol_eras_and_ends_cleanly(tmp_path: Path, name: str, era: Era) -> None:
    async with serving(name, tmp_path) as server:
        async with over_http(server.url, era) as client:
            assert client.protocol_version == ("2026-07-28" if era == "auto" else "2025-11-25")
            if name == "payments":
                assert (await ask(client, "issue_credit", **BOWL))["cents"] == 4000
            else:
                assert (await ask(client, "mail_sent_to", to="tomas.ferreira@example.com"))["count"] == 1
        async with httpx2.AsyncClient() as http:
            health = await http.get(server.url.replace("/mcp", "/health"))
        assert health.status_code == 200
        assert await server.end() == 0


@BOTH_ERAS
async def test_open_orders_can_be_listed_and_read_as_a_resource(tmp_path: Path, era: Era) -> None:
    async with over_stdio("orders", tmp_path, era) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["orders://customers/{customer_id}/open-orders"]
        assert [str(resource.uri) for resource in (await client.list_resources()).resources] == [
            "orders://return-policy"
        ]
        content = (await client.read_resource("orders://customers/C-7/open-orders")).contents[0]
        assert isinstance(content, TextResourceContents)
        assert [order["order_id"] for order in json.loads(content.text)["orders"]] == ["A-21", "A-23"]
        with pytest.raises(MCPError, match="there is no customer 'C-99'"):
            await client.read_resource("orders://customers/C-99/open-orders")


async def test_what_was_written_over_stdio_is_there_after_a_restart(tmp_path: Path) -> None:
    async with over_stdio("crm", tmp_path) as client:
        note = await ask(client, "add_note", customer_id="C-7", text="called back")
    async with over_stdio("crm", tmp_path) as client:
        assert (await ask(client, "notes_of_customer", customer_id="C-7"))["notes"] == [note]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_an_idempotency_key_survives_a_restart(tmp_path: Path, ending: signal.Signals) -> None:
    async with serving("payments", tmp_path) as server:
        async with over_http(server.url) as client:
            first = await ask(client, "issue_credit", **BOWL)
        await server.end(ending)
    async with serving("payments", tmp_path) as server, over_http(server.url) as client:
        assert await ask(client, "issue_credit", **BOWL) == first
    assert await count_credits(tmp_path, "A-17") == "1"


async def test_a_held_answer_stays_away_while_its_effect_is_already_counted(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    async with (
        serving("payments", tmp_path, "--hold-answers", str(hold)) as server,
        over_http(server.url) as client,
    ):
        pending = asyncio.create_task(ask(client, "issue_credit", **BOWL))
        await counted(client, "A-17")
        assert not pending.done()
        assert await count_credits(tmp_path, "A-17") == "1"
        hold.unlink()
        async with asyncio.timeout(SECONDS_TO_WAIT):
            assert (await pending)["status"] == "issued"


async def counted(client: Client, order_id: str) -> None:
    """Wait until the credit stands; reads are never held."""
    async with asyncio.timeout(SECONDS_TO_WAIT):
        while (await ask(client, "credits_of_order", order_id=order_id))["count"] == 0:
            continue


async def test_a_server_that_holds_an_answer_still_ends_when_told_to(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    async with (
        serving("payments", tmp_path, "--hold-answers", str(hold)) as server,
        asyncio.TaskGroup() as group,
        httpx2.AsyncClient() as http,
        over_http(server.url) as client,
    ):
        group.create_task(hung_up_on(http, server.url))
        await counted(client, "A-17")
        assert await server.end() == 0
    assert await count_credits(tmp_path, "A-17") == "1"


async def hung_up_on(http: httpx2.AsyncClient, url: str) -> None:
    """Make the call by hand, so that losing the answer harms nothing else in the test."""
    prefix = "io.modelcontextprotocol"
    meta = {f"{prefix}/protocolVersion": "2026-07-28", f"{prefix}/clientCapabilities": {}}
    call = {"name": "issue_credit", "arguments": BOWL, "_meta": meta}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "issue_credit",
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    try:
        response = await http.post(url, headers=headers, json=body, timeout=SECONDS_TO_WAIT)
    except httpx2.TransportError:
        return
    assert response.status_code >= 500, response.text


async def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await run("demo.mcp_servers.mail", "--data", str(tmp_path), "--port", port)
    assert ended.code == 1
    assert ended.out == ""
    assert re.fullmatch(rf"mail: cannot listen on 127\.0\.0\.1:{port}: .*; choose another --port.*\n", ended.err)


@pytest.mark.parametrize("question", [("payments", "--count-credits", "A-17"), ("mail", "--count-mails", "a@b.c")])
async def test_counting_without_a_database_is_told_in_one_line_and_creates_none(
    tmp_path: Path, question: tuple[str, str, str]
) -> None:
    name, option, value = question
    ended = await run(f"demo.mcp_servers.{name}", "--data", str(tmp_path), option, value)
    assert ended.code == 1
    assert re.fullmatch(rf"{name}: there is no database at .*; start the server once.*\n", ended.err)
    assert not list(tmp_path.iterdir())


async def test_mails_are_counted_straight_from_the_database(tmp_path: Path) -> None:
    Outbox.open(tmp_path).send("dana.reeves@example.com", "Hello", "Dear Dana", "key-1")
    counting = ("demo.mcp_servers.mail", "--data", str(tmp_path), "--count-mails", "dana.reeves@example.com")
    assert (await run(*counting)).out == "1\n"


async def test_a_folder_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = await run("demo.mcp_servers.orders", "--data", str(tmp_path / "file"))
    assert ended.code == 1
    assert re.fullmatch(r"orders: cannot create or open the database .*; give another --data folder\n", ended.err)


async def test_a_database_made_by_another_version_is_refused_in_one_line_before_anybody_asks(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "payments.db")) as connection:
        connection.execute("CREATE TABLE payments (order_id TEXT PRIMARY KEY)")
        connection.execute("PRAGMA user_version = 1")
    ended = await run("demo.mcp_servers.payments", "--data", str(tmp_path), "--port", "0")
    assert ended.code == 1
    assert re.fullmatch(r"payments: the database .* was made by another version of this demo; give .*\n", ended.err)


async def test_first_starts_at_once_fill_the_database_once(tmp_path: Path) -> None:
    async def first_page() -> Answer:
        async with over_stdio("orders", tmp_path) as client:
            return await ask(client, "order_history", customer_id="C-42", page=1)

    pages = await asyncio.gather(first_page(), first_page())
    assert pages[0] == pages[1]
    assert pages[0]["orders_in_all"] == 1801


def test_ten_threads_that_open_a_new_folder_find_it_filled_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        books = list(pool.map(OrderBook, [tmp_path] * 10))
    assert [book.history("C-42", 1).orders_in_all for book in books] == [1801] * 10


class SpanCollector:
    """Takes whatever is exported over OTLP and remembers the bytes."""

    def __init__(self) -> None:
        self.exported = b""
        self.arrived = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        self.exported += await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        self.arrived.set()


async def test_spans_join_the_callers_trace_where_an_otlp_endpoint_is_configured(tmp_path: Path) -> None:
    collector, trace_id = SpanCollector(), "4bf92f3577b34da6a3ce929d0e0e4736"
    listener = await asyncio.start_server(collector.take, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, serving("payments", tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
        caller = SpanContext(int(trace_id, 16), 0x00F067AA0BA902B7, is_remote=True, trace_flags=TraceFlags(1))
        with use_span(NonRecordingSpan(caller)):
            async with over_http(server.url) as client:
                await client.call_tool("payment_of_order", {"order_id": "A-17"})
        assert await server.end() == 0
        async with asyncio.timeout(SECONDS_TO_WAIT):
            await collector.arrived.wait()
    assert b"demo-payments" in collector.exported
    assert b"tools/call payment_of_order" in collector.exported
    assert bytes.fromhex(trace_id) in collector.exported

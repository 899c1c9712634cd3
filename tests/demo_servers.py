"""The demo's servers as one toolbox: as its servers file declares them, over books that lie in one folder."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from pydantic import JsonValue

from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused, UnknownServer
from contracts.servers import ServerRules
from contracts.tools import Delivered, ToolDefinition
from demo.mcp_servers.archive import server as archive
from demo.mcp_servers.archive.stacks import Stacks
from demo.mcp_servers.changes import server as changes
from demo.mcp_servers.changes.register import ChangeRegister
from demo.mcp_servers.compliance import server as compliance
from demo.mcp_servers.compliance.journal import Journal
from demo.mcp_servers.crm import server as crm
from demo.mcp_servers.crm.cards import CardIndex
from demo.mcp_servers.documentation import server as documentation
from demo.mcp_servers.documentation.library import Library
from demo.mcp_servers.housekeeping import server as housekeeping
from demo.mcp_servers.housekeeping.board import Board
from demo.mcp_servers.identity import server as identity
from demo.mcp_servers.identity.directory import Directory
from demo.mcp_servers.mail import server as mail
from demo.mcp_servers.mail.outbox import Outbox
from demo.mcp_servers.orders import server as orders
from demo.mcp_servers.orders.book import OrderBook
from demo.mcp_servers.payments import server as payments
from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.people_records import server as people_records
from demo.mcp_servers.people_records.archive import Archive
from demo.mcp_servers.property import server as property_
from demo.mcp_servers.property.register import Register
from demo.mcp_servers.releases import server as releases
from demo.mcp_servers.releases.fleet import Fleet
from demo.mcp_servers.tickets import server as tickets
from demo.mcp_servers.tickets.desk import Desk
from demo.mcp_servers.vault import server as vault
from demo.mcp_servers.vault.strongroom import Strongroom
from tests.doubles import RecordingToolbox
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import published
from workers.resources.mcp_connections.results import of_tool
from workers.resources.servers_file import ServerDeclaration, load_servers
from workers.settings import REPOSITORY

Build = Callable[[Path], MCPServer]
"""How a server is built over the folder in which its books lie."""
SERVERS: dict[str, Build] = {
    "orders": lambda data: orders.build_server(OrderBook(data)),
    "payments": lambda data: payments.build_server(PaymentLedger.open(data), payments.AnswerHold(None)),
    "crm": lambda data: crm.build_server(CardIndex(data)),
    "mail": lambda data: mail.build_server(Outbox.open(data)),
    "documentation": lambda data: documentation.build_server(Library(data)),
    "property": lambda data: property_.build_server(Register(data)),
    "housekeeping": lambda data: housekeeping.build_server(Board(data)),
    "compliance": lambda data: compliance.build_server(Journal(data)),
    "people_records": lambda data: people_records.build_server(Archive(data)),
    "tickets": lambda data: tickets.build_server(Desk(data)),
    "identity": lambda data: identity.build_server(Directory(data)),
    "changes": lambda data: changes.build_server(ChangeRegister(data)),
    "releases": lambda data: releases.build_server(Fleet(data)),
    "vault": lambda data: vault.build_server(Strongroom(data)),
    "archive": lambda data: archive.build_server(Stacks(data)),
}
"""Every server of the demo."""

Ask = Callable[[], Awaitable[Delivered]]
Fault = Callable[[Ask], Awaitable[Delivered]]
"""What becomes of one call; it may ask the server, or not."""
Faults = Mapping[str, Fault | Sequence[Fault | None]]
"""Tool -> what becomes of its calls, one after the other; None is nothing, and so is the end."""
NO_FAULTS: Faults = {}

Row = tuple[tuple[str, Any], ...]
"""Columns and values."""
Rows = dict[str, list[Row]]
"""`server.table` -> all its rows."""


async def says_no(ask: Ask) -> Delivered:
    """The tool says no."""
    return Delivered(is_error=True, content="not today")


async def lies(ask: Ask) -> Delivered:
    """The tool does it, and says no."""
    await ask()
    return Delivered(is_error=True, content="not today")


async def refuses(ask: Ask) -> Delivered:
    """The server takes no such call."""
    raise ServerRefused("invalid parameters")


async def is_away(ask: Ask) -> Delivered:
    """The server cannot be reached just now."""
    raise NotSent("the line is cut")


async def stays_away(ask: Ask) -> Delivered:
    """The server cannot be reached, and will not be within the hour."""
    raise NotSent("the line is cut", retry_after_seconds=3600)


async def loses(ask: Ask) -> Delivered:
    """The call never arrives."""
    raise OutcomeUnknown("the line went silent")


async def loses_the_answer(ask: Ask) -> Delivered:
    """It is done, and the answer never arrives."""
    await ask()
    raise OutcomeUnknown("the line went silent")


async def mumbles(ask: Ask) -> Delivered:
    """It is done, and the answer is in no shape to be read."""
    await ask()
    return Delivered(unreadable="a shape that is not the one it published")


@dataclass
class DemoServers(RecordingToolbox):
    """Servers of the demo: what they publish, what the servers file says of it, and what they answer.

    `faults`: tool -> what becomes of its calls, one after the other; None is nothing, and so is the end of the list.
    """

    data: Path = Path()
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    known: Mapping[str, ToolDefinition] = field(default_factory=dict)
    _servers: Mapping[str, MCPServer] = field(default_factory=dict)

    @classmethod
    async def at(
        cls, data: Path, servers: Iterable[str] = SERVERS, faults: Faults = NO_FAULTS, **otherwise: Build
    ) -> Self:
        """Those whose books lie in this folder; `{"payments.capture": says_no}` is a fault of its first call.

        `otherwise`: server -> how it is built, where that is not as in SERVERS.
        """
        built = {name: (SERVERS | otherwise)[name](data) for name in servers}
        known = {tool: it for name, server in built.items() for tool, it in (await _published(name, server)).items()}
        return cls(
            answers=dict.fromkeys(known),
            classes={name: tool.effect_class for name, tool in known.items()},
            data=data,
            faults={name: _in_turn(fault) for name, fault in faults.items()},
            known=known,
            _servers=built,
        )

    def rules(self, server: str) -> ServerRules:
        """What the servers file says of plans, and generous limits. Raises UnknownServer."""
        if server not in self._servers:
            raise UnknownServer(f"no server {server!r} is declared")
        return super().rules(server).model_copy(update={"plans": _declared()[server].as_rules().plans})

    def _definition(self, server: str, name: str) -> ToolDefinition:
        return self.known[name]

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Record the call; then the server answers, unless a fault is due."""
        name = await self._record(tool, arguments, key)
        due = self.faults.get(name, [])
        fault = due.pop(0) if due else None
        sent = {**arguments, tool.key.argument: key} if tool.key and tool.key.argument else arguments

        async def ask() -> Delivered:
            try:
                return of_tool(await self._ask(name, sent))
            except ToolError as error:
                return Delivered(is_error=True, content=str(error))

        return await fault(ask) if fault else await ask()

    async def says(self, tool: str, **arguments: Any) -> Any:
        """What one of the servers answers somebody else who asks."""
        return (await self._ask(tool, arguments)).structured_content

    async def _ask(self, tool: str, arguments: dict[str, JsonValue]) -> CallToolResult:
        server, name = tool.split(".", 1)
        result = await self._servers[server].call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        return result


def _in_turn(fault: Fault | Sequence[Fault | None]) -> list[Fault | None]:
    return [*fault] if isinstance(fault, Sequence) else [fault]


async def definitions() -> dict[str, ToolDefinition]:
    """`server.tool` -> how the tool is known to a worker of the demo."""
    with a_folder() as data:
        return {**(await DemoServers.at(data)).known}


_PUBLISHED: dict[str, dict[str, ToolDefinition]] = {}
"""Server -> `server.tool` -> its definition; what is published does not depend on any books."""


async def _published(name: str, server: MCPServer) -> dict[str, ToolDefinition]:
    if name not in _PUBLISHED:
        tools = {tool.name: tool for tool in await server.list_tools()}
        whole = {tool.name: published(name, tool, server.instructions) or {} for tool in tools.values()}
        found = definitions_of(_declared()[name], Listing(tools, whole, False, 3600))
        _PUBLISHED[name] = {f"{name}.{definition.name}": definition for definition in found}
    return _PUBLISHED[name]


@cache
def _declared() -> dict[str, ServerDeclaration]:
    """The servers file of the demo; how its servers are reached does not matter here."""
    urls = dict.fromkeys(("INTERLOCK_DEMO_PAYMENTS_URL", "INTERLOCK_DEMO_MAIL_URL"), "http://unused/mcp")
    reached = {**dict.fromkeys(("PYTHON", "PYTHONPATH", "INTERLOCK_DEMO_DATA"), "unused"), **urls}
    return {server.name: server for server in load_servers(REPOSITORY / "demo" / "servers.toml", reached)}


@contextmanager
def a_folder(servers: Iterable[str] = SERVERS) -> Iterator[Path]:
    """The books of these servers as they are at first start."""
    with TemporaryDirectory() as folder:
        put_books(Path(folder), servers)
        yield Path(folder)


def put_books(folder: Path, servers: Iterable[str] = SERVERS) -> None:
    """Write the first books into a folder."""
    for name in servers:
        _book(folder, name).write_bytes(_first_book(name))


@cache
def _first_book(server: str) -> bytes:
    """Made once for each process."""
    with TemporaryDirectory() as folder:
        SERVERS[server](Path(folder))
        return _book(Path(folder), server).read_bytes()


def _book(data: Path, server: str) -> Path:
    return data / f"{server}.db"


def read(data: Path, server: str, query: str, **named: object) -> Any:
    """One value of a server's books, straight from the file, by a query that may name `:values`."""
    return read_rows(data, server, query, **named)[0][0]


def read_rows(data: Path, server: str, query: str, **named: object) -> list[tuple[Any, ...]]:
    """Every row that the query finds."""
    with _reading(_book(data, server)) as connection:
        return connection.execute(query, named).fetchall()


def rows_in(data: Path) -> Rows:
    """Everything that stands in the books."""
    found: Rows = {}
    for path in sorted(data.glob("*.db")):
        with _reading(path) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[f"{path.stem}.{table}"] = _rows(connection, table)
    return found


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    asked = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in asked.description]
    return [tuple(zip(names, row, strict=True)) for row in asked]


def _reading(book: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{book}?mode=ro", uri=True))  # makes no book

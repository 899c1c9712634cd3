"""The world of checkout stories: the demo's own servers, as its servers file declares them, on books of their own."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult
from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.toolbox import NotSent, OutcomeUnknown, ServerRefused
from contracts.model import Model
from contracts.roster import Roster
from contracts.tools import Delivered, ToolDefinition
from demo.mcp_servers.compliance import server as compliance
from demo.mcp_servers.compliance.journal import Journal
from demo.mcp_servers.crm import server as crm
from demo.mcp_servers.crm.cards import CardIndex
from demo.mcp_servers.housekeeping import server as housekeeping
from demo.mcp_servers.housekeeping.board import Board
from demo.mcp_servers.payments import server as payments
from demo.mcp_servers.payments.ledger import PaymentLedger
from demo.mcp_servers.property import server as property_
from demo.mcp_servers.property.register import Register
from policies.engine import PolicyEngine
from tests.authority import NOBODY
from tests.doubles import RecordingToolbox, ScriptedClaude, says
from tests.story import Story, StoryRun, a_story
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import published
from workers.resources.mcp_connections.results import of_tool
from workers.resources.servers_file import ServerDeclaration, load_servers
from workers.settings import REPOSITORY

ELENA: dict[str, Any] = {
    "guest_email": "elena.marchetti@example.com",
    "guest_name": "Elena Marchetti",
    "amount": 45_050,
    "payment_method_id": "PM-elena-visa",
    "idempotency_token": "desk-7f3a",
    "room_number": "204",
    "booking_number": "B-2041",
}
"""What the front desk asks for when Elena leaves."""
JONAS: dict[str, Any] = {
    "guest_email": "jonas.lindqvist@example.com",
    "guest_name": "Jonas Lindqvist",
    "amount": 212_400,
    "payment_method_id": "PM-jonas-amex",
    "idempotency_token": "desk-81c0",
    "booking_number": "B-2042",
}
"""He came ten days ago, and was to stay two more."""
AIKO: dict[str, Any] = {
    "guest_email": "aiko.tanaka@example.com",
    "guest_name": "Aiko Tanaka",
    "amount": 316_000,
    "payment_method_id": "PM-aiko-visa",
    "idempotency_token": "desk-90d2",
    "room_number": "118",
}
"""She came long ago, and should have left five days ago. Nobody hopes for more business from her."""
RUTH: dict[str, Any] = {
    "guest_email": "ruth.abelson@example.com",
    "guest_name": "Ruth Abelson",
    "amount": 44_700,
    "payment_method_id": "PM-ruth-mastercard",
    "idempotency_token": "desk-3b77",
}
"""She has two rooms, which cost the same."""

Ask = Callable[[], Awaitable[Delivered]]
Fault = Callable[[Ask], Awaitable[Delivered]]
"""What becomes of one call; it may ask the server, or not."""
Faults = Mapping[str, Fault | Sequence[Fault | None]]
"""Tool -> what becomes of its calls, one after the other; None is nothing, and so is the end."""
NO_FAULTS: Faults = {}


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


class Books(Model):
    """What of one stay stands in the servers' own databases."""

    booking: str = "in_house"
    room: str = "clean"
    open_tasks: int = 0
    opportunity: str = "open"
    reserved_cents: int = 0
    captured_cents: int = 0
    entries: int = 0
    """Of the compliance log, those that no reversal was written for."""


UNTOUCHED = Books()
CLOSED = Books(
    booking="checked_out", room="cleaning", open_tasks=1, opportunity="won", captured_cents=ELENA["amount"], entries=1
)
"""Elena has left, and everything is done once."""

_PAID = "SELECT coalesce(sum(cents), 0) FROM authorisations WHERE booking_number = :booking AND status = "
_READ = {
    "booking": ("property", "SELECT status FROM bookings WHERE booking_number = :booking"),
    "room": (
        "property",
        "SELECT rooms.status FROM rooms JOIN bookings USING (room_number) WHERE booking_number = :booking",
    ),
    "open_tasks": ("housekeeping", "SELECT count(*) FROM tasks WHERE status = 'open'"),
    "opportunity": ("crm", "SELECT coalesce(max(stage), 'none') FROM opportunities WHERE booking_number = :booking"),
    "reserved_cents": ("payments", f"{_PAID} 'authorised'"),
    "captured_cents": ("payments", f"{_PAID} 'captured'"),
    "entries": (
        "compliance",
        "SELECT coalesce(sum(iif(kind = 'checkout', 1, -1)), 0) FROM entries WHERE booking_number = :booking",
    ),
}
_EVER = {
    "authorisations": ("payments", "SELECT count(*) FROM authorisations"),
    "tasks": ("housekeeping", "SELECT count(*) FROM tasks"),
    "entries": ("compliance", "SELECT count(*) FROM entries WHERE kind = 'checkout'"),
    "reversals": ("compliance", "SELECT count(*) FROM entries WHERE kind = 'reversal'"),
}


def in_turn_of(fault: Fault | Sequence[Fault | None]) -> list[Fault | None]:
    """One fault, or each in its turn."""
    return [*fault] if isinstance(fault, Sequence) else [fault]


def books_in(data: Path, booking: str) -> Books:
    """What stands in the books of this folder."""
    return Books.model_validate({name: read(data, *where, booking) for name, where in _READ.items()})


def reserved_in(data: Path, booking: str) -> int:
    """What is reserved for a stay: of the payments' own books alone, as other servers may not have begun any yet."""
    return int(read(data, *_READ["reserved_cents"], booking))


def read(data: Path, server: str, query: str, booking: str = "") -> Any:
    """One value of a server's books, by a query that may name the `:booking`."""
    with closing(sqlite3.connect(f"file:{data / server}.db?mode=ro", uri=True)) as connection:  # makes no book
        return connection.execute(query, {"booking": booking}).fetchone()[0]


@dataclass
class Hotel(RecordingToolbox):
    """The demo's servers as a toolbox: what they publish, what the servers file says of it, and what they answer.

    `faults`: tool -> what becomes of its calls, one after the other; None is nothing, and so is the end of the list.
    """

    data: Path = Path()
    faults: dict[str, list[Fault | None]] = field(default_factory=dict)
    known: Mapping[str, ToolDefinition] = field(default_factory=dict)
    _servers: Mapping[str, MCPServer] = field(default_factory=dict)

    @classmethod
    async def at(cls, data: Path, faults: Faults = NO_FAULTS) -> "Hotel":
        """The hotel whose books lie in this folder; `{"payments.capture": says_no}` is a fault of its first call."""
        return cls.over(data, _built(data), await _definitions(), faults)

    @classmethod
    def over(
        cls, data: Path, servers: Mapping[str, MCPServer], known: Mapping[str, ToolDefinition], faults: Faults
    ) -> Self:
        """Any of the demo's servers, over their books in this folder."""
        return cls(
            answers=dict.fromkeys(known),
            classes={name: tool.effect_class for name, tool in known.items()},
            data=data,
            faults={name: in_turn_of(fault) for name, fault in faults.items()},
            known=known,
            _servers=servers,
        )

    def _definition(self, server: str, name: str) -> ToolDefinition:
        return self.known[name]

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Record the call; then the server answers, unless a fault is due."""
        name = f"{tool.server}.{tool.name}"
        self.called.append(name)
        self.arguments.append(arguments)
        self.keys.append(key)
        await self._held(name)
        due = self.faults.get(name, [])
        fault = due.pop(0) if due else None
        sent = {**arguments, tool.key.argument: key} if tool.key and tool.key.argument else arguments

        async def ask() -> Delivered:
            return await answered_by(self._servers[tool.server], tool.name, sent)

        return await fault(ask) if fault else await ask()

    def books(self, booking: str = ELENA["booking_number"]) -> Books:
        """What stands there now, straight from the files."""
        return books_in(self.data, booking)

    def ever(self) -> dict[str, int]:
        """How often each kind of thing was ever made, whatever became of it."""
        return {name: int(read(self.data, *where)) for name, where in _EVER.items()}


@dataclass
class Checkout:
    """A checkout under way, and the world around it."""

    run: StoryRun
    story: Story
    hotel: Hotel

    def undos(self) -> list[str]:
        """What was called to undo something, in order."""
        return [name for name in self.hotel.effects() if _PUBLISHED[name].undoes is not None]


@contextmanager
def a_folder() -> Iterator[Path]:
    """The books as they are at first start."""
    with TemporaryDirectory() as folder:
        for name, content in _first_books().items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


@asynccontextmanager
async def a_hotel(
    environment: WorkflowEnvironment,
    faults: Faults = NO_FAULTS,
    policy: PolicyEngine | None = None,
    roster: Roster = NOBODY,
) -> AsyncIterator[tuple[Story, Hotel]]:
    """A story in which nobody has come or left yet."""
    with a_folder() as data:
        hotel = await Hotel.at(data, faults)
        nobody = ScriptedClaude([says("nobody asks")])
        async with a_story(environment, nobody, hotel, policy=policy, roster=roster) as story:
            yield story, hotel


@asynccontextmanager
async def a_checkout(
    environment: WorkflowEnvironment,
    asked: dict[str, Any] = ELENA,
    *,
    faults: Faults = NO_FAULTS,
    policy: PolicyEngine | None = None,
    held: str = "",
    automation: str = "guest_checkout",
) -> AsyncIterator[Checkout]:
    """A story of one checkout, or of `automation`; calls of the tool `held` are held from the beginning."""
    async with a_hotel(environment, faults, policy) as (story, hotel):
        if held:
            hotel.holding(held)
        yield Checkout(await story.start(automation, **asked), story, hotel)


_PUBLISHED: dict[str, ToolDefinition] = {}
"""`server.tool` -> its definition; what is published does not depend on any books."""


async def _definitions() -> dict[str, ToolDefinition]:
    if not _PUBLISHED:
        with a_folder() as data:
            _PUBLISHED.update(await published_by(_built(data)))
    return _PUBLISHED


async def published_by(servers: Mapping[str, MCPServer]) -> dict[str, ToolDefinition]:
    """What these servers of the demo publish, with what the servers file says of it."""
    found = {}
    for name, server in servers.items():
        tools = {tool.name: tool for tool in await server.list_tools()}
        whole = {tool.name: published(name, tool, server.instructions) or {} for tool in tools.values()}
        for definition in definitions_of(declared()[name], Listing(tools, whole, False, 3600)):
            found[f"{name}.{definition.name}"] = definition
    return found


@cache
def declared() -> dict[str, ServerDeclaration]:
    """The servers file of the demo; how its servers are reached does not matter here."""
    names = ("PYTHON", "PYTHONPATH", "INTERLOCK_DEMO_DATA")
    reached = {**dict.fromkeys(names, "unused"), **_URLS}
    return {server.name: server for server in load_servers(REPOSITORY / "demo" / "servers.toml", reached)}


_URLS = dict.fromkeys(("INTERLOCK_DEMO_PAYMENTS_URL", "INTERLOCK_DEMO_MAIL_URL"), "http://unused/mcp")


def _built(data: Path) -> dict[str, MCPServer]:
    """The servers that a checkout needs, over these books."""
    return {
        "property": property_.build_server(Register(data)),
        "payments": payments.build_server(PaymentLedger.open(data), payments.AnswerHold(None)),
        "housekeeping": housekeeping.build_server(Board(data)),
        "crm": crm.build_server(CardIndex(data)),
        "compliance": compliance.build_server(Journal(data)),
    }


@cache
def _first_books() -> dict[str, bytes]:
    """Name of each file -> its content, made once for each process."""
    with TemporaryDirectory() as folder:
        _built(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


async def answered_by(server: MCPServer, tool: str, arguments: dict[str, JsonValue]) -> Delivered:
    """What a server in this process answers, as the toolbox would deliver it."""
    try:
        result = await server.call_tool(tool, arguments)
    except ToolError as error:
        return Delivered(is_error=True, content=str(error))
    assert isinstance(result, CallToolResult)
    return of_tool(result)

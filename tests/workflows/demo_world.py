"""Every server of the demo as one toolbox: as its servers file declares it, over books that lie in one folder."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp.server import MCPServer

from activities.toolbox import UnknownServer
from contracts.servers import ServerRules
from contracts.tools import ToolDefinition
from tests.demo.test_mcp_servers import SERVERS
from tests.doubles import GENEROUS
from tests.workflows.hotel_world import NO_FAULTS, Faults, Hotel
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import published
from workers.resources.servers_file import ServerDeclaration, load_servers
from workers.settings import REPOSITORY

Row = tuple[tuple[str, Any], ...]
"""Columns and values."""
Rows = dict[str, list[Row]]
"""`server.table` -> all its rows."""

_FROM_OUTSIDE = ("PYTHON", "PYTHONPATH", "INTERLOCK_DEMO_DATA")
_URLS = ("INTERLOCK_DEMO_PAYMENTS_URL", "INTERLOCK_DEMO_MAIL_URL")
_KNOWN: dict[str, ToolDefinition] = {}
"""`server.tool` -> its definition; what is published does not depend on any books."""


@dataclass
class DemoServers(Hotel):
    """The servers of the demo, all of them; a fault may be due at any call, as in the hotel."""

    @classmethod
    async def at(cls, data: Path, faults: Faults = NO_FAULTS) -> "DemoServers":
        """Those whose books lie in this folder."""
        servers = _built(data)
        known = await _known(servers)
        return cls(
            answers=dict.fromkeys(known),
            classes={name: tool.effect_class for name, tool in known.items()},
            data=data,
            faults={name: [fault] if callable(fault) else [*fault] for name, fault in faults.items()},
            _servers=servers,
        )

    def rules(self, server: str) -> ServerRules:
        """What the servers file says of plans, and generous limits. Raises UnknownServer."""
        if server not in self._servers:
            raise UnknownServer(f"no server {server!r} is declared")
        return GENEROUS.model_copy(update={"plans": _declared()[server].as_rules().plans})

    def _definition(self, server: str, name: str) -> ToolDefinition:
        return _KNOWN[name]


async def definitions() -> dict[str, ToolDefinition]:
    """`server.tool` -> how the tool is known to a worker of the demo."""
    with a_folder() as data:
        return await _known(_built(data))


async def _known(servers: Mapping[str, MCPServer]) -> dict[str, ToolDefinition]:
    if not _KNOWN:
        for name, declared in _declared().items():
            for definition in definitions_of(declared, await _listing(name, servers[name])):
                _KNOWN[f"{name}.{definition.name}"] = definition
    return _KNOWN


def _built(data: Path) -> dict[str, MCPServer]:
    return {name: build(data) for name, build in SERVERS.items()}


async def _listing(name: str, server: MCPServer) -> Listing:
    tools = {tool.name: tool for tool in await server.list_tools()}
    whole = {tool.name: published(name, tool, server.instructions) or {} for tool in tools.values()}
    return Listing(tools, whole, False, 3600)


@cache
def _declared() -> dict[str, ServerDeclaration]:
    """The servers file of the demo; how its servers are reached does not matter here."""
    reached = {**dict.fromkeys(_FROM_OUTSIDE, "unused"), **dict.fromkeys(_URLS, "http://unused/mcp")}
    return {server.name: server for server in load_servers(REPOSITORY / "demo" / "servers.toml", reached)}


@contextmanager
def a_folder() -> Iterator[Path]:
    """The books of every server as they are at first start."""
    with TemporaryDirectory() as folder:
        put_books(Path(folder))
        yield Path(folder)


def put_books(folder: Path) -> None:
    """Write the first books into a folder."""
    for name, content in _first_books().items():
        (folder / name).write_bytes(content)


@cache
def _first_books() -> dict[str, bytes]:
    """Name of each file -> its content, made once for each process."""
    with TemporaryDirectory() as folder:
        _built(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def rows_in(data: Path) -> Rows:
    """Everything that stands in the books, straight from the files."""
    found: Rows = {}
    for path in sorted(data.glob("*.db")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found[f"{path.stem}.{table}"] = _rows(connection, table)
    return found


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    asked = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in asked.description]
    return [tuple(zip(names, row, strict=True)) for row in asked]

"""The Toolbox of a worker: every declared server behind one door."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from activities.toolbox import UnknownServer
from contracts.servers import ServerRules
from contracts.tools import Delivered, ToolDefinition
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.exchange import exchanged
from workers.resources.mcp_connections.failures import not_reachable
from workers.resources.mcp_connections.isolation import isolated
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.ways import Way, way_to
from workers.resources.servers_file import ServerDeclaration


class McpConnections:
    """Connections to the declared servers, opened when first needed."""

    def __init__(
        self,
        servers: Sequence[ServerDeclaration],
        *,
        private_dir: Path,
        log_dir: Path,
        open_seconds: float = 30.0,
    ) -> None:
        """`private_dir` holds a home folder per stdio server, `log_dir` what each writes to stderr."""
        self._declared = {server.name: server for server in servers}
        self._rules = {server.name: server.as_rules() for server in servers}
        self._open_seconds = open_seconds
        self._ways: dict[str, Way] = {
            server.name: way_to(server, private_dir, log_dir, open_seconds) for server in servers
        }

    def servers(self) -> tuple[str, ...]:
        """Names of the declared servers, in the order of the file."""
        return tuple(self._declared)

    def rules(self, server: str) -> ServerRules:
        """What the servers file says of the server as a whole. Raises UnknownServer."""
        return self._rules[self._declaration(server).name]

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """The server's tools and resources, sorted by name. Raises UnknownServer, NotSent."""
        return definitions_of(self._declaration(server), await self._listing(server))

    def remembered(self, server: str) -> tuple[ToolDefinition, ...]:
        """As last listed, whatever is known of the server since. Raises UnknownServer."""
        declaration, listing = self._declaration(server), self._ways[server].remembered
        return definitions_of(declaration, listing) if listing is not None else ()

    async def probe(self, server: str) -> None:
        """Ask for the server's tools anew, over a new connection where the last has died.

        Raises UnknownServer, NotSent.
        """
        self._declaration(server)
        self._ways[server].expire()
        await self._listing(server)

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Send one call. Raises UnknownServer, NotSent, ServerRefused, OutcomeUnknown."""
        most = self.rules(tool.server).limits.arguments
        return await exchanged(self._ways[tool.server], tool, arguments, key, most)

    async def aclose(self) -> None:
        """Close every connection and end every process, within a bounded time."""
        await asyncio.gather(*(way.aclose() for way in self._ways.values()))

    def _declaration(self, server: str) -> ServerDeclaration:
        if server not in self._declared:
            known = ", ".join(self._declared) or "none"
            raise UnknownServer(f"no server {server!r} is declared; declared are: {known}; add it to the servers file")
        return self._declared[server]

    async def _listing(self, server: str) -> Listing:
        try:
            return await isolated(self._ways[server].listing(), self._open_seconds)
        except Exception as error:  # noqa: BLE001 - a listing changes nothing, so any failure of it may be repeated
            not_reachable(server, error)

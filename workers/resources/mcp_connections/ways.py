"""The ways to a server: over stdio one process; over HTTP one session or, in the modern era, a client per call."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

import httpx2
from mcp import Client, MCPError
from mcp.client import Transport
from mcp.client.caching import CacheConfig
from mcp.client.session import IncomingMessage
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp_types import DiscoverResult, Implementation, ToolListChangedNotification

from activities.toolbox import Health, NotSent
from workers.resources.credentials import Credential, CredentialMissing
from workers.resources.itself import WORKER
from workers.resources.mcp_connections.connection import Connection
from workers.resources.mcp_connections.failures import worth_reopening
from workers.resources.mcp_connections.http_containment import ContainingTransport
from workers.resources.mcp_connections.listing import Listing, OneTool, listed
from workers.resources.mcp_connections.stdio_pipe import stdio_pipe
from workers.resources.servers_file import ServerDeclaration

_WE = Implementation(name=WORKER, version="0.1.0")
_MODERN = "2026-07-28"
_HTTP_TIMEOUT = httpx2.Timeout(connect=10, write=30, pool=30, read=None)
"""How long an answer may take is the tool's own timeout, not the connection's."""

_TELEMETRY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED")
"""Where traces go is no secret; the headers of an exporter may be one, and stay here."""

_HTTP_LIMITS = httpx2.Limits(max_connections=256, max_keepalive_connections=32)


class Way(Protocol):
    """How calls reach one server."""

    remembered: Listing | None
    """As last listed, fresh or not; None before the first time."""

    def client(self, tool: str) -> AbstractAsyncContextManager[Client]:
        """An open client for one call of `tool`. Raises NotSent."""

    async def listing(self) -> Listing:
        """What the server publishes, asked again when stale. Raises NotSent and whatever the SDK raises."""

    def expire(self) -> None:
        """What was listed may be so no longer: the next listing asks the server."""

    async def reconsider(self, client: Client) -> bool:
        """After a refusal that doubts session or era: whether sending once more goes another way."""

    async def aclose(self) -> None:
        """Close everything, within a bounded time."""


class StdioWay:
    """One process, spoken to by all calls, started anew after its death."""

    def __init__(
        self, server: ServerDeclaration, credential: Credential | None, private: Path, logs: Path, open_seconds: float
    ) -> None:
        self._server = server
        self._credential = credential
        self._home = private / "homes" / server.name
        self._log_path = logs / f"{server.name}.log"
        self.remembered: Listing | None = None
        self._connection = Connection(server.name, self._open, self._greet, open_seconds)

    def client(self, tool: str) -> AbstractAsyncContextManager[Client]:
        """The shared client."""
        return self._connection.use()

    async def listing(self) -> Listing:
        """As last listed over this process, or over a new one."""
        async with self._connection.use() as client:
            if self.remembered is None or not self.remembered.fresh:
                self.remembered = await listed(self._server.name, client)
            return self.remembered

    def expire(self) -> None:
        """Also when the server says that its tools have changed."""
        if self.remembered:
            self.remembered.expire()

    async def reconsider(self, client: Client) -> bool:
        """A process neither loses its session nor changes its era."""
        return False

    async def aclose(self) -> None:
        """End the process."""
        await self._connection.aclose()

    @asynccontextmanager
    async def _open(self, ended: Callable[[], None]) -> AsyncIterator[Client]:
        assert self._server.command
        with self._log() as log:
            pipe = stdio_pipe(self._server.command, self._environment(), log, ended, self._server.limits.answer)
            async with _shared_client(pipe, self._server, self.expire) as client:
                yield client

    async def _greet(self, client: Client) -> None:
        # Listing through this very client lets the SDK check results without asking again.
        self.remembered = await listed(self._server.name, client)

    def _environment(self) -> dict[str, str]:
        """The SDK's minimal set, where traces go, a home of its own, what the file declares, its own credential."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        telemetry = {name: os.environ[name] for name in _TELEMETRY if name in os.environ}
        environment = get_default_environment() | telemetry | {"HOME": str(self._home)} | self._server.env
        if self._credential and self._server.env_name:
            environment[self._server.env_name] = _revealed(self._credential)
        return environment

    def _log(self) -> IO[bytes]:
        self._log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._log_path.open("ab")


class HttpWay:
    """An endpoint: its protocol era is found by probing once, and doubted again when the server says otherwise."""

    def __init__(
        self,
        server: ServerDeclaration,
        credential: Credential | None,
        open_seconds: float,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        assert server.url
        self._server = server
        self._url = server.url
        self._credential = credential
        self._discovered: DiscoverResult | None = None
        self.remembered: Listing | None = None
        inner = transport or httpx2.AsyncHTTPTransport(limits=_HTTP_LIMITS)
        self._http = httpx2.AsyncClient(
            transport=ContainingTransport(inner, self._credential_header, server.limits.answer),
            timeout=_HTTP_TIMEOUT,
            headers={"accept-encoding": "identity"},
        )
        self._connection = Connection(server.name, self._open, self._greet, open_seconds)

    @asynccontextmanager
    async def client(self, tool: str) -> AsyncIterator[Client]:
        """A client of its own in the modern era, where it costs nothing; else the shared session."""
        if self._discovered is None:
            await self._connection.open()
        if self._discovered is None:
            async with self._connection.use() as shared:
                yield shared
            return
        published = self.remembered.tools.get(tool) if self.remembered else None
        async with self._own_client(self._discovered, OneTool(published)) as own:
            await own.list_tools()  # served by OneTool
            yield own

    async def listing(self) -> Listing:
        """As last listed, or asked for now."""
        if self._stale() and (self._discovered is not None or not await self._listed_in_session()):
            # Begins with a listing, and in the modern era with discovering anew: the instructions stand there.
            await self._connection.open()
        assert self.remembered
        return self.remembered

    def _stale(self) -> bool:
        return self.remembered is None or not self.remembered.fresh

    async def _listed_in_session(self) -> bool:
        """Ask for the listing; False when the server no longer knows the session."""
        async with self.client("") as client:
            if not self._stale():
                return True
            try:
                self.remembered = await listed(self._server.name, client)
            except MCPError as error:
                if not worth_reopening(error):
                    raise
                self._connection.retire(client)
                return False
        return True

    def expire(self) -> None:
        """Also when the server says that its tools have changed."""
        if self.remembered:
            self.remembered.expire()

    async def reconsider(self, client: Client) -> bool:
        """Probe again: a lost session is opened anew; another era is another way."""
        if self._discovered is None:
            self._connection.retire(client)
            return True
        self._discovered = None
        await self._connection.open()
        return self._discovered is None

    async def aclose(self) -> None:
        """Leave the session, if there is one, and close the connections."""
        await self._connection.aclose()
        await self._http.aclose()

    @asynccontextmanager
    async def _open(self, ended: Callable[[], None]) -> AsyncIterator[Client]:
        transport = streamable_http_client(self._url, http_client=self._http, max_sse_event_size=None)
        async with _shared_client(transport, self._server, self.expire) as client:
            discovered = client.session.discover_result
            if discovered is None and self._server.protocol == _MODERN:
                other = f'server {self._server.name!r} does not speak {_MODERN}; set protocol = "auto"'
                raise NotSent(other, health=Health.HEALTHY)
            self._discovered = discovered
            if discovered is not None:
                ended()  # a client per call replaces this one
            yield client

    async def _greet(self, client: Client) -> None:
        self.remembered = await listed(self._server.name, client)

    def _own_client(self, discovered: DiscoverResult, store: OneTool) -> Client:
        return Client(
            # Sizes are bounded below, where a failure can be told from a cut.
            streamable_http_client(self._url, http_client=self._http, max_sse_event_size=None),
            mode=_MODERN,
            prior_discover=discovered,
            cache=CacheConfig(store=store, partition="worker", target_id=self._server.name),
            client_info=_WE,
        )

    def _credential_header(self) -> dict[str, str]:
        if self._credential is None:
            return {}
        value = self._credential.secret().reveal()
        return {self._server.header: f"{self._server.scheme} {value}".strip()}


def _shared_client(transport: Transport, server: ServerDeclaration, changed: Callable[[], None]) -> Client:
    async def heard(message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed()

    mode = "legacy" if server.protocol == "legacy" else "auto"
    return Client(transport, mode=mode, cache=None, client_info=_WE, message_handler=heard)


def _revealed(credential: Credential) -> str:
    try:
        return credential.secret().reveal()
    except CredentialMissing as error:
        raise NotSent(str(error), health=Health.UNTOLD) from None


def way_to(server: ServerDeclaration, private: Path, logs: Path, open_seconds: float) -> Way:
    """The way to this server. It is handed this server's credential and no other."""
    credential = Credential(server.credential, os.environ) if server.credential else None
    if server.transport == "stdio":
        return StdioWay(server, credential, private, logs, open_seconds)
    return HttpWay(server, credential, open_seconds)

"""The port through which the gate reaches MCP servers, and the three ways a call can fail to answer."""

from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

from contracts.servers import ServerRules
from contracts.tools import Delivered, ToolDefinition


class Health(StrEnum):
    """What it says of a server's health that nothing was sent."""

    UNHEALTHY = "unhealthy"
    HEALTHY = "healthy"
    """It answered, though not as we wished: too busy for us, refuses to be listed, publishes too much."""
    UNTOLD = "untold"
    """Nothing: the reason lies with us, such as a credential that is missing."""


class NotSent(Exception):
    """Nothing reached the server (DNS, connect, spawn, initialisation): trying again later is free."""

    def __init__(
        self, reason: str, retry_after_seconds: float | None = None, health: Health = Health.UNHEALTHY
    ) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.health = health


class ServerRefused(Exception):
    """The server answered that it will not do this (JSON-RPC invalid request or parameters, HTTP 4xx): final."""


class OutcomeUnknown(Exception):
    """Sent, and no answer (timeout, reset, server death, 5xx): only the effect class says what may follow."""


class UnknownServer(Exception):
    """No server of that name is declared in the servers file."""


class Toolbox(Protocol):
    """The declared MCP servers."""

    def servers(self) -> tuple[str, ...]:
        """Names of the declared servers, in the order of the file."""

    def rules(self, server: str) -> ServerRules:
        """What the operator says of the server as a whole. Raises UnknownServer."""

    async def definitions(self, server: str) -> tuple[ToolDefinition, ...]:
        """The server's tools in a stable order; its resources as the tools `resources/list` and `resources/read`.

        Raises UnknownServer, NotSent.
        """

    def remembered(self, server: str) -> tuple[ToolDefinition, ...]:
        """As `definitions`, as they were last listed; the server is not asked. Empty when nothing is remembered.

        Raises UnknownServer.
        """

    async def probe(self, server: str) -> None:
        """Ask the server for its tools anew, whatever is known of them; nothing changes there.

        Raises UnknownServer, NotSent.
        """

    async def call(self, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str) -> Delivered:
        """Send one call, with our idempotency key as the tool wants it (never as the model wrote it).

        Bounded by `tool.timeout_seconds`. Raises NotSent, ServerRefused, OutcomeUnknown.
        """

"""Connections to MCP servers for operators' commands, without a worker."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from activities.toolbox import Toolbox
from workers.resources.mcp_connections import McpConnections
from workers.resources.servers_file import ServerDeclaration
from workers.settings import Settings


@asynccontextmanager
async def open_toolbox(settings: Settings, servers: Sequence[ServerDeclaration]) -> AsyncIterator[Toolbox]:
    """Connections to these servers, as a worker with these settings has them."""
    toolbox = McpConnections(servers, private_dir=settings.data, log_dir=settings.data / "logs")
    try:
        yield toolbox
    finally:
        await toolbox.aclose()

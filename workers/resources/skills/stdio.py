"""Skills over standard input and output: the only caller there can be is the user of this machine."""

from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


async def serve_stdio(server: Server[Any]) -> None:
    """Until the client closes its end. What is printed meanwhile goes to standard error, as the SDK sees to."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())

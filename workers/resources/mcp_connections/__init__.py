"""The declared MCP servers over stdio and streamable HTTP, both protocol eras: the Toolbox of a worker."""

from workers.resources.mcp_connections.toolbox import McpConnections

__all__ = ["McpConnections"]

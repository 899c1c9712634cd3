"""How much may cross a connection to an MCP server, in either direction."""

ARGUMENT_BYTES = 64 * 1024
"""Arguments of one call, as JSON."""

ANSWER_BYTES = 4 * 1024 * 1024
"""One answer on the wire: a stdio line, an HTTP body, an SSE event."""

SCHEMA_BYTES = 64 * 1024
"""One input or output schema; a tool with a larger one is not offered."""

DEFINITION_BYTES = 256 * 1024
"""All that is published of one tool, with the server's instructions; a tool with more is not offered."""

TOOLS = 256
"""Tools of one server."""

PAGES = 100
"""Pages of one listing: a paginator that never ends cannot hang us."""

"""How much may cross a connection to an MCP server, in either direction."""

from contracts import servers

ARGUMENT_BYTES = servers.ARGUMENT_BYTES
"""Arguments of one call, as JSON; a server may be declared to take less."""

ANSWER_BYTES = servers.ANSWER_BYTES
"""One answer on the wire: a stdio line, an HTTP body, an SSE event; a server may be declared to give less."""

SCHEMA_BYTES = 64 * 1024
"""One input or output schema; a tool with a larger one is not offered."""

DEFINITION_BYTES = 256 * 1024
"""All that is published of one tool, with the server's instructions; a tool with more is not offered."""

TOOLS = 256
"""Tools of one server."""

PAGES = 100
"""Pages of one listing: a paginator that never ends cannot hang us."""

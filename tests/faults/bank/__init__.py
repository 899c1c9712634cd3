"""A bank that nobody kills: an MCP server that writes down every call that arrives and every effect it has."""

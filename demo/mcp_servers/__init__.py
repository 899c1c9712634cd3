"""The pretend systems of a company that sells goods and lets rooms, each an MCP server with its own database."""

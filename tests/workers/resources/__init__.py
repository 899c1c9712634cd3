"""The resources a worker binds: MCP connections, the Claude client, the servers file, credentials."""

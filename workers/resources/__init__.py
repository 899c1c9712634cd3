"""What a worker binds to the ports: the Claude client, MCP connections, the store, credentials, the clock."""

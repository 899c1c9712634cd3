"""The MCP server of the benchmark: pages of any size with values nobody can guess, and a ledger of entries."""

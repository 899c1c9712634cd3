"""Four pretend systems of a shop, each an MCP server with its own database: orders, payments, crm, mail."""

"""MCP servers that behave and misbehave on request; run as programs, never imported."""

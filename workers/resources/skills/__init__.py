"""Interlock as an MCP server: its automations as skills that MCP clients can start, over stdio and streamable HTTP."""

"""Start the MCP server: python -m benchmarks.mcp_server --port 8766 --seed anything."""

import argparse
import asyncio

from benchmarks.exchange import serve
from benchmarks.mcp_server.server import McpServer


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", required=True, help="what the codes are made from")
    options = parser.parse_args()
    asyncio.run(serve(McpServer(options.seed).handle, "127.0.0.1", options.port))


if __name__ == "__main__":
    main()

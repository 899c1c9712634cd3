"""Start the Messages API: python -m benchmarks.messages_api --port 8765."""

import argparse
import asyncio

from benchmarks.exchange import serve
from benchmarks.messages_api.server import MessagesApi


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.messages_api", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(serve(MessagesApi().handle, "127.0.0.1", options.port))


if __name__ == "__main__":
    main()

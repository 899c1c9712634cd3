"""Run the bank over HTTP."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path


def main() -> None:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.bank")
    parser.add_argument("--data", type=Path, required=True, help="folder of the journal")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slowest", type=float, default=0.2, help="seconds before and after an effect, at most")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    from tests.faults.bank.books import Books
    from tests.faults.bank.server import Pace, build_server

    server = build_server(Books(options.data), Pace(options.seed, options.slowest))
    asyncio.run(server.run_streamable_http_async(port=options.port, json_response=True))


if __name__ == "__main__":
    main()

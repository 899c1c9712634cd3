"""How a pretend system runs: its options, its one-line failures, over stdio or over HTTP."""

import argparse
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.mcp_servers.datafile import DataFileUnusable
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.telemetry import export_spans

if TYPE_CHECKING:  # the SDK takes most of the start-up time, so a program loads it last
    from mcp.server import MCPServer

# A withheld answer must not hold up the end of its server.
CLOSING_SECONDS = 1


class AddressTaken(Exception):
    """Somebody else listens where this server was told to."""


def options_of(name: str, purpose: str) -> argparse.ArgumentParser:
    """A parser with the option every pretend system has."""
    parser = argparse.ArgumentParser(prog=f"python -m demo.mcp_servers.{name}", description=purpose)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the database")
    return parser


def add_http_options(parser: argparse.ArgumentParser) -> None:
    """The options of a system that is reached over HTTP."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")


@contextmanager
def failing_in_one_line(name: str) -> Iterator[None]:
    """Log to stderr alone, and turn the failures an operator can mend into one line there."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=f"{name}: %(message)s")
    try:
        yield
    except (AddressTaken, DataFileUnusable, Refused) as failure:
        raise SystemExit(f"{name}: {failure}") from None


def serve_stdio(name: str, server: "MCPServer") -> None:
    """Answer over stdin and stdout until the caller closes them."""
    export_spans(f"demo-{name}")
    server.run("stdio")


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow happens; callers that come early wait in its queue."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {host}:{port}: {error}; choose another --port, or 0 for any") from error
    return listener


def serve_http(name: str, server: "MCPServer", listener: socket.socket) -> None:
    """Answer on /mcp and /health until SIGTERM or SIGINT."""
    import uvicorn

    host, port = listener.getsockname()[:2]
    _add_health(server)
    config = uvicorn.Config(
        server.streamable_http_app(host=host),
        log_level="warning",
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    export_spans(f"demo-{name}")
    # uvicorn raises the signal once more when it has closed; by then the end is a clean one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"{name}: listening on http://{host}:{port}/mcp", file=sys.stderr, flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def _add_health(server: "MCPServer") -> None:
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    server.custom_route("/health", methods=["GET"])(health)

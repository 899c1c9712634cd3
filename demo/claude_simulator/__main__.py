"""Start the simulator: python -m demo.claude_simulator --port 8765."""

import argparse
import asyncio
import signal

from demo.claude_simulator.server import Simulator


def main() -> None:
    options = _parser().parse_args()
    asyncio.run(_run(options.host, options.port, options.pace))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.claude_simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pace", type=float, default=0.0, metavar="SECONDS", help="between two streamed events")
    return parser


async def _run(host: str, port: int, pace_seconds: float) -> None:
    try:
        server = await asyncio.start_server(Simulator(pace_seconds).serve, host, port)
    except OSError as taken:
        raise SystemExit(f"cannot listen on {host}:{port}: {taken}; --port 0 takes a free one") from taken
    address, bound_port = server.sockets[0].getsockname()[:2]
    print(f"Claude simulator: http://{address}:{bound_port}", flush=True)
    told_to_stop = asyncio.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(told, told_to_stop.set)
    await told_to_stop.wait()
    server.close()


if __name__ == "__main__":
    main()

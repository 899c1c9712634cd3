"""Which ports to listen on: the usual one when it is free, a free one otherwise."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

LOCALHOST = "127.0.0.1"


def choose_ports(usual: Mapping[str, int]) -> dict[str, int]:
    """A port for every name. All are held until the last is found, so that no two names get the same one."""
    with ExitStack() as held:
        return {name: _hold(port, held) for name, port in usual.items()}


def _hold(port: int, held: ExitStack) -> int:
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As servers do it: a connection that is still closing does not make the usual port "taken".
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOCALHOST, port))
        listener.listen()
    except OSError:
        listener.bind((LOCALHOST, 0))
        listener.listen()
    return int(listener.getsockname()[1])

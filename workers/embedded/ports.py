"""Which ports to listen on: the usual one when it is free, another one otherwise."""

import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack

LOCALHOST = "127.0.0.1"
# Not those that systems lend to outgoing connections and to whoever asks for any port (32768 and up): such a one can
# be gone before its server listens, or while a killed server is started anew.
OTHER_PORTS = range(20_000, 32_000)
TRIED = 100


def choose_ports(usual: Mapping[str, int]) -> dict[str, int]:
    """A port for every name. All are held until the last is found, so that no two names get the same one."""
    with ExitStack() as held:
        return {name: _hold(port, held) for name, port in usual.items()}


def _hold(usual: int, held: ExitStack) -> int:
    for port in (usual, *random.sample(OTHER_PORTS, TRIED)):
        if (listener := _listening(port)) is not None:
            return int(held.enter_context(listener).getsockname()[1])
    raise OSError(f"neither port {usual} nor any of {TRIED} others is free; stop what holds them, then start again")


def _listening(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As servers do it: a connection that is still closing does not make the usual port "taken".
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOCALHOST, port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener

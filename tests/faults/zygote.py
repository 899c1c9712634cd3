"""A process that has everything imported and forks a worker on command, which then works within a second.

It has made no client, no thread and no event loop, so that its children can. It reads one order a line from stdin, and
tells on stdout, a line each: `born PID`, `ready PID`, `dead PID`. It ends with its stdin, and its workers with it.
"""

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress

from tests.faults.worker import Order, catalog, work

PR_SET_PDEATHSIG = 1
TOLD = 1
"""The descriptor of stdout."""


def say(line: str) -> None:
    """One line, whole."""
    os.write(TOLD, f"{line}\n".encode())


def main() -> None:
    """Fork on command until stdin ends."""
    catalog()
    gc.freeze()
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    say("zygote")
    pending = b""
    while True:
        readable, _, _ = select.select([0, woken.fileno()], [], [])
        if woken.fileno() in readable:
            woken.recv(4096)
            _tell_dead()
        if 0 in readable:
            read = os.read(0, 65536)
            if not read:
                return
            *orders, pending = (pending + read).split(b"\n")
            for order in orders:
                say(f"born {_fork(Order.model_validate(json.loads(order)))}")


def _tell_dead() -> None:
    with suppress(ChildProcessError):
        while (gone := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            say(f"dead {gone}")


def _fork(order: Order) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _tie_to(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asyncio.run(work(order, _own_descriptor(order)))
    except BaseException:  # noqa: BLE001 - whatever it was, it must not go on as a second zygote
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _tie_to(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _own_descriptor(order: Order) -> int:
    """Where to tell that the worker is ready. Everything else that it prints goes to the log."""
    told = os.dup(TOLD)
    log = os.open(order.folder / "workers.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    return told


if __name__ == "__main__":
    main()

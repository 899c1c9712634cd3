"""A process that has everything imported and forks workers and banks on command; they then work within a second.

It has made no client, no thread and no event loop, so that its children can. It reads one order a line from stdin, and
tells on stdout, a line each: `born PID`, `ready PID`, `dead PID`. It ends with its stdin, and its children with it.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn  # noqa: F401 - here, so that no bank must import it
from pydantic import TypeAdapter
from temporalio.worker._worker import load_default_build_id

from contracts.model import Model
from tests.faults.bank.books import Books
from tests.faults.bank.server import Pace, build_server
from tests.faults.dying import DyingOrder, work_until_dead
from tests.faults.worker import Order, catalog, work
from workers import event_loop

PR_SET_PDEATHSIG = 1
TOLD = 1
"""The descriptor of stdout."""


class BankOrder(Model):
    """What a new bank is told."""

    folder: Path
    port: int
    seed: int
    slowest: float


AnyOrder = Order | BankOrder | DyingOrder
_ORDERS: TypeAdapter[AnyOrder] = TypeAdapter(AnyOrder)


def say(line: str) -> None:
    """One line, whole."""
    os.write(TOLD, f"{line}\n".encode())


def main() -> None:
    """Fork on command until stdin ends."""
    catalog()
    load_default_build_id()  # a digest of every module, which the SDK would make anew in every child
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
                say(f"born {_fork(_ORDERS.validate_json(order))}")


def _tell_dead() -> None:
    with suppress(ChildProcessError):
        while (gone := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            say(f"dead {gone}")


def _fork(order: AnyOrder) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _tie_to(parent)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        event_loop.run(_life(order, _own_descriptor(order.folder)))
    except BaseException:  # noqa: BLE001 - whatever it was, it must not go on as a second zygote
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _life(order: AnyOrder, told: int) -> Coroutine[Any, Any, None]:
    match order:
        case Order():
            return work(order, told)
        case DyingOrder():
            return work_until_dead(order, told)
        case BankOrder():
            return _bank(order)


async def _bank(order: BankOrder) -> None:
    server = build_server(Books(order.folder), Pace(order.seed, order.slowest))
    await server.run_streamable_http_async(port=order.port, json_response=True)


def _tie_to(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _own_descriptor(folder: Path) -> int:
    """Where to tell that the child is ready. Everything else that it prints goes to a log."""
    told = os.dup(TOLD)
    log = os.open(folder / "workers.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    return told


if __name__ == "__main__":
    main()

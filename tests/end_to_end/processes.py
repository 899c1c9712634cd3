"""Processes as tests see them: run one for what it prints, kill one by its pid, and wait until something is so."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from tests.ports import usual_ports_to_myself
from workers.embedded.plan import USUAL_PORTS
from workers.embedded.ports import LOCALHOST

REPOSITORY = Path(__file__).parents[2]
INTERLOCK = (sys.executable, "-P", "-m", "cli.main")
PATIENCE = timedelta(seconds=30)


async def kill(pid: int) -> None:
    """kill -9 one process that we started, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_running(pid), f"process {pid} is gone")


def is_running(pid: int) -> bool:
    """Whether the process does anything still; one that is only not yet reaped does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(parent: int, of_command: str = "") -> list[int]:
    """Pids of the children whose command line has `of_command` in it."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return [pid for pid in found if of_command in _command_of(pid)]


def _command_of(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


async def until(so: Callable[[], bool | Awaitable[bool]], what: str, within: timedelta = PATIENCE) -> None:
    """Once it is so. Fails with `what` after a bounded wait."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            while True:
                now = so()
                if now if isinstance(now, bool) else await now:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within}: {what}") from None


def with_our_packages(environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """`environ`, in which our packages are found from any folder."""
    return {**environ, "PYTHONPATH": str(REPOSITORY)}


class Said(NamedTuple):
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


async def said_by(*command: str, environment: Mapping[str, str] | None = None, folder: Path = REPOSITORY) -> Said:
    """How a program ends, well or not. Fails when it does not end."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise AssertionError(f"{command} did not end within {PATIENCE}") from None
    assert process.returncode is not None
    return Said(process.returncode, out.decode().strip(), err.decode().strip())


async def output_of(*command: str, environment: Mapping[str, str] | None = None, folder: Path = REPOSITORY) -> str:
    """What a program printed. Fails with everything it said when it exits with an error."""
    said = await said_by(*command, environment=environment, folder=folder)
    assert said.code == 0, f"{command} exited with {said.code}: {said.err}{said.out}"
    return said.out


@contextmanager
def usual_ports_taken() -> Iterator[None]:
    """So that setups on one machine do not race for the same ports."""
    with usual_ports_to_myself(), ExitStack() as taken:
        for port in USUAL_PORTS.values():
            with suppress(OSError):
                taken.enter_context(socket.create_server((LOCALHOST, port)))
        yield

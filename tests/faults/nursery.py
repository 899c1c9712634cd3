"""The one process that forks every worker and every bank: started once, used by all lanes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.processes import REPOSITORY
from tests.faults.zygote import AnyOrder
from workers.embedded import tether

ENDING_SECONDS = 30
WAITED = timedelta(seconds=90)

Heard = Callable[[str, int], None]
"""Is told `born`, `ready` and `dead` of a child, with its pid."""


class Child:
    """A program that ends with this process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *command: str, log: Path, piped: bool = False) -> "Child":
        """Start it, tied to this process; with pipes for stdin and stdout, or without."""
        tied = (sys.executable, "-I", "-S", str(tether.__file__), str(os.getpid()), *command)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OTEL_SDK_DISABLED": "true"}
        with log.open("ab") as err:
            process = await asyncio.create_subprocess_exec(
                *tied,
                stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if piped else err.fileno(),
                stderr=err.fileno(),
                env=environment,
                cwd=REPOSITORY,
            )
        return cls(process)

    async def end(self, number: int = signal.SIGKILL) -> None:
        """End it, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(ENDING_SECONDS):
            await self.process.wait()


class Nursery:
    """Forks children on order, and tells of their births and deaths."""

    def __init__(self, zygote: Child, log: Path) -> None:
        assert zygote.process.stdin is not None and zygote.process.stdout is not None
        self._stdin, self._stdout, self._log = zygote.process.stdin, zygote.process.stdout, log
        self._ordered: list[Heard] = []
        self._born: dict[int, Heard] = {}
        self._early: dict[int, list[str]] = {}
        """What was told of children before their birth was."""
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Once it takes orders."""
        async with asyncio.timeout(WAITED.total_seconds()):
            first = await self._stdout.readline()
        assert first == b"zygote\n", f"the zygote did not start: {self._log.read_text()[-2000:]}"
        self._listening = asyncio.create_task(self._listen())

    def fork(self, order: AnyOrder, heard: Heard) -> None:
        """Order a child."""
        self._ordered.append(heard)
        self._stdin.write(order.model_dump_json().encode() + b"\n")

    def check(self) -> None:
        """Fails when it has ended."""
        if self._listening is not None and self._listening.done():
            self._listening.result()
            raise AssertionError(f"the zygote has ended: {self._log.read_text()[-2000:]}")

    async def _listen(self) -> None:
        while line := await self._stdout.readline():
            what, _, told = line.decode().partition(" ")
            pid = int(told)
            if what == "born":
                self._born[pid] = self._ordered.pop(0)
                for each in ("born", *self._early.pop(pid, [])):
                    self._tell(each, pid)
            elif pid in self._born:
                self._tell(what, pid)
            else:
                self._early.setdefault(pid, []).append(what)

    def _tell(self, what: str, pid: int) -> None:
        heard = self._born.pop(pid) if what == "dead" else self._born[pid]
        heard(what, pid)


@asynccontextmanager
async def a_nursery() -> AsyncIterator[Nursery]:
    """Open for the time of the block; its children end with it."""
    with TemporaryDirectory(prefix="faults-zygote-") as folder:
        log = Path(folder) / "log"
        zygote = await Child.start(sys.executable, "-m", "tests.faults.zygote", log=log, piped=True)
        try:
            nursery = Nursery(zygote, log)
            await nursery.open()
            yield nursery
        finally:
            await zygote.end()

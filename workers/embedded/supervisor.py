"""Starts programs, restarts the ones that die, and stops them all: none outlives this process."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from workers.embedded.program import LogSection, Program
from workers.embedded.running import RunningProcess

TETHER = Path(__file__).with_name("tether.py")
FIRST_PAUSE_SECONDS = 0.2  # doubled with every further death


class ProgramFailed(Exception):
    """A program cannot be started or kept alive. The message ends with what it wrote last."""

    def __init__(self, name: str, problem: str, log: LogSection) -> None:
        written = log.tail() or "(it wrote nothing)"
        super().__init__(f"{name} {problem}; its last lines in {str(log.file)!r}:\n{written}")


class ProgramDied(ProgramFailed):
    """It ended before it was ready."""


class ProgramNotReady(ProgramFailed):
    """It runs, but did not become ready in time."""


class ProgramKeepsDying(ProgramFailed):
    """It was restarted as often as is reasonable."""


@dataclass(frozen=True)
class RestartLimit:
    """So many deaths within this time, and the program is given up."""

    deaths: int = 5
    within: timedelta = timedelta(seconds=30)


USUAL_LIMIT = RestartLimit()


@dataclass
class Child:
    """A program and the process that runs it at the moment."""

    program: Program
    process: asyncio.subprocess.Process
    log: LogSection
    died_at: list[float] = field(default_factory=list)

    def running(self) -> RunningProcess:
        return RunningProcess(
            name=self.program.name, pid=self.process.pid, log=self.log.file, restarts=len(self.died_at)
        )

    def deaths_within(self, span: timedelta) -> int:
        return sum(died >= time.monotonic() - span.total_seconds() for died in self.died_at)

    def kill_group(self) -> None:
        """The process and what it left behind in its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """The children of this process, in the order of their start."""

    def __init__(
        self,
        logs: Path,
        report: Callable[[str], None],
        restarted: Callable[[], None],
        limit: RestartLimit = USUAL_LIMIT,
        inherited: Sequence[int] = (),
    ) -> None:
        self._logs = logs
        self._report = report
        self._restarted = restarted
        self._limit = limit
        self._inherited = tuple(inherited)
        self._children: list[Child] = []
        self._hurry = asyncio.Event()

    def running(self) -> tuple[RunningProcess, ...]:
        return tuple(child.running() for child in self._children)

    async def start(self, programs: Sequence[Program]) -> None:
        """Starts these side by side; returns when all are ready. One that dies meanwhile fails the start."""
        started = [await self._start(program) for program in programs]
        await _together([self._until_ready(child) for child in started])

    async def keep_alive(self) -> None:
        """Restarts what dies; ends only by cancellation, or with ProgramKeepsDying."""
        await _together([self._keep_alive(child) for child in self._children])

    async def stop(self) -> None:
        """Last started, first stopped: asked to end, and killed when it takes too long."""
        for child in reversed(self._children):
            await self._stop(child)

    def hurry(self) -> None:
        """Whoever stops, or will stop, does not wait any longer."""
        self._hurry.set()

    async def _start(self, program: Program) -> Child:
        log = self._logs / f"{program.name}.log"
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        child = Child(program, *await self._spawn(program))
        self._children.append(child)
        return child

    async def _spawn(self, program: Program) -> tuple[asyncio.subprocess.Process, LogSection]:
        # The kernel's tie is to the thread that spawns: when that ends, the child is killed.
        assert threading.current_thread() is threading.main_thread(), "spawn from the main thread"
        with (self._logs / f"{program.name}.log").open("ab") as log:
            section = LogSection(Path(log.name), log.tell())
            tether = (sys.executable, "-I", "-S", str(TETHER), str(os.getpid()))
            process = await asyncio.create_subprocess_exec(
                *tether,
                *program.argv,
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we stop them in order
                pass_fds=self._inherited,
            )
        return process, section

    async def _until_ready(self, child: Child) -> None:
        program = child.program
        ready = asyncio.ensure_future(program.ready.until_ready(child.log))
        death = asyncio.ensure_future(child.process.wait())
        try:
            patience = program.ready_within.total_seconds()
            await asyncio.wait({ready, death}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
            elif death.done():
                raise ProgramDied(program.name, f"{_ending(child)} before it was ready", child.log)
            else:
                raise ProgramNotReady(program.name, f"was not ready within {patience:g} s", child.log)
        finally:
            ready.cancel()
            death.cancel()

    async def _keep_alive(self, child: Child) -> None:
        while True:
            await child.process.wait()
            child.kill_group()
            child.died_at.append(time.monotonic())
            deaths = child.deaths_within(self._limit.within)
            if deaths >= self._limit.deaths:
                often = f"{deaths} times within {self._limit.within.total_seconds():g} s"
                raise ProgramKeepsDying(child.program.name, f"keeps dying ({often}); it {_ending(child)}", child.log)
            self._report(f"{child.program.name} (pid {child.process.pid}) {_ending(child)}; restarting it")
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (deaths - 1))
            await self._restart(child)

    async def _restart(self, child: Child) -> None:
        child.process, child.log = await self._spawn(child.program)
        self._restarted()
        try:
            await self._until_ready(child)
        except ProgramDied:
            return  # the caller sees its death, and counts it
        except ProgramNotReady:
            child.kill_group()
        else:
            self._report(f"{child.program.name} runs again (pid {child.process.pid})")

    async def _stop(self, child: Child) -> None:
        with suppress(ProcessLookupError):
            child.process.terminate()
        gone = asyncio.ensure_future(child.process.wait())
        hurry = asyncio.ensure_future(self._hurry.wait())
        patience = child.program.stops_within.total_seconds()
        await asyncio.wait({gone, hurry}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        child.kill_group()
        await gone


def _ending(child: Child) -> str:
    code = child.process.returncode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with {code}"


async def _together(work: Sequence[Coroutine[None, None, None]]) -> None:
    """Side by side; the first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None

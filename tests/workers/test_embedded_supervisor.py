"""The supervisor: what it starts is ready, what dies comes back or is named, what it stops is gone."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from workers.embedded.polling import until
from workers.embedded.program import Program, ReadyLine
from workers.embedded.supervisor import (
    USUAL_LIMIT,
    ProgramDied,
    ProgramKeepsDying,
    ProgramNotReady,
    RestartLimit,
    Supervisor,
)

IN_TIME = timedelta(seconds=20)

WAITS = "import signal; print('ready', flush=True); signal.pause()"
IGNORES_TERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
SILENT = "import signal; signal.pause()"
WORKS_ONCE = """
import pathlib, signal
if pathlib.Path({spent!r}).exists(): raise SystemExit("the disk is full")
pathlib.Path({spent!r}).touch()
print("ready", flush=True)
signal.pause()
"""
BROKEN = "raise SystemExit('no such table')"
LEAVES_A_CHILD = """
import pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path({note!r}).write_text(str(child.pid))
print("ready", flush=True)
signal.pause()
"""
NOTES_ITS_END = """
import signal, sys
def end(*_):
    with open({notes!r}, "a") as notes: notes.write({name!r} + " ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: signal.pause()
"""


def script(name: str, text: str, **limits: timedelta) -> Program:
    argv = (sys.executable, "-c", text)
    return Program(name, argv, environment={"PURPOSE": "test"}, ready=ReadyLine("ready"), **limits)


class Reports:
    """What the supervisor told, and how often it said that something was restarted."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.restarts = 0

    def restarted(self) -> None:
        self.restarts += 1


@asynccontextmanager
async def supervisor(
    logs: Path, reports: Reports | None = None, limit: RestartLimit = USUAL_LIMIT
) -> AsyncIterator[Supervisor]:
    reports = reports or Reports()
    supervisor = Supervisor(logs, reports.lines.append, reports.restarted, limit)
    try:
        async with asyncio.timeout(IN_TIME.total_seconds()):
            yield supervisor
    finally:
        supervisor.hurry()
        await supervisor.stop()


def is_alive(pid: int) -> bool:
    """A zombie is not: whoever inherited it has only not looked yet."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it went in between; or this is no Linux, and the first question was enough
        return sys.platform != "linux"


async def test_a_killed_program_runs_again_with_a_new_pid(tmp_path: Path) -> None:
    reports = Reports()
    async with supervisor(tmp_path, reports) as running:
        await running.start([script("clerk", WAITS)])
        (first,) = running.running()
        keeping = asyncio.create_task(running.keep_alive())
        os.kill(first.pid, signal.SIGKILL)

        async def runs_again() -> bool:
            return any("runs again" in line for line in reports.lines)

        await until(runs_again)
        (second,) = running.running()
        keeping.cancel()
    assert second.pid != first.pid
    assert (first.restarts, second.restarts, reports.restarts) == (0, 1, 1)
    assert reports.lines == [
        f"clerk (pid {first.pid}) was killed by SIGKILL; restarting it",
        f"clerk runs again (pid {second.pid})",
    ]


async def test_a_program_that_keeps_dying_is_named_with_its_last_lines(tmp_path: Path) -> None:
    reports = Reports()
    limit = RestartLimit(deaths=3, within=timedelta(seconds=30))
    async with supervisor(tmp_path, reports, limit) as running:
        clerk = script("clerk", WORKS_ONCE.format(spent=str(tmp_path / "spent")))
        await running.start([clerk, script("steady", WAITS)])
        os.kill(running.running()[0].pid, signal.SIGKILL)
        with pytest.raises(ProgramKeepsDying) as caught:
            await running.keep_alive()
    message = str(caught.value)
    assert message.startswith("clerk keeps dying (3 times within 30 s); it exited with 1")
    assert message.endswith("the disk is full")
    assert str(tmp_path / "clerk.log") in message
    assert reports.restarts == 2


async def test_deaths_that_are_long_past_do_not_count(tmp_path: Path) -> None:
    reports = Reports()
    limit = RestartLimit(deaths=2, within=timedelta(milliseconds=1))
    async with supervisor(tmp_path, reports, limit) as running:
        await running.start([script("clerk", WORKS_ONCE.format(spent=str(tmp_path / "spent")))])
        os.kill(running.running()[0].pid, signal.SIGKILL)
        keeping = asyncio.create_task(running.keep_alive())

        async def restarted_thrice() -> bool:
            return reports.restarts >= 3

        await until(restarted_thrice)
        assert not keeping.done()
        keeping.cancel()


async def test_what_a_killed_program_left_in_its_group_is_killed_too(tmp_path: Path) -> None:
    reports = Reports()
    async with supervisor(tmp_path, reports) as running:
        await running.start([script("clerk", LEAVES_A_CHILD.format(note=str(tmp_path / "child")))])
        child = int((tmp_path / "child").read_text())
        (clerk,) = running.running()
        assert is_alive(child)
        keeping = asyncio.create_task(running.keep_alive())
        os.kill(clerk.pid, signal.SIGKILL)

        async def child_is_gone() -> bool:
            return not is_alive(child)

        await until(child_is_gone)
        keeping.cancel()


async def test_a_program_that_dies_before_it_is_ready_fails_the_start(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        with pytest.raises(ProgramDied, match=r"clerk exited with 1 before it was ready[^$]*no such table"):
            await running.start([script("steady", WAITS), script("clerk", BROKEN)])


async def test_a_command_that_does_not_exist_is_told(tmp_path: Path) -> None:
    missing = Program("clerk", ("/no/such/clerk",), environment={}, ready=ReadyLine("ready"))
    async with supervisor(tmp_path) as running:
        with pytest.raises(ProgramDied, match=r"cannot start '/no/such/clerk': No such file"):
            await running.start([missing])


async def test_a_program_that_is_never_ready_fails_the_start_in_time(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        with pytest.raises(ProgramNotReady, match=r"clerk was not ready within 0\.5 s[^$]*wrote nothing"):
            await running.start([script("clerk", SILENT, ready_within=timedelta(seconds=0.5))])


async def test_the_last_started_is_stopped_first(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with supervisor(tmp_path) as running:
        for name in ("first", "second", "third"):
            await running.start([script(name, NOTES_ITS_END.format(notes=str(notes), name=name))])
        await running.stop()
    assert notes.read_text().split() == ["third", "second", "first"]


async def test_a_program_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        await running.start([script("stubborn", IGNORES_TERM, stops_within=timedelta(seconds=0.5))])
        (process,) = running.running()
        await running.stop()
        assert not is_alive(process.pid)


async def test_a_hurried_stop_does_not_wait_for_the_stubborn(tmp_path: Path) -> None:
    async with supervisor(tmp_path) as running:
        await running.start([script("stubborn", IGNORES_TERM, stops_within=timedelta(minutes=1))])
        (process,) = running.running()
        began = time.monotonic()
        running.hurry()
        await running.stop()
        assert time.monotonic() - began < 5
        assert not is_alive(process.pid)


async def test_a_program_gets_its_own_environment_and_nothing_of_ours(tmp_path: Path) -> None:
    shows = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'})); " + WAITS
    async with supervisor(tmp_path) as running:
        await running.start([script("clerk", shows)])
    assert (tmp_path / "clerk.log").read_text().splitlines()[0] == "['PURPOSE']"


async def test_the_log_of_the_run_before_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "clerk.log").write_text("ready\nof yesterday\n")
    async with supervisor(tmp_path) as running:
        await running.start([script("clerk", WAITS)])
    assert (tmp_path / "clerk.log").read_text() == "ready\n"
    assert (tmp_path / "clerk.previous.log").read_text() == "ready\nof yesterday\n"

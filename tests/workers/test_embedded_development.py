"""`interlock dev` as a process of its own, with the real Temporal server and stand-ins for the rest.

Run as a program, this module is that process.
"""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from cli.dev import run
from contracts.deployment import Mode
from tests.ports import usual_ports_to_myself
from tests.workers.test_embedded_supervisor import is_alive
from workers.embedded.folder import Folder, only_one
from workers.embedded.plan import Claude, Options, Plan, WrongOptions, plan
from workers.embedded.polling import until
from workers.embedded.program import HealthUrl, LogSection, Program
from workers.embedded.running import RunningDevelopment, read_running

pytestmark = pytest.mark.many

AS_IT_IS: Mapping[str, str] = {}
IN_TIME = timedelta(seconds=40)
REPOSITORY = Path(__file__).parents[2]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tie to the parent is Linux's")

# Like the worker, it starts a server that it talks to over stdio, in a session of its own.
WORKER = """
import json, os, pathlib, signal, subprocess, sys
here = pathlib.Path(__file__).parent
server = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE,
                          start_new_session=True)
(here / "stdio_server.pid").write_text(str(server.pid))
(here / "environment.json").write_text(json.dumps(dict(os.environ)))
def end(*_):
    (here / "ended_tidily").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
signal.pause()
"""
BROKEN_WORKER = "raise SystemExit('refund.py: two handlers for RULING')"
SLOW_WORKER = "import signal; print('never what is waited for', flush=True); signal.pause()"
HEALTHY = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


def with_stand_ins(options: Options, folder: Folder) -> Plan:
    """The real plan and the real Temporal server; every other program is a script of this module."""

    def stand_in(program: Program) -> Program:
        port = program.argv[program.argv.index("--port") + 1]
        return replace(program, argv=(sys.executable, "-c", HEALTHY, port))

    planned = plan(options, folder)
    temporal, *others = planned.outside
    (worker,) = planned.workers
    return replace(
        planned,
        outside=(temporal, *map(stand_in, others)),
        workers=(replace(worker, argv=(sys.executable, str(folder.parent / "worker.py"))),),
    )


class Dev:
    """One `interlock dev` in one folder."""

    def __init__(self, folder: Path, environ: Mapping[str, str], claude: Claude) -> None:
        self.file = folder / ".interlock" / "dev.json"
        self._output = folder / f"output-{len(list(folder.glob('output-*')))}"
        command = [sys.executable, "-m", "tests.workers.test_embedded_development", str(folder), claude]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env={**os.environ, **environ}, stdout=output, stderr=output
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    async def running(self, so: Callable[[RunningDevelopment], bool] = lambda _: True) -> RunningDevelopment:
        """What dev.json says as soon as it is so."""

        async def is_so() -> bool:
            assert self.process.poll() is None, self.output
            running = read_running(self.file)
            return running is not None and running.pid == self.process.pid and so(running)

        await self._in_time(is_so)
        running = read_running(self.file)
        assert running is not None
        return running

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, IN_TIME.total_seconds())

    async def says(self, text: str) -> None:
        async def said() -> bool:
            return text in self.output

        await self._in_time(said)

    async def _in_time(self, so: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(IN_TIME.total_seconds()):
                await until(so)
        except TimeoutError:
            pytest.fail(f"not in time; it printed:\n{self.output}")


class Devs:
    """Starts them; all are gone when the test is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Dev] = []

    def start(self, environ: Mapping[str, str] = AS_IT_IS, claude: Claude = Claude.SIMULATOR) -> Dev:
        self._started.append(Dev(self._folder, environ, claude))
        return self._started[-1]

    async def end(self) -> None:
        for dev in self._started:
            dev.process.terminate()
            await dev.ended()


@pytest.fixture
async def devs(tmp_path: Path) -> AsyncIterator[Devs]:
    (tmp_path / "worker.py").write_text(WORKER)
    devs = Devs(tmp_path)
    with usual_ports_to_myself():
        yield devs
        await devs.end()


async def all_gone(pids: list[int]) -> None:
    async def gone() -> bool:
        return not any(map(is_alive, pids))

    async with asyncio.timeout(IN_TIME.total_seconds()):
        await until(gone)


def pids_of(running: RunningDevelopment, folder: Path) -> list[int]:
    stdio_server = int((folder / "stdio_server.pid").read_text())
    pids = [*(process.pid for process in running.processes), stdio_server]
    assert all(map(is_alive, pids))
    return pids


async def test_everything_runs_and_every_address_is_printed_and_written(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    running = await dev.running()
    await dev.says("mode ")
    names = [process.name for process in running.processes]
    assert names == ["temporal", "payments", "mail", "mail_sink", "claude_simulator", "worker"]
    assert running.worker_pids == (running.processes[-1].pid,)
    assert running.folder == tmp_path / ".interlock"
    assert running.store_url == f"sqlite:///{tmp_path}/.interlock/store.db"
    addresses = [running.web_ui, running.temporal_address, running.simulator_url, running.store_url]
    addresses += [f"127.0.0.1:{running.smtp_port}", str(running.notices_file)]
    assert await answers(running.web_ui)
    for address in (*addresses, *(server.url for server in running.servers)):
        assert address is not None
        assert address in dev.output


async def answers(address: str) -> bool:
    async with asyncio.timeout(IN_TIME.total_seconds()):
        await HealthUrl(f"{address}/").until_ready(LogSection(Path(os.devnull), 0))
    return True


async def test_a_second_one_in_the_folder_is_refused_and_names_the_first(devs: Devs) -> None:
    first = await devs.start().running()
    second = devs.start()
    assert await second.ended() == 2
    (line,) = second.output.splitlines()
    assert f"pid {first.pid}" in line
    assert first.web_ui in line
    assert read_running(second.file) == first


async def test_asked_to_stop_it_stops_everything(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    pids = pids_of(await dev.running(), tmp_path)
    dev.process.send_signal(signal.SIGTERM)
    assert await dev.ended() == 0, dev.output
    await all_gone(pids)
    assert (tmp_path / "ended_tidily").exists()
    assert not dev.file.exists()


async def test_asked_to_stop_while_it_starts_it_stops_everything(devs: Devs, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(SLOW_WORKER)
    dev = devs.start()
    log = tmp_path / ".interlock" / "logs" / "worker.log"

    async def worker_runs() -> bool:
        return log.exists() and "never" in log.read_text()

    async with asyncio.timeout(IN_TIME.total_seconds()):
        await until(worker_runs)
    dev.process.send_signal(signal.SIGINT)
    assert await dev.ended() == 0, dev.output
    async with only_one(Folder.within(tmp_path)):
        pass  # every child holds the lock for as long as it lives


@ON_LINUX
async def test_killed_it_leaves_no_child(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    pids = pids_of(await dev.running(), tmp_path)
    dev.process.kill()
    await dev.ended()
    await all_gone(pids)


@ON_LINUX
async def test_every_child_holds_the_lock_of_the_folder(devs: Devs, tmp_path: Path) -> None:
    running = await devs.start().running()
    for process in running.processes:
        opened = [link.readlink() for link in Path(f"/proc/{process.pid}/fd").iterdir()]
        assert tmp_path / ".interlock" / "lock" in opened


async def test_what_a_killed_one_left_running_is_named(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    running = await dev.running()
    folder = Folder.within(tmp_path)
    left = folder.running.read_text()
    dev.process.terminate()
    await dev.ended()
    async with only_one(folder) as lock:  # stands for a child that nothing has killed
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(running.pid).encode(), 0)
        folder.running.write_text(left)
        second = devs.start()
        assert await second.ended() == 2
    assert f"temporal {running.processes[0].pid}" in second.output


@ON_LINUX
async def test_killed_and_started_again_it_continues(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    before = await dev.running()
    client = await Client.connect(before.temporal_address)
    await client.start_workflow("Refund", id="refund/A-17", task_queue="nobody")
    dev.process.kill()
    await dev.ended()
    after = await devs.start().running()
    assert after.deployment == before.deployment
    assert after.store_url == before.store_url
    client = await Client.connect(after.temporal_address)
    described = await client.get_workflow_handle("refund/A-17").describe()
    assert described.status is WorkflowExecutionStatus.RUNNING


async def test_a_killed_worker_runs_again_and_its_new_pid_is_written(devs: Devs) -> None:
    dev = devs.start()
    before = await dev.running()
    os.kill(before.worker_pids[0], signal.SIGKILL)
    after = await dev.running(lambda running: running.worker_pids != before.worker_pids)
    await dev.says(f"worker runs again (pid {after.worker_pids[0]})")
    assert [process.restarts for process in after.processes] == [0, 0, 0, 0, 0, 1]


async def test_a_killed_temporal_server_runs_again_at_the_same_address(devs: Devs) -> None:
    dev = devs.start()
    before = await dev.running()
    os.kill(before.processes[0].pid, signal.SIGKILL)
    after = await dev.running(lambda running: running.processes[0].pid != before.processes[0].pid)
    await dev.says("temporal runs again")
    assert after.temporal_address == before.temporal_address
    assert await (await Client.connect(after.temporal_address)).service_client.check_health()


async def test_a_worker_that_keeps_dying_ends_it_with_the_reason(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start()
    running = await dev.running()
    pids = [process.pid for process in running.processes]
    (tmp_path / "worker.py").write_text(BROKEN_WORKER)
    os.kill(running.worker_pids[0], signal.SIGKILL)
    assert await dev.ended() == 1
    assert "worker keeps dying" in dev.output
    assert dev.output.rstrip().endswith("refund.py: two handlers for RULING")
    await all_gone(pids)
    assert not dev.file.exists()


async def test_a_worker_that_cannot_start_ends_it_with_the_reason(devs: Devs, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(BROKEN_WORKER)
    dev = devs.start()
    assert await dev.ended() == 1
    assert "worker exited with 1 before it was ready" in dev.output
    assert "two handlers for RULING" in dev.output


def environment_of_worker(folder: Path) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads((folder / "environment.json").read_text())
    return found


MINE = {
    "ANTHROPIC_API_KEY": "sk-mine",
    "ANTHROPIC_AUTH_TOKEN": "sk-mine",
    "ANTHROPIC_BASE_URL": "http://mine",
}


async def test_a_key_in_the_environment_is_not_consent(devs: Devs, tmp_path: Path) -> None:
    dev = devs.start(MINE)
    running = await dev.running()
    environ = environment_of_worker(tmp_path)
    assert environ["ANTHROPIC_BASE_URL"] == running.simulator_url
    assert "ANTHROPIC_AUTH_TOKEN" not in environ
    assert not [name for name, value in environ.items() if "mine" in value]
    assert running.claude == "simulator"
    await dev.says("is not used: --claude real is the consent")


async def test_with_consent_the_worker_alone_gets_the_key(devs: Devs, tmp_path: Path) -> None:
    running = await devs.start(MINE, Claude.REAL).running()
    environ = environment_of_worker(tmp_path)
    assert {name: environ[name] for name in MINE} == MINE
    assert (running.claude, running.simulator_url) == ("real", None)
    others = [process for process in running.processes if process.name != "worker"]
    assert [process.name for process in others] == ["temporal", "payments", "mail", "mail_sink"]
    if sys.platform == "linux":
        for process in others:
            assert b"sk-mine" not in Path(f"/proc/{process.pid}/environ").read_bytes()


async def test_the_worker_is_told_where_everything_is(devs: Devs, tmp_path: Path) -> None:
    unwanted = {"TEMPORAL_API_KEY": "of-the-cluster", "TEMPORAL_TLS": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    running = await devs.start({"INTERLOCK_AUTOMATIONS": "/srv/automations", **unwanted}).running()
    environ = environment_of_worker(tmp_path)
    payments, mail = running.servers
    expected = {
        "INTERLOCK_MODE": "development",
        "INTERLOCK_AUDIT_KEY_FILE": str(tmp_path / ".interlock" / "audit.key"),
        "INTERLOCK_AUDIT_CHECKPOINTS": str(tmp_path / ".interlock" / "audit-checkpoints.jsonl"),
        "INTERLOCK_DEPLOYMENT": running.deployment,
        "INTERLOCK_STORE": running.store_url,
        "INTERLOCK_SERVERS": str(REPOSITORY / "demo" / "servers.toml"),
        "INTERLOCK_AUTOMATIONS": "/srv/automations",
        "INTERLOCK_DEMO_DATA": str(tmp_path / ".interlock" / "demo"),
        "INTERLOCK_DEMO_PAYMENTS_URL": payments.url,
        "INTERLOCK_DEMO_MAIL_URL": mail.url,
        "INTERLOCK_DEMO_SMTP_PORT": str(running.smtp_port),
        "INTERLOCK_NOTICES": str(REPOSITORY / "demo" / "notices.toml"),
        "PYTHON": sys.executable,
        "TEMPORAL_ADDRESS": running.temporal_address,
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert not set(unwanted) & set(environ)


async def test_taken_ports_give_other_ones(devs: Devs) -> None:
    usual = (7233, 8233, 8701, 8702, 8725, 8787)
    taken = [listener for port in usual if (listener := listening_at(port))]
    try:
        running = await devs.start().running()
    finally:
        for listener in taken:
            listener.close()
    addresses = [running.temporal_address, running.web_ui, running.simulator_url or ""]
    addresses += [server.url.removesuffix("/mcp") for server in running.servers]
    addresses.append(f"127.0.0.1:{running.smtp_port}")
    assert not {int(address.rpartition(":")[2]) for address in addresses} & set(usual)


def listening_at(port: int) -> socket.socket | None:
    """Takes the port, unless somebody else has already."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


async def test_own_servers_that_do_not_exist_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(parent=tmp_path, environ=os.environ, servers=tmp_path / "mine.toml")
    assert await asyncio.to_thread(run, options, False) == 2
    assert "mine.toml" in capsys.readouterr().err


async def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").touch()
    options = Options(parent=tmp_path / "notes", environ=os.environ)
    assert await asyncio.to_thread(run, options, False) == 2
    assert "choose another --folder" in capsys.readouterr().err


def test_with_own_servers_no_demo_server_is_started(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.touch()
    options = Options(parent=tmp_path, environ=os.environ, servers=own, claude=Claude.REAL)
    planned = plan(options, Folder.within(tmp_path))
    assert [program.name for program in planned.outside] == ["temporal"]
    (worker,) = planned.workers
    assert worker.environment["INTERLOCK_SERVERS"] == str(own)
    assert "INTERLOCK_NOTICES" not in worker.environment


def test_own_notices_are_used_with_the_demos_servers_too(tmp_path: Path) -> None:
    options = Options(parent=tmp_path, environ={"INTERLOCK_NOTICES": str(tmp_path / "mine.toml")})
    (worker,) = plan(options, Folder.within(tmp_path)).workers
    assert worker.environment["INTERLOCK_NOTICES"] == str(tmp_path / "mine.toml")


def test_in_production_mode_the_worker_is_told_so_and_its_audit_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    (worker,) = plan(Options(parent=tmp_path, environ={}, mode=Mode.PRODUCTION), Folder.within(tmp_path)).workers
    assert worker.environment["INTERLOCK_MODE"] == "production"
    key = Path(worker.environment["INTERLOCK_AUDIT_KEY_FILE"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_an_audit_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    folder = Folder.within(tmp_path)
    plan(Options(parent=tmp_path, environ={}), folder)
    (folder.path / "audit.key").chmod(0o644)
    with pytest.raises(WrongOptions, match="chmod 600"):
        plan(Options(parent=tmp_path, environ={}), folder)


def test_without_a_worker_everything_else_is_started(tmp_path: Path) -> None:
    planned = plan(Options(parent=tmp_path, environ={}, worker=False), Folder.within(tmp_path))
    assert planned.workers == ()
    names = [program.name for program in planned.outside]
    assert names == ["temporal", "payments", "mail", "mail_sink", "claude_simulator"]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal: a suite in the background ignores it
    chosen = Options(parent=Path(sys.argv[1]), environ=os.environ, claude=Claude(sys.argv[2]))
    code = run(chosen, hints=True, compose=with_stand_ins)
    sys.stdout.flush()
    os._exit(code)

"""The demo, told live: a refund from request to outcome, with its approval, and a worker killed at the worst moment.

It runs only what a user would run: `interlock dev` and the CLI's commands, in the folder `.demo`.
In production mode nothing counts that is not signed, so people, rules and tools are put in force first.
"""

import argparse
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.prompt import Prompt

from demo import people

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = Path(".demo")
REQUEST = REPOSITORY / "demo" / "requests" / "refund.json"
PATIENCE_SECONDS = 60.0
MAIL_SECONDS = 8.0

console = Console(highlight=False)


class StoryFailed(Exception):
    """The demo did not go as it must."""


@dataclass(frozen=True)
class Development:
    """The running `interlock dev`."""

    process: subprocess.Popen[bytes]
    folder: Path
    mode: str

    def facts(self) -> dict[str, Any]:
        """What `.interlock/dev.json` says now."""
        facts: dict[str, Any] = json.loads((self.folder / ".interlock" / "dev.json").read_text())
        return facts

    @property
    def variables(self) -> dict[str, str]:
        """What its people have in their environment."""
        return people.environment(self.folder, self.mode)

    @property
    def data(self) -> Path:
        """Where the demo servers keep their books."""
        return self.folder / ".interlock" / "demo"


def main() -> int:
    """Tell the story; 0 when it ended as it must."""
    arguments = _arguments()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        with development(arguments.claude, arguments.mode) as running:
            tell(running, interactive)
            if interactive:
                Prompt.ask("\nLook around in the Web UI; press Enter to stop everything")
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except StoryFailed as failed:
        console.print(f"[red]The demo failed:[/] {escape(str(failed))}")
        return 1
    again = f".venv/bin/interlock dev --folder .demo --mode {arguments.mode}"
    say(f"Everything is stopped. To go on where it stood: [bold]{again}[/]")
    return 0


def tell(running: Development, interactive: bool) -> None:
    """Request, approval, the credit, kill -9, recovery, outcome, and the payments server's own count."""
    facts = running.facts()
    order = json.loads(REQUEST.read_text())["order_id"]
    run = f"refund/{order}"
    say(f"Claude is {_model(facts)}.")
    hold = running.data / "hold-answers"

    _put_in_force(running)
    run_cli = functools.partial(command, running)

    chapter("A refund is requested")
    run_cli("runs", "start", "refund", "--from", str(REQUEST), "--as", people.REQUESTER)
    request = until(lambda: next(iter(_open_requests(running)), None), f"{run} never asked for an approval")

    chapter("Policy asks for a signature")
    _show_mail(running, people.mail_of(people.APPROVER))
    run_cli("approvals", "show", request["request_id"], "--as", people.APPROVER)
    hold.touch()  # payments will commit the credit, and its answer will be on its way for as long as this file exists
    if _decide(running, request["request_id"], interactive) == "reject":
        hold.unlink()
        run_cli("runs", "watch", run, expect=(1,))
        return

    chapter("The worker is killed between the credit and its record")
    until(lambda: credits_of(running, order) == 1, "the credit was never issued")
    worker = facts["worker_pids"][0]
    os.kill(worker, signal.SIGKILL)
    say(f"The credit is in the payments server's books; its answer has not arrived. kill -9 {worker} (the worker).")
    hold.unlink()
    until(lambda: running.facts()["worker_pids"] != facts["worker_pids"], "no new worker was started")
    say(f"A new worker is started: pid {running.facts()['worker_pids'][0]}. It finds the run where it stood.")

    chapter("The run goes on to its outcome")
    run_cli("runs", "watch", run)
    count = credits_of(running, order)
    say(f"Credits for {order} by the payments server's own count: [bold]{count}[/]")
    if count != 1:
        raise StoryFailed(f"{count} credits were issued for one refund")
    _what_next(running, run)


def _put_in_force(running: Development) -> None:
    chapter("People get keys, and the roster comes into force")
    run_cli = functools.partial(command, running)
    people.enrol(run_cli, running.variables, running.mode)
    if running.mode == "production":
        say("Nobody types a passphrase here: INTERLOCK_PASSPHRASE_FILE names the file that opens the keys.")
        chapter("The operator puts rules and tools in force")
        people.activate(run_cli)


def _show_mail(running: Development, address: str) -> None:
    """The last mail that the demo's mail server took for an address; or, after a short wait, that there is none."""
    try:
        mail = until(lambda: _last_mail(running, address), f"no mail to {address}", within=MAIL_SECONDS)
    except StoryFailed:
        say(f"No mail to {address} within {MAIL_SECONDS:g} s; `interlock notices list` says what stands in its way.")
        return
    say(f"[bold]mail to {address}[/]")
    for line in mail.splitlines():
        console.print(f"  | {line}", markup=False, soft_wrap=True)


def _last_mail(running: Development, address: str) -> str:
    asking = [sys.executable, "-m", "demo.mail_sink", "--data", str(running.data.absolute())]
    shown = subprocess.run(
        [*asking, "--show-last", address], cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    return shown.stdout


def _decide(running: Development, request_id: str, interactive: bool) -> str:
    """The verdict that was taken. Somebody at the terminal who may not decide is told so, and asked again."""
    if not interactive:
        say(f"There is no terminal, so the demo approves {request_id} as {people.APPROVER}.")
    while True:
        verdict, approver = _ask_approver() if interactive else ("approve", people.APPROVER)
        refusable = (0, 1, 2) if interactive else (0,)
        deciding = ("approvals", verdict, request_id, "--as", approver, "--note", "seen in the demo")
        if command(running, *deciding, expect=refusable) == 0:
            return verdict
        say(f"Nothing was decided. Who may is shown above under `who may decide`, for example {people.APPROVER}.")


def _ask_approver() -> tuple[str, str]:
    verdict = Prompt.ask("Your decision", choices=["approve", "reject"], default="approve")
    return verdict, Prompt.ask("Decide as", default=people.APPROVER)


def _what_next(running: Development, run: str) -> None:
    facts = running.facts()
    chapter("Where to look")
    say(f"Web UI     {facts['web_ui']}/namespaces/{facts['namespace']}/workflows/{run.replace('/', '%2F')}")
    say(f"The run    .venv/bin/interlock runs show {run}   (in the folder .demo)")
    say("All runs   .venv/bin/interlock runs list")
    say("To sign    export " + " ".join(f"{name}={value}" for name, value in running.variables.items()))
    say(f"A second   .venv/bin/interlock runs start refund --set order_id=A-17 --as {people.REQUESTER} --wait")
    requests = REPOSITORY / "demo" / "requests"
    for name in ("errand", "guest_checkout"):
        started = f"runs start {name} --from {requests / name}.json --as {people.REQUESTER}"
        say(f"{'An errand' if name == 'errand' else 'A checkout':<11}.venv/bin/interlock {started}")
    say(f"Others     the same with the other requests in {requests}")


@contextmanager
def development(claude: str, mode: str) -> Iterator[Development]:
    """`interlock dev` in a fresh folder, stopped at the end."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    chapter("Starting Temporal, the demo servers, the Claude simulator and a worker")
    arguments = [*_interlock(), "dev", "--folder", str(FOLDER), "--claude", claude, "--mode", mode, "--headless"]
    with (FOLDER / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            arguments, env=_undisturbed(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    running = Development(process, FOLDER, mode)
    try:
        until(lambda: _started(running), "interlock dev did not start")
        console.print((FOLDER / "dev.log").read_text(), end="", markup=False)
        yield running
    finally:
        process.terminate()
        process.wait(timeout=60)


def _started(running: Development) -> bool:
    if running.process.poll() is not None:
        raise StoryFailed(f"interlock dev ended:\n{(FOLDER / 'dev.log').read_text()}")
    return (FOLDER / ".interlock" / "dev.json").exists()


def command(
    running: Development, *arguments: str, expect: tuple[int, ...] = (0,), shows: tuple[str, ...] | None = None
) -> int:
    """Run one command of the CLI in the demo's folder, in the open; its exit code.

    Of what it prints only the lines that begin with one of `shows`, and everything when it fails.
    """
    console.print(f"[dim]$ interlock {escape(shlex.join(arguments))}[/]", soft_wrap=True)
    ran = subprocess.run(
        [*_interlock(), *arguments],
        cwd=FOLDER,
        env=_undisturbed() | running.variables,
        stdout=None if shows is None else subprocess.PIPE,
        stderr=None if shows is None else subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    for line in (ran.stdout or "").splitlines():
        if ran.returncode not in expect or line.startswith(shows or ()):
            console.print(line, markup=False, soft_wrap=True)
    if ran.returncode not in expect:
        raise StoryFailed(f"interlock {' '.join(arguments)} ended with exit code {ran.returncode}")
    return ran.returncode


def _undisturbed() -> dict[str, str]:
    """The environment without what is set for another deployment: the demo has a store and people of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("INTERLOCK_", "TEMPORAL_"))}


def _open_requests(running: Development) -> list[dict[str, Any]]:
    answer = subprocess.run(
        [*_interlock(), "approvals", "list", "--as", people.APPROVER, "--json"],
        cwd=FOLDER,
        env=_undisturbed() | running.variables,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    if answer.returncode:
        raise StoryFailed(answer.stderr.decode().strip())
    requests: list[dict[str, Any]] = json.loads(answer.stdout)
    return requests


def credits_of(running: Development, order: str) -> int:
    """How many credits the payments server has issued for an order, straight from its own books."""
    counting = [sys.executable, "-m", "demo.mcp_servers.payments", "--data", str(running.data.absolute())]
    counted = subprocess.run(
        [*counting, "--count-credits", order], cwd=REPOSITORY, capture_output=True, check=True, timeout=PATIENCE_SECONDS
    )
    return int(counted.stdout)


def until(found: Callable[[], Any], otherwise: str, within: float = PATIENCE_SECONDS) -> Any:
    """What `found` finds, once it finds something. Raises StoryFailed after that many seconds."""
    deadline = time.monotonic() + within
    while not (value := found()):
        if time.monotonic() > deadline:
            raise StoryFailed(otherwise)
        time.sleep(0.1)
    return value


def chapter(title: str) -> None:
    """A heading."""
    console.print(f"\n[bold]== {escape(title)}[/]")


def say(words: str) -> None:
    """A sentence of the story."""
    console.print(words, soft_wrap=True)


def _model(facts: dict[str, Any]) -> str:
    if facts["claude"] == "real":
        return "the real one: this demo spends money on your account"
    return f"simulated ({facts['simulator_url']}): it speaks the Messages API and nothing is spent"


def _interlock() -> list[str]:
    return [str(Path(sys.executable).with_name("interlock").absolute())]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claude", choices=["simulator", "real"], default="simulator", help="real is consent to spend")
    parser.add_argument(
        "--mode", choices=["development", "production"], default="development", help="what must be signed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

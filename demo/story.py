"""The demo, told live: a refund from request to outcome, with its approval, and a worker killed at the worst moment.

It runs only what a user would run: `interlock dev` and the CLI's commands, in the folder `.demo`.
"""

import argparse
import json
import os
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

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = Path(".demo")
REQUEST = REPOSITORY / "demo" / "requests" / "refund.json"
DEMO_APPROVER = "demo-approver"
APPROVERS_ADDRESS = "fiona@example.com"
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

    def facts(self) -> dict[str, Any]:
        """What `.interlock/dev.json` says now."""
        facts: dict[str, Any] = json.loads((self.folder / ".interlock" / "dev.json").read_text())
        return facts

    @property
    def data(self) -> Path:
        """Where the demo servers keep their books."""
        return self.folder / ".interlock" / "demo"


def main() -> int:
    """Tell the story; 0 when it ended as it must."""
    arguments = _arguments()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        with development(arguments.claude) as running:
            tell(running, interactive)
            if interactive:
                Prompt.ask("\nLook around in the Web UI; press Enter to stop everything")
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    except StoryFailed as failed:
        console.print(f"[red]The demo failed:[/] {escape(str(failed))}")
        return 1
    console.print("Everything is stopped. To go on where it stood: [bold].venv/bin/interlock dev --folder .demo[/]")
    return 0


def tell(running: Development, interactive: bool) -> None:
    """Request, approval, the credit, kill -9, recovery, outcome, and the payments server's own count."""
    facts = running.facts()
    order = json.loads(REQUEST.read_text())["order_id"]
    run = f"refund/{order}"
    say(f"Claude is {_model(facts)}.")
    hold = running.data / "hold-answers"

    chapter("A refund is requested")
    command("runs", "start", "refund", "--from", str(REQUEST))
    request = until(lambda: next(iter(_open_requests()), None), f"{run} never asked for an approval")

    chapter("Policy asks for a signature")
    _show_mail(running, APPROVERS_ADDRESS)
    command("approvals", "show", request["request_id"])
    approver, verdict = _ask_approver(request["request_id"], interactive)
    hold.touch()  # payments will commit the credit, and its answer will be on its way for as long as this file exists
    command("approvals", verdict, request["request_id"], "--as", approver, "--note", "seen in the demo")
    if verdict == "reject":
        hold.unlink()
        command("runs", "watch", run, expect=(1,))
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
    command("runs", "watch", run)
    count = credits_of(running, order)
    say(f"Credits for {order} by the payments server's own count: [bold]{count}[/]")
    if count != 1:
        raise StoryFailed(f"{count} credits were issued for one refund")
    _what_next(facts, run)


def _show_mail(running: Development, address: str) -> None:
    """The last mail that the demo's mail server took for an address; or, after a short wait, that there is none."""
    try:
        mail = until(lambda: _last_mail(running, address), f"no mail to {address}", within=MAIL_SECONDS)
    except StoryFailed:
        say(f"No mail to {address}: the roster in force has nobody of that address who may decide this.")
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


def _ask_approver(request_id: str, interactive: bool) -> tuple[str, str]:
    if not interactive:
        say(f"There is no terminal, so the demo approves {request_id} as {DEMO_APPROVER}.")
        return DEMO_APPROVER, "approve"
    verdict = Prompt.ask("Your decision", choices=["approve", "reject"], default="approve")
    return Prompt.ask("Decide as", default=DEMO_APPROVER), verdict


def _what_next(facts: dict[str, Any], run: str) -> None:
    chapter("Where to look")
    say(f"Web UI     {facts['web_ui']}/namespaces/{facts['namespace']}/workflows/{run.replace('/', '%2F')}")
    say(f"The run    .venv/bin/interlock runs show {run}   (in the folder .demo)")
    say("All runs   .venv/bin/interlock runs list")
    say("A second   .venv/bin/interlock runs start refund --set order_id=A-17 --wait")
    say(f"An errand  .venv/bin/interlock runs start errand --from {REPOSITORY / 'demo/requests/errand.json'}")


@contextmanager
def development(claude: str) -> Iterator[Development]:
    """`interlock dev` in a fresh folder, stopped at the end."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    chapter("Starting Temporal, the demo servers, the Claude simulator and a worker")
    arguments = [*_interlock(), "dev", "--folder", str(FOLDER), "--claude", claude, "--headless"]
    with (FOLDER / "dev.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    running = Development(process, FOLDER)
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


def command(*arguments: str, expect: tuple[int, ...] = (0,)) -> None:
    """Run one command of the CLI in the demo's folder, in the open."""
    console.print(f"[dim]$ interlock {escape(' '.join(arguments))}[/]")
    code = subprocess.run([*_interlock(), *arguments], cwd=FOLDER, timeout=PATIENCE_SECONDS).returncode
    if code not in expect:
        raise StoryFailed(f"interlock {' '.join(arguments)} ended with exit code {code}")


def _open_requests() -> list[dict[str, Any]]:
    answer = subprocess.run(
        [*_interlock(), "approvals", "list", "--json"], cwd=FOLDER, capture_output=True, timeout=PATIENCE_SECONDS
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
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

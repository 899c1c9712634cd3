"""The pretend mail server as a process: it keeps what it takes, and tells of it when asked."""

import asyncio
import smtplib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 30


def sink(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo.mail_sink", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Running:
    port: int
    data: Path

    def send(self, to: list[str], subject: str, body: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "interlock@example.com", ", ".join(to), subject
        message.set_content(body)
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_SECONDS) as dialogue:
            dialogue.send_message(message)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A mail sink that takes mails. It prints nothing from its first moment to its last."""
    port = free_port()
    command = [sys.executable, "-m", "demo.mail_sink", "--data", str(tmp_path), "--port", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not answers(port):
                assert process.poll() is None
                await asyncio.sleep(0.02)
        yield Running(port, tmp_path)
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, printed) == (0, b"")


async def test_mails_are_kept_counted_and_the_last_is_shown(running: Running) -> None:
    running.send(["fiona@example.com", "grace@example.com"], "first", "one\n")
    running.send(["fiona@example.com"], "Freigabe für Ω", "two\n.\nüber\n")

    data = ("--data", str(running.data))
    assert sink(*data, "--count", "Fiona@example.com").stdout == "2\n"
    assert sink(*data, "--count", "grace@example.com").stdout == "1\n"
    assert sink(*data, "--count", "linus@example.com").stdout == "0\n"
    shown = sink(*data, "--show-last", "fiona@example.com")
    assert shown.stdout == "To: fiona@example.com\nSubject: Freigabe für Ω\n\ntwo\n.\nüber\n"
    nothing = sink(*data, "--show-last", "linus@example.com")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (1, "", "mail_sink: no mail to linus@example.com\n")
    assert len(list(running.data.rglob("*.eml"))) == 3


async def test_an_address_is_never_a_path(running: Running) -> None:
    running.send(["../../evil@example.com"], "first", "one\n")
    (kept,) = running.data.rglob("*.eml")
    assert kept.parent == running.data / "mails"


def test_a_port_that_is_taken_ends_it_with_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = sink("--data", str(tmp_path), "--port", str(listener.getsockname()[1]))
    assert ended.returncode == 1
    assert ended.stderr.startswith("mail_sink: cannot listen") and ended.stderr.count("\n") == 1

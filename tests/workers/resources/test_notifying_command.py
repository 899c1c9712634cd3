"""A real program as a channel: the notice on its standard input, its exit code as the answer."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workers.resources.doubles import eventually
from tests.workers.store.samples import notice
from tests.workers.test_embedded_supervisor import is_alive
from workers.resources.notifying.channel import NotNow, NotSent, Undeliverable
from workers.resources.notifying.command import CommandChannel
from workers.resources.notifying.file import CommandDeclaration


def channel(script: str, *arguments: str, **said: Any) -> CommandChannel:
    """A channel to a Python script."""
    command = [sys.executable, "-c", script, *arguments]
    declared = {"name": "pager", "type": "command", "command": command} | said
    return CommandChannel(CommandDeclaration.model_validate(declared))


async def refusal(of: CommandChannel) -> NotSent:
    with pytest.raises(NotSent) as caught:
        await of.send(notice())
    return caught.value


async def test_the_program_reads_the_notice_and_finds_nothing_of_ours_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_STORE", "postgresql://secret")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    script = "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"

    await channel(script, str(tmp_path / "got")).send(notice())

    document, environment = json.loads((tmp_path / "got").read_text())
    assert document["type"] == "interlock.request"
    assert document["data"]["id"] == notice().id and document["data"]["body"] == "read it"
    assert environment["PATH"] == os.environ["PATH"]
    assert not [name for name in environment if name.startswith(("INTERLOCK_", "ANTHROPIC_"))]


@pytest.mark.parametrize("code", [1, 2, 64, 78, 127])
async def test_any_exit_code_but_two_is_final_and_says_what_the_program_said(code: int) -> None:
    refused = await refusal(channel(f"import sys; sys.stderr.write('no\\x1b such pager'); sys.exit({code})"))
    assert isinstance(refused, Undeliverable)
    assert f"ended with {code}: no\\u{{1b}} such pager" in str(refused)


async def test_exit_code_75_and_a_death_by_signal_are_not_final() -> None:
    assert isinstance(await refusal(channel("raise SystemExit(75)")), NotNow)
    assert isinstance(await refusal(channel("import os; os.kill(os.getpid(), 9)")), NotNow)


async def test_a_program_that_cannot_be_run_may_be_there_later() -> None:
    missing = CommandDeclaration.model_validate({"name": "x", "type": "command", "command": ["/nowhere/pager"]})
    refused = await refusal(CommandChannel(missing))
    assert isinstance(refused, NotNow) and "/nowhere/pager" in str(refused)


async def test_a_program_that_does_not_read_its_input_or_talks_without_end_is_judged_by_its_exit_code() -> None:
    await channel("import os; os.close(0)").send(notice())
    await channel("import sys; sys.stdout.write('x' * 9**6); sys.stderr.write('x' * 9**6)").send(notice())


async def test_a_program_that_does_not_end_is_ended_with_all_its_children(tmp_path: Path) -> None:
    script = 'sleep 600 & echo "$$ $!" > "$0"; wait'
    command = ["sh", "-c", script, str(tmp_path / "pids")]
    refused = await refusal(channel("", command=command, timeout="PT2S"))
    assert isinstance(refused, NotNow) and "2 s" in str(refused)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    await eventually(lambda: not any(map(is_alive, pids)))


async def test_a_program_is_ended_when_the_worker_stops_waiting(tmp_path: Path) -> None:
    script = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
    sending = asyncio.create_task(channel(script, str(tmp_path / "pid")).send(notice()))
    await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    sending.cancel()
    await asyncio.wait({sending}, timeout=10)
    assert sending.cancelled()
    await eventually(lambda: not is_alive(int((tmp_path / "pid").read_text())))

"""The loop that workers run on: what a worker was handed does not reach the processes that it starts."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTS_ONE = """
import asyncio, sys
from workers import event_loop

LISTS = "import os; print([name for name in os.listdir('/dev/fd') if os.path.realpath('/dev/fd/' + name) == '{}'])"

async def main():
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTS.format(sys.argv[1]), stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate()
    print(type(asyncio.get_running_loop()).__module__, out.decode().strip())

event_loop.run(main())
"""


def test_a_descriptor_that_was_handed_to_it_is_not_handed_on(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    handle = os.open(lock, os.O_CREAT | os.O_RDWR)
    try:
        command = [sys.executable, "-c", STARTS_ONE, str(lock.resolve())]
        ended = subprocess.run(
            command, cwd=ROOT, pass_fds=(handle,), capture_output=True, text=True, timeout=60, check=True
        )
    finally:
        os.close(handle)
    assert ended.stdout.split(maxsplit=1) == ["uvloop", "[]\n"]

"""Notices to a program of the operator's own: the notice on its standard input, its exit code as the answer."""

import asyncio
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import IO

from activities.notices import Notice
from workers.resources.notifying.channel import NotNow, Undeliverable
from workers.resources.notifying.file import CommandDeclaration
from workers.resources.notifying.message import document_of

_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Nothing of ours: neither the store's address nor anybody's credentials."""
_HEARD_BYTES = 200
_DYING_SECONDS = 2.0


class CommandChannel:
    """One program. See workers.resources.notifying.channel.Channel."""

    def __init__(self, declared: CommandDeclaration) -> None:
        self.name = declared.name
        self._argv = declared.command
        self._seconds = declared.timeout.total_seconds()

    async def send(self, notice: Notice) -> None:
        """Exit code 0: sent; 75 (EX_TEMPFAIL): not now; any other: never. Raises Undeliverable, NotNow."""
        with tempfile.TemporaryFile() as complaint:
            process = await self._started(complaint)
            try:
                async with asyncio.timeout(self._seconds):
                    await process.communicate(document_of(notice))
            except TimeoutError:
                raise NotNow(f"{self._program} did not end within {self._seconds:g} s") from None
            finally:
                await _ended(process)
            complaint.seek(0)
            self._judge(process, complaint.read(_HEARD_BYTES).decode(errors="replace").strip())

    async def aclose(self) -> None:
        """Nothing is held."""

    @property
    def _program(self) -> str:
        return repr(self._argv[0])

    async def _started(self, complaint: IO[bytes]) -> Process:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            return await asyncio.create_subprocess_exec(
                *self._argv, stdin=PIPE, stdout=DEVNULL, stderr=complaint, env=environment, start_new_session=True
            )
        except OSError as error:
            raise NotNow(f"{self._program} cannot be run: {error.strerror or type(error).__name__}") from None

    def _judge(self, process: Process, complaint: str) -> None:
        code = process.returncode
        assert code is not None  # it has ended
        if code == 0:
            return
        said = f": {complaint}" if complaint else ""
        if code == os.EX_TEMPFAIL or code < 0:  # asked us to come back, or was killed
            raise NotNow(f"{self._program} ended with {code}{said}")
        raise Undeliverable(f"{self._program} ended with {code}{said}")


async def _ended(process: Process) -> None:
    """Nothing that the program started outlives its turn."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _DYING_SECONDS)

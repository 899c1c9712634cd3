"""The folder `.interlock/`: what `interlock dev` keeps there, and the lock that lets only one run in it."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from workers.embedded.running import read_running

NAME = ".interlock"
# How long children of a killed `interlock dev` may take to be gone.
LEFTOVERS_GONE_WITHIN = timedelta(seconds=5)


class FolderInUse(Exception):
    """Another `interlock dev`, or what it left behind, is running in this folder."""


class FolderUnusable(Exception):
    """Nothing can be kept in the folder that was named."""


@dataclass(frozen=True)
class Folder:
    """The paths of one folder `.interlock/`."""

    path: Path

    @classmethod
    def within(cls, parent: Path) -> "Folder":
        """Opens the folder, and makes it if need be: for this user only, and of no interest to git."""
        folder = cls(parent.absolute() / NAME)
        try:
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.logs.mkdir(exist_ok=True)
            folder.demo_data.mkdir(exist_ok=True)
            (folder.path / ".gitignore").write_text("*\n")
        except OSError as problem:
            where = str(folder.path)
            raise FolderUnusable(f"cannot write in {where!r}: {problem!r}; choose another --folder") from problem
        return folder

    @property
    def parent(self) -> Path:
        return self.path.parent

    @property
    def database(self) -> Path:
        return self.path / "temporal.db"

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.path / 'store.db'}"

    @property
    def demo_data(self) -> Path:
        return self.path / "demo"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def running(self) -> Path:
        return self.path / "dev.json"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    def deployment(self) -> str:
        """The id of this deployment: drawn once, kept for good, because idempotency keys are made from it."""
        kept = self.path / "deployment"
        if not kept.exists():
            drawn = self.path / "deployment.new"
            drawn.write_text(f"dev-{uuid.uuid4().hex}\n")
            drawn.replace(kept)
        return kept.read_text().strip()


@asynccontextmanager
async def only_one(folder: Folder) -> AsyncIterator[int]:
    """Holds the folder's lock and yields its file descriptor, for the children to inherit.

    The lock is free when every process that has the descriptor is gone: no database file has two servers.
    """
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _acquire(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, folder: Folder) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LEFTOVERS_GONE_WITHIN.total_seconds()):
            while not _try_lock(descriptor):
                holder = _holder(descriptor)
                if holder is not None and _is_alive(holder):
                    raise FolderInUse(_used_by(holder, folder))
                await asyncio.sleep(0.05)
            return
    raise FolderInUse(_leftovers(folder))


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> int | None:
    written = os.pread(descriptor, 20, 0)
    return int(written) if written.isdigit() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _used_by(holder: int, folder: Folder) -> str:
    running = read_running(folder.running)
    where = f"Web UI {running.web_ui}" if running and running.pid == holder else "starting or stopping"
    here = str(folder.parent)
    return f"interlock dev already runs in {here!r} (pid {holder}, {where}); use that one, or another --folder"


def _leftovers(folder: Folder) -> str:
    running = read_running(folder.running)
    processes = running.processes if running else ()
    pids = ", ".join(f"{process.name} {process.pid}" for process in processes) or "pids unknown"
    return (
        f"interlock dev is gone from {str(folder.parent)!r}, but programs it started still run ({pids}); "
        f"end them, then start again"
    )

"""The file of checkpoints: one signed statement a line, only ever appended to, outside the database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contracts.audit import Checkpoint
from contracts.canonical import canonical_json, parse_json

TAIL_BYTES = 256 * 1024
"""Many times what one checkpoint needs."""


class CheckpointsUnusable(Exception):
    """The file cannot be read or appended to; the message says what to do."""


class CheckpointsBusy(Exception):
    """Another worker is appending at this moment."""


@dataclass(frozen=True)
class Line:
    """One line of the file."""

    number: int
    checkpoint: Checkpoint | None
    """None: it is not one."""
    whole: bool = True
    """It ends with a line feed; a last line that does not was cut off while it was written."""


def read_lines(path: Path) -> Iterator[Line]:
    """Every line that is not empty. Raises CheckpointsUnusable."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield Line(number, as_checkpoint(line), line.endswith(b"\n"))
    except OSError as error:
        raise _unreadable(path, error) from error


def as_checkpoint(line: bytes) -> Checkpoint | None:
    """The checkpoint that a line is, or None."""
    try:
        return Checkpoint.model_validate(parse_json(line))
    except (ValueError, ValidationError):
        return None


def last_checkpoint(path: Path) -> Checkpoint | None:
    """The last checkpoint; what was cut off while it was written does not count. Raises CheckpointsUnusable."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            tail = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    whole, _, _ = tail.rpartition(b"\n")
    found = (as_checkpoint(line) for line in reversed(whole.split(b"\n")))
    return next((checkpoint for checkpoint in found if checkpoint is not None), None)


def _unreadable(path: Path, error: OSError) -> CheckpointsUnusable:
    return CheckpointsUnusable(
        f"the checkpoints {str(path)!r} cannot be read: {error.strerror}; see INTERLOCK_AUDIT_CHECKPOINTS"
    )


class CheckpointAppender:
    """The file, held by one worker for a moment."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle

    def last(self) -> Checkpoint | None:
        """See `last_checkpoint`."""
        return last_checkpoint(self._path)

    def append(self, checkpoint: Checkpoint) -> None:
        """Add a line; it is on the disk when this returns."""
        line = canonical_json(checkpoint) + b"\n"
        written = os.write(self._handle, self._after_a_torn_line() + line)
        if written < len(line):
            raise CheckpointsUnusable(f"the checkpoints {str(self._path)!r} cannot grow; make room on that volume")
        os.fsync(self._handle)

    def _after_a_torn_line(self) -> bytes:
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                return b""
            file.seek(size - 1)
            return b"" if file.read(1) == b"\n" else b"\n"


@contextmanager
def appending(path: Path) -> Iterator[CheckpointAppender]:
    """Hold the file, which is opened for appending and nothing else. Raises CheckpointsBusy, CheckpointsUnusable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CheckpointsUnusable(
            f"checkpoints cannot be appended to {str(path)!r}: {error.strerror}; see INTERLOCK_AUDIT_CHECKPOINTS"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointsBusy(str(path)) from error
        if is_new:
            _keep_the_name(path)
        yield CheckpointAppender(path, handle)
    finally:
        os.close(handle)


def _keep_the_name(path: Path) -> None:
    """A new file outlives a power cut only when its folder was written too."""
    folder = os.open(path.parent, os.O_RDONLY)
    with suppress(OSError):  # not every file system can
        os.fsync(folder)
    os.close(folder)

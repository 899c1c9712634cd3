"""Files that only their owner may read: how they are read, and how they are written without ever being half there."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cli.exits import Refused
from cli.outside import as_argument

MAX_BYTES: Final = 16 * 1024
_FOR_OTHERS: Final = 0o077


def read_private(path: Path, what: str) -> str:
    """The text of a file that nobody else may read. Raises Refused, with the way out."""
    try:
        # Without blocking, should it be a pipe; and the file that is checked is the one that is read.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{what} {str(path)!r} cannot be read: {error.strerror}; see that it is there") from error
    try:
        _check_private(path, os.fstat(descriptor), what)
        # Not before: a folder can be opened, and cannot be made a file.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{what} {str(path)!r} is not text; restore it from a backup") from error
    if len(content) > MAX_BYTES:
        raise Refused(f"{what} {str(path)!r} has more than {MAX_BYTES} bytes; it cannot be what it should be")
    return text


def _check_private(path: Path, facts: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "no ordinary file"
        raise Refused(f"{what} {str(path)!r} is {kind}; name a file")
    if facts.st_mode & _FOR_OTHERS:
        raise Refused(
            f"{what} {str(path)!r} may be read by others (mode {stat.S_IMODE(facts.st_mode):04o}); take that back "
            f"with `chmod 600 {as_argument(str(path))}`, and replace what was in it if somebody may have looked"
        )


def make_private_folder(folder: Path) -> None:
    """See that the folder is there, for its owner alone. Raises Refused."""
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise Refused(f"the folder {str(folder)!r} cannot be made: {error.strerror}; set INTERLOCK_KEYS") from error
    check_private_folder(folder, mode)


def check_private_folder(folder: Path, mode: int) -> None:
    """Raises Refused when others may look into the folder, or put files there."""
    if mode & _FOR_OTHERS:
        raise Refused(
            f"the folder {str(folder)!r} is open to others (mode {stat.S_IMODE(mode):04o}); "
            f"close it with `chmod 700 {as_argument(str(folder))}`"
        )


def write_private(folder: Path, names: tuple[str, ...], content: str) -> Path:
    """Write a new file for its owner alone, under the first of `names` that is free. Raises Refused."""
    make_private_folder(folder)
    with _whole(folder, content.encode(), 0o600) as written:
        for name in names:
            try:
                (folder / name).hardlink_to(written)
            except FileExistsError:
                continue
            return folder / name
    raise Refused(f"{str(folder / names[-1])!r} is there already; move it away, and try again")


def replace(path: Path, content: str) -> None:
    """Put new content into a file that others may read: a reader sees all of the old, or all of the new."""
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
    with _whole(target.parent, content.encode(), mode) as written:
        written.replace(target)


@contextmanager
def _whole(folder: Path, content: bytes, mode: int) -> Iterator[Path]:
    """A file with all of the content, on disk, under a name of its own; gone again afterwards."""
    path = folder / f".new-{secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            yield path
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(
            f"nothing was written to {str(folder)!r}: {error.strerror}; see that you may write there"
        ) from error

"""The usual ports belong to one test of this machine at a time, whichever process of pytest-xdist runs it."""

import fcntl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAITED_SECONDS = 90


@contextmanager
def usual_ports_to_myself() -> Iterator[None]:
    """Nobody else takes or looks for the usual ports meanwhile. Blocks, for a bounded time."""
    with (Path(tempfile.gettempdir()) / "interlock-tests-usual-ports").open("w") as file:
        deadline = time.monotonic() + WAITED_SECONDS
        while not _locked(file.fileno()):
            assert time.monotonic() < deadline, f"another test held the usual ports for {WAITED_SECONDS} s"
            time.sleep(0.05)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

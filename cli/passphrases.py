"""The passphrase of a key file: from the file that INTERLOCK_PASSPHRASE_FILE names, else asked on a terminal."""

import getpass
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cli.exits import Refused
from cli.private_files import read_private

VARIABLE: Final = "INTERLOCK_PASSPHRASE_FILE"
_EMPTY: Final = "an empty passphrase protects nothing; choose one"


def read_passphrase(of: str) -> bytes:
    """The passphrase that opens `of`. Raises Refused."""
    return _from_file() or _asked(f"passphrase of {of}: ")


def new_passphrase(of: str) -> bytes:
    """A passphrase for a new file, typed twice on a terminal. Raises Refused."""
    if named := _from_file():
        return named
    first = _asked(f"new passphrase for {of}: ")
    if _asked("the same again: ") != first:
        raise Refused("the two passphrases differ; nothing was made, try again")
    return first


def _from_file() -> bytes | None:
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    text = read_private(Path(path), "the passphrase file").removesuffix("\n").removesuffix("\r")
    if not text:
        raise Refused(f"the passphrase file {path!r} is empty; {_EMPTY}")
    return text.encode()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stops the question at once: while a command waits for people, asyncio would only note it for later."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _asked(question: str) -> bytes:
    if not sys.stdin.isatty():
        raise Refused(f"no terminal to ask for the passphrase; name a file that holds it in {VARIABLE}")
    try:
        with _interruptible():
            typed = getpass.getpass(question)
    except EOFError:
        typed = ""
    if not typed:
        raise Refused(_EMPTY)
    return typed.encode()

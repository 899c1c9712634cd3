"""What the bank wrote down: one line for every call that arrived, and one for everything that came of it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from contracts.model import Model


class What(StrEnum):
    """What a line tells."""

    ARRIVAL = "arrival"
    EFFECT = "effect"
    REPEAT = "repeat"
    """It was done before, as the key or the value shows; nothing changed."""
    READ = "read"


class Line(Model):
    """One line of the journal."""

    what: What
    tool: str
    memo: str
    """The caller's own name for what it wants: run and step. An ordinary argument, so that it reaches every tool."""
    at: float
    """Seconds since the epoch."""
    account: str = ""
    cents: int = 0
    key: str = ""


class Journal:
    """A file that several processes append to, each line whole, in the order in which it happened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def lines(self) -> list[Line]:
        """Everything so far."""
        return [Line.model_validate_json(line) for line in self._path.read_text().splitlines()]

    @contextmanager
    def held(self) -> Iterator["Writer"]:
        """The journal to oneself, for a moment."""
        with self._path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield Writer(file.fileno())


class Writer:
    """Reads what is new and appends, while nobody else can."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read_from(self, offset: int) -> tuple[list[dict[str, JsonValue]], int]:
        """The lines after `offset`, and where they end."""
        size = os.fstat(self._descriptor).st_size
        told = os.pread(self._descriptor, size - offset, offset)
        return [json.loads(line) for line in told.splitlines()], size

    def append(self, line: Line) -> None:
        """Out of this process when it returns; the bank is never killed, so the disk need not have it."""
        os.lseek(self._descriptor, 0, os.SEEK_END)
        os.write(self._descriptor, line.model_dump_json().encode() + b"\n")

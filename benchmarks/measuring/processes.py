"""Processor time and memory of processes and all their children, as Linux counts them."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GONE = (FileNotFoundError, ProcessLookupError)


def tree_of(pid: int) -> list[int]:
    """The process and everything below it."""
    found = [pid]
    with suppress(*_GONE):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*_GONE):
                found += [each for child in (task / "children").read_text().split() for each in tree_of(int(child))]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these trees have used so far, in user and in system mode, children that have ended included."""
    return sum(_ticks(each) for pid in pids for each in tree_of(pid)) / _TICKS


def memory_bytes(pids: Iterable[int]) -> int:
    """What of these trees is in memory."""
    return sum(_pages(each) for pid in pids for each in tree_of(pid)) * _PAGE


def _ticks(pid: int) -> int:
    with suppress(*_GONE):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))  # utime, stime, and those of children that were waited for
    return 0


def _pages(pid: int) -> int:
    with suppress(*_GONE):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return 0

"""Where every call in flight stands in the gate, in a file that outlives the process that writes it."""

import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from contracts.model import Model

SLOTS, SLOT_BYTES = 256, 256
_EMPTY = b"\0" * SLOT_BYTES


class InFlight(Model):
    """One call in flight: which, and the last step of the gate that it came to."""

    run: str
    step: str
    occurrence: str
    tool: str
    phase: str
    """`before ledger.claim`, `after ledger.claim`: the call was on its way there, or had that behind it."""


class Board:
    """One slot for each call in flight. Written by memory alone, so that a killed process has written it."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(SLOTS * SLOT_BYTES)
            self._memory = mmap.mmap(file.fileno(), SLOTS * SLOT_BYTES)
        self._free = list(range(SLOTS))

    @contextmanager
    def slot(self, call: InFlight) -> Iterator["Slot"]:
        """A slot for the time of one call."""
        number = self._free.pop()
        slot = Slot(self, number, call)
        token = CURRENT.set(slot)
        try:
            yield slot
        finally:
            CURRENT.reset(token)
            self.write(number, None)
            self._free.append(number)

    def write(self, number: int, call: InFlight | None) -> None:
        """Show `call` in this slot, or nothing."""
        told = call.model_dump_json().encode()[:SLOT_BYTES].ljust(SLOT_BYTES, b"\0") if call else _EMPTY
        self._memory[number * SLOT_BYTES : (number + 1) * SLOT_BYTES] = told


class Slot:
    """Where one call stands."""

    def __init__(self, board: Board, number: int, call: InFlight) -> None:
        self._board, self._number = board, number
        self.call = call

    def reach(self, phase: str) -> None:
        """The call has come this far."""
        self.call = self.call.model_copy(update={"phase": phase})
        self._board.write(self._number, self.call)


CURRENT: ContextVar[Slot | None] = ContextVar("CURRENT", default=None)
"""The call that this task works on."""


def in_flight(path: Path) -> list[InFlight]:
    """What a board shows; nothing when its process did not come so far as to make one."""
    if not path.exists():
        return []
    content = path.read_bytes()
    slots = (content[start : start + SLOT_BYTES].rstrip(b"\0") for start in range(0, len(content), SLOT_BYTES))
    return [InFlight.model_validate(json.loads(slot)) for slot in slots if slot]

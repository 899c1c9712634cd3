"""The event loop of a process that works all day: uvloop where it runs, which takes less time for the same work."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

if sys.platform != "win32":
    import uvloop

T = TypeVar("T")
DESCRIPTORS = Path("/dev/fd")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    if sys.platform == "win32":
        return asyncio.run(main)
    _hand_nothing_on()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def _hand_nothing_on() -> None:
    """What this process was handed stays with it: unlike asyncio, uvloop closes nothing in the processes it starts."""
    for descriptor in [int(each.name) for each in DESCRIPTORS.iterdir()]:
        if descriptor > 2:
            with suppress(OSError):  # the one that has listed them
                os.set_inheritable(descriptor, False)

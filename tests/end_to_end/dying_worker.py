"""A worker that kills itself at a named point of one run's conversation: `python -m tests.end_to_end.dying_worker`.

`DIES_AT` is such as `after conversations.answer`, `DIES_IN` the workflow id; it dies when that point is reached for the
second time, which is in the second turn.
"""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from cli.connection import connect, find_server
from workers import event_loop
from workers.assembly import activities_of, interceptors_of, make_worker, open_ports, open_store
from workers.settings import Settings
from workflows.catalog import Catalog

AT_ARRIVAL = 2


class Dying:
    """A port; the process ends before or after one of its methods has done its work."""

    def __init__(self, inner: object, name: str, point: str, run: str) -> None:
        self._inner, self._name, self._point, self._run = inner, name, point, run
        self._arrivals = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        when, _, step = self._point.partition(" ")
        return self._fatal(method, when) if step == f"{self._name}.{name}" else method

    def _fatal(self, method: Callable[..., Awaitable[Any]], when: str) -> Callable[..., Awaitable[Any]]:
        async def fatal(*given: Any, **named: Any) -> Any:
            of_run = self._run in repr(given[0])
            self._arrivals += of_run
            ends = of_run and self._arrivals == AT_ARRIVAL
            if ends and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = await method(*given, **named)
            if ends:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return fatal


async def work(point: str, run: str) -> None:
    """Work until the point is reached."""
    settings, catalog = Settings.read(), Catalog.load()
    client = await connect(find_server(), service="interlock-worker")
    async with open_store(settings) as store, open_ports(settings, client, store) as opened:
        ports = dataclasses.replace(
            opened,
            owner_roles=catalog.owner_roles(),
            conversations=Dying(opened.conversations, "conversations", point, run),
            claude=Dying(opened.claude, "claude", point, run),
        )
        async with make_worker(client, catalog, activities_of(ports), interceptors=interceptors_of(ports)):
            print("ready", flush=True)  # noqa: T201 - what the supervisor waits for
            await asyncio.Event().wait()


if __name__ == "__main__":
    event_loop.run(work(os.environ["DIES_AT"], os.environ["DIES_IN"]))
    sys.exit(1)

"""A server is dead for a while under real worker processes, in real time: `python -m tests.faults.dead_minute`."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from activities.admission import Admission, Held
from activities.breakers import May
from activities.toolbox import NotSent, OutcomeUnknown
from contracts.audit import GOVERNANCE, AuditKind
from tests.workers.resources.doubles import Heard, ScriptedHttp, connections, http, reply
from tests.workers.resources.test_mcp_http import ModernServer, result_of
from workers import event_loop
from workers.resources.clock import SystemClock
from workers.resources.store import Store
from workers.resources.store.schema import AUDIT

WORKERS = 8
BEFORE_SECONDS = 2.0
RESUMES_WITHIN_SECONDS = 150.0
"""Twice the second length of an open breaker, and a little."""
BETWEEN_SECONDS = 0.1
TURNS = ("server/discover", "tools/call")
"""The first request of a probe, and a call: what follows the first belongs to the same turn to the server."""


@dataclass
class Verdict:
    """What the server saw of its minute, and what the audit chain says."""

    touches: int
    """While it was dead."""
    most_at_once: int
    """Of those that came once the breaker had opened."""
    probes_after_return: int
    resumed_after_seconds: float
    calls_after_return: int


@dataclass
class Witness:
    """A server that notes what reaches it, and that is dead for a while."""

    dead: bool = False
    touches: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    alive: ModernServer = field(init=False)

    def __post_init__(self) -> None:
        self.alive = ModernServer(lambda heard, writer: reply(writer, 200, result_of(heard, {"content": []})))

    async def __call__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        """One request."""
        method = str(heard.json.get("method"))
        if not self.dead:
            await self.alive(heard, writer)
            if method == "tools/call":
                self.answered.append(time.monotonic())
            return
        if method in TURNS:
            self.touches.append(time.monotonic())
        self.under_way += 1
        if method not in ("tools/call", "tools/list"):
            self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0.05)
        self.under_way -= 1
        reply(writer, 503, b"{}")


async def work(store_url: str, port: int, folder: Path) -> None:
    """One worker: calls, and comes back when it is told to. Ended by whoever started it."""
    store = Store.open(store_url)
    async with connections(folder, http(port)) as toolbox:
        admission = Admission(toolbox, store.breakers, store.rates, SystemClock())
        while True:
            try:
                async with admission.to("peer") as admitted:
                    tool, *_ = await admitted.listing(toolbox.definitions("peer"))
                    await admitted.to_send()
                    await admitted.call(toolbox.call(tool, {}, "key"))
                await asyncio.sleep(BETWEEN_SECONDS)
            except Held as held:
                await asyncio.sleep(held.retry_after_seconds)
            except (NotSent, OutcomeUnknown):
                await asyncio.sleep(1)


async def dead_minute(store_url: str, seconds: float) -> Verdict:
    """A server answers 503 for so long, under eight worker processes that share the store. Bounded."""
    witness = Witness()
    opened = Store.open(store_url)
    async with AsyncExitStack() as stack:
        stack.callback(opened.close)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = await stack.enter_async_context(ScriptedHttp(witness).running())
        for number in range(WORKERS):
            command = (sys.executable, "-m", "tests.faults.dead_minute", "--store", store_url, "--work")
            process = await asyncio.create_subprocess_exec(*command, str(server.port), str(folder / str(number)))
            stack.push_async_callback(process.wait)
            stack.callback(process.kill)
        await _until(lambda: len(witness.answered) >= 5 * WORKERS, 60)
        await asyncio.sleep(BEFORE_SECONDS)
        witness.dead = True
        await asyncio.sleep(seconds)
        witness.dead = False
        returned, returned_at = time.monotonic(), datetime.now(UTC)
        before = len(witness.answered)
        await _until(lambda: len(witness.answered) > before, seconds + RESUMES_WITHIN_SECONDS)
        resumed = witness.answered[before] - returned
        await asyncio.sleep(BEFORE_SECONDS)
        return Verdict(
            touches=len(witness.touches),
            most_at_once=witness.most_at_once,
            probes_after_return=_probes(opened, returned_at),
            resumed_after_seconds=round(resumed, 1),
            calls_after_return=len(witness.answered) - before,
        )


def _probes(store: Store, since: datetime) -> int:
    """How often somebody looked, as auditors were told."""
    of_breakers = AUDIT.select().where(AUDIT.c.stream == GOVERNANCE, AUDIT.c.kind == AuditKind.BREAKER.value)
    rows = store.at_one_moment(lambda connection: connection.execute(of_breakers).all())
    records = [json.loads(row.payload) for row in rows]
    late = [each for each in records if datetime.fromisoformat(each["at"]) >= since]
    return sum(each["facts"]["became"] == May.PROBE.value for each in late)


async def _until(reached: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.05)


def main() -> None:
    """Print the verdict as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.dead_minute", description=__doc__)
    parser.add_argument("--store", required=True, metavar="URL")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", nargs=2, metavar=("PORT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        event_loop.run(work(given.store, int(given.work[0]), Path(given.work[1])))
    sys.stdout.write(json.dumps(asdict(asyncio.run(dead_minute(given.store, given.seconds)))) + "\n")


if __name__ == "__main__":
    main()

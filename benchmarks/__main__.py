"""Run the benchmark: python -m benchmarks [--only loops] [--quick] [--out results.jsonl]."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.promises import verdicts
from benchmarks.records import Records
from benchmarks.report import tables
from benchmarks.scenarios import approvals, loops
from benchmarks.scenarios.approvals import measure_approvals
from benchmarks.scenarios.clock import Clock
from benchmarks.scenarios.load import WORKERS, limits, measure_load
from benchmarks.scenarios.long_runs import measure_long_runs
from benchmarks.scenarios.loops import measure_loops
from benchmarks.world.contestant import Contestant
from benchmarks.world.interlock import interlock
from benchmarks.world.loop import loop
from benchmarks.world.outside import Outside, an_outside

MINUTES, LATEST_MINUTES = 38.0, 39.0
"""Nothing is begun that would last longer; what lasts longer all the same is broken off."""
RESULTS = Path("benchmarks/results/latest.jsonl")


Measure = Callable[[Outside], Awaitable[None]]


class Suite:
    """One run of the benchmark."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.records, self.clock = Records(), Clock(MINUTES)

    async def run(self) -> None:
        """Every scenario that was asked for, each in a world of its own. SIGTERM ends it, and all that it started."""
        running = asyncio.current_task()
        assert running is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        async with an_outside(self.folder / "outside", self.options.seed) as outside:
            for name, measure in self._scenarios().items():
                if self.options.only in ("", name):
                    say(f"{name}: begun after {self.clock.spent_seconds:.0f} s")
                    await self._measured(name, measure, outside)

    async def _measured(self, name: str, measure: Measure, outside: Outside) -> None:
        """One scenario. Whatever ends it is told at the end, and the others are measured all the same."""
        try:
            async with asyncio.timeout(max(1.0, LATEST_MINUTES * 60 - self.clock.spent_seconds)):
                await measure(outside)
        except Exception as failure:  # noqa: BLE001 - half an hour of numbers must not be lost to the last scenario
            for reason in _reasons(failure):
                self.records.failures.append(f"{name}: {reason}")
                say(f"{name} FAILED: {reason}")
            await outside.forget_refusals()

    def _scenarios(self) -> dict[str, Measure]:
        return {
            "loops": self.loops,
            "workers": self.workers,
            "long": self.long,
            "approvals": self.approvals,
            "load": self.load,
        }

    async def loops(self, outside: Outside) -> None:
        """Both contestants, all cells."""
        wanted = loops.QUICK if self.options.quick else loops.CELLS
        cells = [cell._replace(rounds=min(cell.rounds, self.options.rounds)) for cell in wanted]
        async with self._both("loops", outside) as contestants:
            await measure_loops(contestants, outside, self.records, self.clock, cells, self.options.seed)

    async def workers(self, outside: Outside) -> None:
        """Both contestants with several workers each, and many runs at once."""
        wanted = loops.QUICK_CROWDED if self.options.quick else loops.CROWDED
        cells = [cell._replace(rounds=min(cell.rounds, self.options.rounds)) for cell in wanted]
        async with self._both("workers", outside, loops.SEVERAL_WORKERS) as contestants:
            await measure_loops(contestants, outside, self.records, self.clock, cells, self.options.seed, "workers")

    async def long(self, outside: Outside) -> None:
        """Interlock alone."""
        async with interlock(self.folder / "long", outside) as contestant:
            await measure_long_runs(contestant, outside, self.records, self.options.quick)

    async def approvals(self, outside: Outside) -> None:
        """Both contestants, all crowds."""
        crowds = approvals.QUICK if self.options.quick else approvals.CROWDS
        async with self._both("approvals", outside) as contestants:
            await measure_approvals(contestants, outside, self.records, crowds, self.options.seed)

    async def load(self, outside: Outside) -> None:
        """Interlock alone, over several workers."""
        settings = limits(self.options.quick)
        async with interlock(self.folder / "load", outside, WORKERS, settings) as contestant:
            await measure_load(contestant, outside, self.records, self.options.quick)

    @asynccontextmanager
    async def _both(self, name: str, outside: Outside, workers: int = 1) -> AsyncIterator[tuple[Contestant, ...]]:
        async with (
            interlock(self.folder / f"{name}-interlock", outside, workers) as first,
            loop(self.folder / f"{name}-loop", outside, workers) as second,
        ):
            yield first, second


def main() -> int:
    """Measure, show the tables, write the lines; 0 when every promise that was measured is met."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        suite = Suite(options, Path(folder))
        asyncio.run(suite.run())
    found = verdicts(suite.records)
    for line in tables(suite.records, found):
        say(line)
    suite.records.write(options.out, (verdict.line() for verdict in found))
    say(f"{suite.clock.spent_seconds / 60:.1f} minutes; JSON lines in {options.out}")
    return int(bool(suite.records.failures) or any(verdict.says == "missed" for verdict in found))


def _reasons(failure: BaseException) -> list[str]:
    """Every failure of a group by itself."""
    if isinstance(failure, BaseExceptionGroup):
        return [reason for each in failure.exceptions for reason in _reasons(each)]
    return [f"{type(failure).__name__}: {failure}"]


def say(line: str) -> None:
    """For whoever looks on."""
    print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", choices=["", "loops", "workers", "long", "approvals", "load"])
    parser.add_argument("--rounds", type=int, default=3, help="at most so many rounds of each loop")
    parser.add_argument("--seed", type=int, default=20261130, help="what the books hold, and who begins")
    parser.add_argument("--quick", action="store_true", help="a minute: a few small ones of everything")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE", help="where the JSON lines go")
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the SDK's runtime may crash an exiting interpreter (sdk-python 300)

"""`python -m tests.faults`: every source of faults in full number; at the end a table, and the seed.

On both stores each has its half of the number, on one store that has all of it.
"""

import argparse
import asyncio
import logging
import os
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from tests.faults.dead_minute import WORKERS, Verdict, dead_minute
from tests.faults.facts import Facts
from tests.faults.lane import Lane, Source, run_lane
from tests.faults.lanes import Amount, Planned, lanes
from tests.faults.nursery import Nursery, a_nursery
from tests.faults.phases import FAILPOINTS
from tests.faults.states import Choice, Walked, every_state, in_each_state, journeys_of, on_every_way, walkers_of
from tests.faults.states import rows as rows_of_states
from tests.faults.states import shortcomings as not_reached
from tests.faults.stores import STORES
from tests.faults.table import Judged, in_flight, rows
from tests.faults.verdict import settling
from workflows.catalog import Catalog

BEGAN = time.monotonic()
LEAST_IN_FLIGHT = 0.3
"""Of the kills at random: with fewer, nothing much was put to the test."""
FEWEST_KILLS = 20
"""With fewer, a share says nothing."""
SHOWN = 20
DEAD_SECONDS = 60
MOST_TOUCHES = 15
"""Of a server that is dead for so long."""
TOLD_EVERY_SECONDS = 30.0
TOLD_EVERY_RUNS = 10
STATES = "every state of the automations"
"""The name of what is done to the catalog, as a lane; it is no lane of the bank's."""


def say(line: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--lane", action="append", help="only lanes whose name has this in it; repeatable")
    parser.add_argument("--ledger", choices=("on", "off"), default="on", help="off: see that duplicates are seen")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep journal, stores and logs of every lane there")
    parser.add_argument("--dead-minute", type=int, choices=(0, 1), default=1, help="1: in real time, a minute a store")
    parser.add_argument("--states", type=int, default=1, metavar="N", help="deaths in each state; 0: none")
    parser.add_argument("--every-way", action="store_true", help="so many in each state of each way that leads there")
    parser.add_argument("--automation", action="append", help="of the states, only those of these; repeatable")
    for field in fields(Amount):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    return parser.parse_args()


def telling(name: str, source: Source, every_seconds: float = TOLD_EVERY_SECONDS) -> Source:
    """`source`, with a line about how far it is now and then."""

    async def told(lane: Lane) -> None:
        work = asyncio.ensure_future(source(lane))
        while not (await asyncio.wait({work}, timeout=every_seconds))[0]:
            ended = f"{len(lane.facts.endings)} of {len(lane.facts.runs)} runs ended"
            say(f"  {name}: {len(lane.world.kills)} kills, {ended}")
        work.result()

    return told


def be_quiet() -> None:
    """Of servers that come and go the client has a lot to say."""
    logging.disable(logging.CRITICAL)
    errors = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=errors)))


def first_of(error: BaseException) -> BaseException:
    """What went wrong first; a lane that is taken down in the middle of it may fail at that too."""
    before = error.__context__
    return first_of(before) if before is not None and not isinstance(before, asyncio.CancelledError) else error


async def run(nursery: Nursery, store: str, planned: Planned, seed: int, keep: Path | None) -> Judged:
    """One lane."""
    began = time.monotonic()
    source = telling(planned.name, planned.source)
    facts, broken = Facts([]), ""
    try:
        facts = await run_lane(nursery, source, STORES[store], seed, planned.business, planned.setting, keep)
    except (AssertionError, TimeoutError) as error:
        broken = f"the lane did not come to its end: {first_of(error)!r}"
    judged = Judged(STORES[store].name, planned.name, facts, time.monotonic() - began, planned.alone, broken)
    say(judged.row())
    for trouble in judged.troubles[:SHOWN]:
        say(f"  PROBLEM {trouble.kind}: {trouble.what}")
    for late in settling(facts).late[:SHOWN] if planned.alone else ():
        say(f"  settled late: {late}")
    return judged


async def run_all(stores: list[str], chosen: list[Planned], seed: int, keep: Path | None) -> list[Judged]:
    """Lanes that measure have the machine to themselves; of the others, those of one store run side by side."""
    judged = []
    async with a_nursery() as nursery:
        for store in stores:
            judged += [await run(nursery, store, planned, seed, keep) for planned in chosen if planned.alone]
            beside = (run(nursery, store, planned, seed, keep) for planned in chosen if not planned.alone)
            judged += await asyncio.gather(*beside)
    return judged


@dataclass
class DeadMinute:
    """A server that was dead for a minute under eight workers."""

    store: str
    seen: Verdict | None
    """None: it did not come to its end."""

    def row(self) -> str:
        """One line."""
        if (seen := self.seen) is None:
            return f"{self.store:11}a server dead for {DEAD_SECONDS} s under {WORKERS} workers: not measured"
        asked = f"was asked {seen.touches} times, by {seen.most_at_once} at once"
        back = f"probed {seen.probes_after_return} times once back, and working after {seen.resumed_after_seconds} s"
        return f"{self.store:11}a server dead for {DEAD_SECONDS} s under {WORKERS} workers {asked}; {back}"

    def problems(self) -> list[str]:
        """What is more than was promised."""
        if (seen := self.seen) is None:
            return ["the dead minute did not come to its end in time"]
        found = [f"a dead server was asked {seen.touches} times"] if seen.touches > MOST_TOUCHES else []
        found += [f"{seen.most_at_once} probes at once"] if seen.most_at_once > 1 else []
        return found + [f"{seen.probes_after_return} probes before work went on"] * (seen.probes_after_return > 2)


async def a_dead_minute(store: str) -> DeadMinute:
    """Outside every lane: its workers do nothing but call, and the server is one that counts."""
    say(f"  {STORES[store].name}: a server is dead for {DEAD_SECONDS} s")
    made_in = TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)
    with made_in as folder, STORES[store].new(Path(folder)) as (url, _):
        try:
            seen = await dead_minute(url, DEAD_SECONDS)
        except TimeoutError:
            seen = None
        return DeadMinute(STORES[store].name, seen)


async def in_every_state(
    choices: list[Choice], seed: int, automations: list[str], ledger: Literal["on", "off"]
) -> list[Walked]:
    """Workers die in every state of the automations."""
    say(f"  {STATES}: each way in peace first, then with a death in each state")
    ended = 0

    def tell(walked: Walked) -> None:
        nonlocal ended
        ended += 1
        for problem in walked.problems:
            say(f"  PROBLEM {walked}: {problem}")
        if ended % TOLD_EVERY_RUNS == 0:
            say(f"  {STATES}: {ended} runs ended")

    async with a_nursery() as nursery, walkers_of(nursery, ledger) as walkers:
        return await every_state(walkers, journeys_of(*automations), choices, seed, tell)


def shortcomings(judged: list[Judged], amount: Amount, whole: bool) -> list[str]:
    """What was not put to the test as it should have been, and what took too long."""
    facts = [each.facts for each in judged]
    found = []
    late = sum(len(settling(each.facts).late) for each in judged if each.alone)
    if late:
        found.append(f"{late} interrupted calls of keyed and idempotent tools were settled too late")
    drawn = sum(not kill.failpoint for each in facts for kill in each.kills)
    if drawn >= FEWEST_KILLS and in_flight(facts) < LEAST_IN_FLIGHT * drawn:
        found.append(f"only {in_flight(facts)} of {drawn} kills at random met an effect in flight")
    if whole:
        hits = [sum(kill.failpoint == name for each in facts for kill in each.kills) for name in FAILPOINTS]
        if min(hits) < amount.failpoints:
            found.append(f"a failpoint was reached {min(hits)} times only")
    return found


def main() -> int:
    """0 when nothing was lost and nothing was done twice, every run ended as planned, and all accounts agree."""
    be_quiet()
    wanted = asked()
    amount = Amount(**{field.name: getattr(wanted, field.name) for field in fields(Amount)})
    stores = list(STORES) if wanted.store == "both" else [wanted.store]
    every = lanes(amount.shared_by(len(stores)), wanted.ledger)
    chosen = [each for each in every if not wanted.lane or any(part in each.name for part in wanted.lane)]
    say(f"seed {wanted.seed}")
    judged = asyncio.run(run_all(stores, chosen, wanted.seed, wanted.keep))
    minutes = [] if wanted.lane or not wanted.dead_minute else [asyncio.run(a_dead_minute(store)) for store in stores]
    wanted_states = wanted.states and (not wanted.lane or any(part in STATES for part in wanted.lane))
    only = wanted.automation or []
    choices: list[Choice] = [on_every_way if wanted.every_way else in_each_state] * wanted.states
    walked = asyncio.run(in_every_state(choices, wanted.seed, only, wanted.ledger)) if wanted_states else []
    say()
    for row in (*(rows(judged) if judged else ()), *rows_of_states(walked)):
        say(row)
    problems = sum(len(each.troubles) for each in judged) + sum(len(each.problems) for each in walked)
    for minute in minutes:
        say(minute.row())
    short = shortcomings(judged, amount, whole=not wanted.lane)
    short += [f"{minute.store}: {problem}" for minute in minutes for problem in minute.problems()]
    short += not_reached(walked, Catalog.load()) if walked and not only else []
    for each in short:
        say(f"PROBLEM {each}")
    say(f"seed {wanted.seed}; {problems + len(short)} problems; {time.monotonic() - BEGAN:.0f} s")
    return 1 if problems or short else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the SDK's runtime may crash an interpreter that exits (sdk-python 300)

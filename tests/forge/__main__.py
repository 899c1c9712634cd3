"""`python -m tests.forge`: everything forged in full number; at the end a table of what refused what, and the seed."""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from temporalio.testing import WorkflowEnvironment

from contracts.wire import DATA_CONVERTER
from tests.forge.impostors import Unmasked, unmask
from tests.forge.in_process import Tally, forge_chunk, genuine_ones_count
from tests.forge.kinds import KINDS
from tests.forge.through_server import Sent, send_forgeries
from workers.embedded.temporal_server import server_arguments, temporal_binary

CHUNK = 2_000
QUESTIONS = "20000"


def say(line: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def forge_in_processes(count: int, seed: int, processes: int) -> list[Tally]:
    """All of them, in chunks with seeds of their own."""
    chunks = [min(CHUNK, count - first) for first in range(0, count, CHUNK)]
    seeds = [seed * 1_000_003 + number for number in range(len(chunks))]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        tallies = []
        for tally in pool.map(forge_chunk, chunks, seeds):
            tallies.append(tally)
            if len(tallies) % 10 == 0:
                say(f"  {sum(each.tried for each in tallies)} forged")
        return tallies


async def on_a_server(through_server: int, impostors: int, seed: int) -> tuple[Sent, Unmasked]:
    """What goes through the real Temporal server."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        sent = await send_forgeries(environment, through_server, seed)
        say(f"  {sent.tried} sent")
        return sent, await unmask(environment, impostors, seed)


def ask_policy() -> int:
    """20,000 questions to Cedar and the oracle, and every mutant of the rules; the exit code."""
    tests = ("tests/policies/test_oracle.py", "tests/policies/test_mutants.py")
    environment = {**os.environ, "INTERLOCK_TEST_QUESTIONS": QUESTIONS}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], env=environment, timeout=900).returncode


def table(tallies: Iterable[Tally], sent: Sent) -> list[str]:
    """Kind, the check that must refuse it, and how often it was refused: on arrival, at the gate, by the run."""
    refused: Counter[tuple[str, str]] = Counter()
    for tally in tallies:
        refused.update(tally.refused)
    rows = [f"{'kind':42} {'refused by':20} {'on arrival':>10} {'gate':>8} {'update':>7} {'signal':>7}"]
    for kind in KINDS:
        arrived = refused[kind.name, kind.refused_by.value]
        by_way = (refused[kind.name, "gate"], sent.refused[kind.name, "update"], sent.refused[kind.name, "signal"])
        gate, update, signal = by_way
        mark = "" if kind.resigned else "  (not re-signed)"
        rows.append(f"{kind.name:42} {kind.refused_by.value:20} {arrived:10} {gate:8} {update:7} {signal:7}{mark}")
    return rows


def problems_of(tallies: list[Tally], sent: Sent, unmasked: Unmasked, policy: int) -> list[str]:
    """What must not be; empty when everything is as it should."""
    found = [f"accepted: {each}" for tally in tallies for each in tally.accepted]
    found += [f"wrong check: {each}" for tally in tallies for each in tally.wrong_check]
    found += [f"not new: {each}" for tally in tallies for each in tally.not_new]
    found += [f"accepted: {each}" for each in (*sent.accepted, *unmasked.stolen)]
    effects = sum(tally.effects for tally in tallies) + sent.effects_before + unmasked.effects
    found += [f"{effects} effects"] * bool(effects)
    found += [f"refused updates left {sent.events_of_updates} events"] * bool(sent.events_of_updates)
    found += [f"a genuine pair ended as {state}" for state in sent.genuine if state != "refunded"]
    return found + ["policy and oracle disagree, or a mutant of the rules survived"] * bool(policy)


def main() -> int:
    """0 when nothing forged counted anywhere, and the genuine ones did."""
    parser = argparse.ArgumentParser(prog="python -m tests.forge", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="forgeries in process")
    parser.add_argument("--through-server", type=int, default=1_000, help="as updates and signals")
    parser.add_argument("--impostors", type=int, default=200, help="impostor workflows")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    began = time.monotonic()
    say(f"seed {asked.seed}; the genuine pair counts: {asyncio.run(genuine_ones_count())}")
    tallies = forge_in_processes(asked.count, asked.seed, asked.processes)
    sent, unmasked = asyncio.run(on_a_server(asked.through_server, asked.impostors, asked.seed))
    policy = ask_policy()
    for row in table(tallies, sent):
        say(row)
    say()
    for (play, answer), count in sorted(unmasked.outcomes.items()):
        say(f"impostor: {play:55} {answer:40} {count:4}")
    say()
    tried = sum(tally.tried for tally in tallies)
    say(f"{tried} in process, {sent.tried} through the server, {unmasked.tried} impostors; seed {asked.seed}")
    say(f"{len(KINDS)} kinds, {sum(kind.resigned for kind in KINDS)} of them re-signed by an enrolled key")
    problems = problems_of(tallies, sent, unmasked, policy)
    for problem in problems[:40]:
        say(f"PROBLEM {problem}")
    say(f"{len(problems)} problems, {time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)

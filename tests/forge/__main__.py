"""`python -m tests.forge`: everything forged in full number; at the end a table of what refused what, and the seed."""

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from temporalio.testing import WorkflowEnvironment

from contracts.wire import DATA_CONVERTER
from tests.forge.impostors import Attempts, send_impostors
from tests.forge.in_process import forge_chunk, genuine_ones_count
from tests.forge.kinds import KINDS
from tests.forge.tally import Tally
from tests.forge.through_server import Replayed, forge_through_server, replay_to_the_next_run
from workers.embedded.temporal_server import server_arguments, temporal_binary

CHUNK = 2_500
BEGAN = time.monotonic()
TOLD_EVERY = 10
QUESTIONS = 20_000


def passed() -> str:
    """The seconds since the beginning."""
    return f"{time.monotonic() - BEGAN:.0f} s"


def say(line: str = "") -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def forge_in_processes(count: int, seed: int, processes: int) -> Tally:
    """All of them, in chunks; the number of processes changes nothing but the time."""
    firsts = range(0, count, CHUNK)
    counts = [min(CHUNK, count - first) for first in firsts]
    altogether = Tally(seed)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        chunks = pool.map(forge_chunk, counts, [seed] * len(counts), firsts)
        for number, tally in enumerate(chunks, start=1):
            altogether.add(tally)
            if number % TOLD_EVERY == 0:
                say(f"  {altogether.tried:,} forged in process ({passed()})")
    return altogether


async def on_a_server(through_server: int, impostors: int, seed: int) -> tuple[Tally, Replayed, Attempts]:
    """What goes through the real Temporal server."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        sent = await forge_through_server(environment, through_server, seed)
        say(f"  {sent.tried:,} sent through the server ({passed()})")
        replayed = await replay_to_the_next_run(environment)
        attempts = await send_impostors(environment, impostors, seed)
        say(f"  {attempts.tried:,} impostors ({passed()})")
        return sent, replayed, attempts


def ask_policy() -> int:
    """The questions to Cedar and the oracle, and every mutant of the rules; the exit code."""
    tests = ("tests/policies/test_oracle.py", "tests/policies/test_mutants.py")
    environment = {**os.environ, "INTERLOCK_TEST_QUESTIONS": str(QUESTIONS)}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], env=environment, timeout=900).returncode


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.forge", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="forgeries in process")
    parser.add_argument("--through-server", type=int, default=1_000, help="as updates and signals")
    parser.add_argument("--impostors", type=int, default=200, help="impostor workflows")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def troubles_of(tally: Tally, replayed: Replayed, attempts: Attempts, policy: int) -> list[str]:
    """What must not be; empty when everything is as it should."""
    found = tally.troubles() + attempts.troubles()
    if not replayed.clean:
        found.append(f"replayed to the next run of the case: {replayed}")
    return found + ["policy and its oracle disagree, or a mutant of the rules survived"] * bool(policy)


def report(tally: Tally, sent: Tally, attempts: Attempts, policy: int) -> None:
    """The tables and the counts."""
    for row in (*tally.rows(), "", *attempts.rows(), ""):
        say(row)
    server = f"{sent.tried:,} of them through the server, every second one as a signal"
    say(f"{tally.tried:,} forgeries of {len(KINDS)} kinds, {server}")
    say(f"{sum(kind.resigned for kind in KINDS)} kinds are re-signed by an enrolled key")
    permitted = ", ".join(f"{count} {tool}" for tool, count in sorted(attempts.permitted.items()))
    say(f"{attempts.tried:,} impostors; what policy permits to the people who let them in: {permitted or 'nothing'}")
    say(f"{len(tally.accepted)} accepted, {len(attempts.let_through)} let through, {tally.effects} effects")
    say(f"{QUESTIONS:,} questions to policy: {'they differ' if policy else 'Cedar and the oracle agree'}")


def main() -> int:
    """0 when nothing forged counted anywhere, each was refused by its own check, and the genuine ones did count."""
    logging.disable(logging.CRITICAL)  # of what is refused here the server's client has a lot to say
    wanted = asked()
    say(f"seed {wanted.seed}, {wanted.processes} processes")
    genuine = asyncio.run(genuine_ones_count())
    tally = forge_in_processes(wanted.count, wanted.seed, wanted.processes)
    sent, replayed, attempts = asyncio.run(on_a_server(wanted.through_server, wanted.impostors, wanted.seed))
    tally.add(sent)
    policy = ask_policy()
    report(tally, sent, attempts, policy)
    troubles = troubles_of(tally, replayed, attempts, policy) + ["genuine decisions do not count"] * (not genuine)
    for trouble in troubles:
        say(f"PROBLEM {trouble}")
    say(f"seed {wanted.seed}; {len(troubles)} problems; {passed()}")
    return 1 if troubles else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the SDK's runtime may crash an interpreter that exits (sdk-python 300)

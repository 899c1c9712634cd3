"""Switch each named protection off in a copy of the repository, and see that a test fails: `make mutants`."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.mutants.protection import Protection
from tests.mutants.protections import PROTECTIONS

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 120
"""For the tests of one protection; most take two."""
STORY_PATIENCE_SECONDS = "20"
"""What is switched off shows in a story that waits in vain, several times perhaps: sooner than the test is cut off."""
PASSED, FAILED, NO_SUCH_TEST = 0, 1, 4
_FAILURE = re.compile(r"^FAILED (?:[^ :]*/)?(.+?)(?: - (.*))?$", re.MULTILINE)
_DOES_NOT_RUN = ("NameError", "SyntaxError", "ImportError", "ModuleNotFoundError", "UnboundLocalError")
"""Of a change that breaks the program instead of a protection; that some test fails then proves nothing."""


@dataclass(frozen=True)
class Fate:
    """What became of a protection that was switched off."""

    protection: Protection
    seconds: float
    killed_by: str = ""
    """The first test that failed; empty when none did."""
    problem: str = ""
    """Why nothing failed, or why a failure proves nothing."""


@dataclass(frozen=True)
class Copy:
    """A copy of the repository in which one file at a time is changed."""

    folder: Path

    def fate(self, protection: Protection) -> Fate:
        """Switch the protection off, run its tests, and switch it on again."""
        file = self.folder / protection.file
        original = file.read_text()
        begun = time.monotonic()
        file.write_text(protection.switched_off(original))
        try:
            killed_by, problem = self._outcome(protection.tests)
        finally:
            file.write_text(original)
        return Fate(protection, time.monotonic() - begun, killed_by, problem)

    def problem_without_change(self, tests: Sequence[str]) -> str:
        """What is wrong with the tests when nothing is switched off; empty when they pass."""
        status, told = self._run(tests, PATIENCE_SECONDS * 3)
        if status == NO_SUCH_TEST:
            return "a test that is named does not exist, perhaps because of what stands in its brackets"
        return "" if status == PASSED else told

    def _outcome(self, tests: Sequence[str]) -> tuple[str, str]:
        status, told = self._run(tests, PATIENCE_SECONDS)
        failure = _FAILURE.search(told)
        if status == PASSED:
            return "", "every test passes"
        if status != FAILED or failure is None:
            return "", f"no test ran (exit code {status}): {told[-300:]}"
        said = failure.group(2) or ""
        if said.startswith(_DOES_NOT_RUN):
            return "", f"the changed program does not run: {said}"
        return failure.group(1), ""

    def _run(self, tests: Sequence[str], patience: float) -> tuple[int, str]:
        """Exit code of pytest, and what it wrote; a test that is cut off has not failed."""
        command = (sys.executable, "-m", "pytest", "-x", "-q", "-rf", "--tb=no", "-p", "no:cacheprovider", *tests)
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
        environment["INTERLOCK_STORY_PATIENCE"] = STORY_PATIENCE_SECONDS
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            return -1, f"cut off after {patience:.0f} seconds"
        return done.returncode, done.stdout + done.stderr


@dataclass
class Copies:
    """As many copies as tests run side by side."""

    folder: Path
    free: SimpleQueue[Copy] = field(default_factory=SimpleQueue)

    def make(self, count: int) -> None:
        """Copy every tracked file so many times."""
        listed = subprocess.run(("git", "ls-files", "-z"), cwd=REPOSITORY, capture_output=True, text=True, check=True)
        names = [name for name in listed.stdout.split("\0") if (REPOSITORY / name).is_file()]
        for number in range(count):
            copy = Copy(self.folder / str(number))
            for name in names:
                target = copy.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, target)
            self.free.put(copy)

    def fate(self, protection: Protection) -> Fate:
        """Use whichever copy is free."""
        copy = self.free.get()
        try:
            return copy.fate(protection)
        finally:
            self.free.put(copy)

    def problem_without_change(self, tests: Sequence[str]) -> str:
        """See Copy.problem_without_change."""
        copy = self.free.get()
        try:
            return copy.problem_without_change(tests)
        finally:
            self.free.put(copy)


def chosen(only: Sequence[str]) -> tuple[Protection, ...]:
    """The protections whose names hold one of these texts. Exits when one of them finds none."""
    for text in only:
        if not any(text in each.name for each in PROTECTIONS):
            raise SystemExit(f"no protection is called {text!r}; see tests/mutants/protections.py")
    return tuple(each for each in PROTECTIONS if any(text in each.name for text in only))


def dealt(protections: Sequence[Protection], count: int) -> list[list[str]]:
    """The tests of all protections, a file's together, in at most `count` heaps."""
    heaps: list[list[str]] = [[] for _ in range(count)]
    tests = sorted({test for protection in protections for test in protection.tests})
    for _, together in groupby(tests, key=lambda test: test.partition("::")[0]):
        min(heaps, key=len).extend(together)
    return [heap for heap in heaps if heap]


def table(fates: Sequence[Fate]) -> Iterator[str]:
    """A line for each protection, and one with those that nothing noticed."""
    for fate in fates:
        by = fate.killed_by or f"SURVIVED: {fate.problem}"
        yield f"{fate.protection.name:58} {fate.protection.file:44} {fate.seconds:5.1f} s  {by}"
    survivors = [fate.protection.name for fate in fates if not fate.killed_by]
    files = Counter(fate.protection.file for fate in fates)
    yield f"{len(fates)} protections in {len(files)} files; survivors: {', '.join(survivors) or 'none'}"


def say(text: str) -> None:
    """Some lines, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 0 when every protection is noticed, 1 when one is not, 2 when its tests fail anyway."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="those whose names hold this text; repeatable")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="side by side (2)")
    given = parser.parse_args()
    protections = chosen(given.only or [""])
    with TemporaryDirectory() as folder, ThreadPoolExecutor(given.processes) as threads:
        copies = Copies(Path(folder))
        copies.make(given.processes)
        say(f"{len(protections)} protections; first their tests with nothing switched off")
        problems = [*filter(None, threads.map(copies.problem_without_change, dealt(protections, given.processes)))]
        if problems:
            say("\n".join([*problems, "these tests must pass while nothing is switched off; mend them first"]))
            return 2
        fates = []
        for fate in threads.map(copies.fate, protections):
            fates.append(fate)
            say(f"{len(fates):3} of {len(protections)}  {fate.protection.name}")
    say("\n".join(table(fates)))
    return 0 if all(fate.killed_by for fate in fates) else 1


if __name__ == "__main__":
    sys.exit(main())

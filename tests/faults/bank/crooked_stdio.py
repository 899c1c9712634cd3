"""The bank as a child of the worker, whose stdout misbehaves, once for every call that the plan names."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.faults.bank.books import Books
from tests.faults.bank.journal import What
from tests.faults.bank.server import Pace, build_server

PLAN = "stdio-plan.json"
STDOUT = 1


class CrookedPace(Pace):
    """Does the effect, and then what the plan says of it, if this is the first time that it arrived."""

    def __init__(self, folder: Path, books: Books) -> None:
        super().__init__(0, 0.02)
        self._plan = folder / PLAN
        self._books = books

    async def around(self, memo: str, effect: Callable[[], object], *, may_be_late: bool = False) -> object:
        """See Pace."""
        done = await super().around(memo, effect)
        arrived = [line for line in self._books.journal.lines() if line.memo == memo and line.what is What.ARRIVAL]
        kind = json.loads(self._plan.read_text()).get(memo) if len(arrived) == 1 else None
        if kind == "stdout noise":
            os.write(STDOUT, b"Loading plugins ... done\n\n{]\n")
        if kind == "half line and exit":
            os.write(STDOUT, b'{"jsonrpc":"2.0","id":')
        if kind in ("exit mid-call", "half line and exit"):
            os._exit(3)
        return done


def main() -> None:
    """Serve until the worker closes stdin."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.bank.crooked_stdio")
    parser.add_argument("--data", type=Path, required=True)
    folder: Path = parser.parse_args().data
    books = Books(folder)
    build_server(books, CrookedPace(folder, books)).run("stdio")


if __name__ == "__main__":
    main()

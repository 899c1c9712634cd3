"""The other contestant stays what it says it is: short, and written without anything of ours."""

import ast
from collections.abc import Iterator

from workers.settings import REPOSITORY

LOOP = REPOSITORY / "benchmarks" / "loop"
OURS = {"contracts", "policies", "activities", "workflows", "workers", "cli", "demo", "tests"}


def imported() -> Iterator[str]:
    """Every module that the loop imports."""
    for path in LOOP.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


def test_the_loop_uses_nothing_of_interlock() -> None:
    found = set(imported())
    assert {name for name in found if name.split(".")[0] in OURS} == set()
    assert {name for name in found if name.startswith("benchmarks")} <= {
        "benchmarks.loop.activities",
        "benchmarks.loop.messages",
        "benchmarks.loop.workflow",
    }


def test_the_loop_is_as_short_as_people_write_it() -> None:
    lines = [line for path in LOOP.glob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert 100 < len(lines) < 260

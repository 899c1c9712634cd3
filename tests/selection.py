"""Which tests run: every one, or of those that are many alike a share that is drawn by lot.

`make test` must not take longer than somebody waits for it; `make test-all` runs every test.
"""

import hashlib
import math
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest

MANY = "many"
ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The share, and what the lot is drawn with."""
    group = parser.getgroup("selection")
    group.addoption(
        "--share", type=Fraction, default=Fraction(1), help="of tests marked 'many', so many of each folder: 1/5"
    )
    group.addoption("--seed", default="", help="what the lot is drawn with; the commit that is checked out by default")


def pytest_report_header(config: pytest.Config) -> str:
    """What to give to have the same tests again."""
    share = config.getoption("share")
    if share == 1:
        return "selection: every test"
    return f"selection: --share {share} --seed {seed_of(config)} of tests that are many alike; make test-all: every one"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out those that the lot has not drawn."""
    share = config.getoption("share")
    if share == 1:
        return
    many = [item for item in items if item.get_closest_marker(MANY)]
    kept = drawn((item.nodeid for item in many), share, seed_of(config))
    left_out = {item for item in many if item.nodeid not in kept}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def drawn(node_ids: Iterable[str], share: Fraction, seed: str) -> set[str]:
    """Of each folder the share that has the lowest lots, one test at least."""
    folders = defaultdict[str, list[str]](list)
    for node_id in node_ids:
        folders[node_id.partition("::")[0].rpartition("/")[0]].append(node_id)
    return {
        node_id
        for tests in folders.values()
        for node_id in sorted(tests, key=lambda each: _lot(seed, each))[: math.ceil(len(tests) * share)]
    }


def _lot(seed: str, node_id: str) -> str:
    return hashlib.sha256(f"{seed} {node_id}".encode()).hexdigest()


def seed_of(config: pytest.Config) -> str:
    """What lots are drawn with: `--seed`, or the commit."""
    return config.getoption("seed") or _commit()


def _commit() -> str:
    """The commit that is checked out; a fixed word where there is none to be found."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "no-commit"
    return asked.stdout.strip()

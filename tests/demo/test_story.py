"""`make demo` itself: what the README promises with its first command happens, from request to outcome."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.timeout(170)
def test_the_demo_is_told_to_its_end_though_its_worker_is_killed(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "demo.story"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert re.search(r"kill -9 \d+ \(the worker\)", told.stdout)
    assert "ended: refunded" in told.stdout
    assert re.search(r"Credits for A-18 by the payments server's own count: 1$", told.stdout, re.MULTILINE)

"""The automations of README and demo, taken into a folder outside the repository, and run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(?:python|cedar|markdown)\n(?:#|//) (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_automations_of_readme_and_demo_run_from_a_folder_outside_the_repository(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "demo/automations", tmp_path, dirs_exist_ok=True)
    written = _write_examples(tmp_path)
    assert written == [
        "workflows/apology.py",
        "policies/apology.cedar",
        "activities/prompts/apology/wording.md",
        "tests/test_apology.py",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "pyproject.toml",
        "--rootdir",
        ".",
        "-p",
        "tests.conftest",
        "-q",
        str(tmp_path / "tests"),
    ]
    environment = {**os.environ, "INTERLOCK_AUTOMATIONS": str(tmp_path)}
    told = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=100)

    assert "5 passed" in told.stdout, told.stdout + told.stderr


def test_the_type_checker_takes_the_readmes_automation_and_finds_an_arrow_it_does_not_declare(tmp_path: Path) -> None:
    _write_examples(tmp_path)
    right = tmp_path / "workflows/apology.py"
    wrong = tmp_path / "wrong.py"
    wrong.write_text(right.read_text().replace("return State.DROPPED", "return State.WORDING"))

    assert "Success" in _type_check(right)
    assert "Literal[State.WORDING]" in _type_check(wrong)


def _type_check(path: Path) -> str:
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(path)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100).stdout


def _write_examples(folder: Path) -> list[str]:
    blocks = _BLOCK.findall((REPOSITORY / "README.md").read_text())
    for name, text in blocks:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [name for name, _ in blocks]

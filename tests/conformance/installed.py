"""Installs the suite, an MCP SDK and Node from npm into a folder that is no part of the repository, and calls them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".conformance"
FILES = ("package.json", "package-lock.json", "client.mjs", "calls.mjs")
NODE = FOLDER / "node_modules" / ".bin" / "node"
INSTALLED_WITHIN, RUN_WITHIN = 600, 900
"""Seconds."""


class NotInstalled(Exception):
    """What is needed is not there; the message says what to do."""


@dataclass(frozen=True)
class Verdict:
    """What the suite says of one scenario at one version of the protocol."""

    version: str
    scenario: str
    passed: int
    failures: tuple[tuple[str, str], ...]
    """Check and message, of those that failed or warn."""


def install() -> None:
    """Everything from npm, as the lock file has it; once, until that changes. Raises NotInstalled."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not on the PATH; it installs the suite, and a Node of its own to run it")
    FOLDER.mkdir(exist_ok=True)
    wanted = {name: (HERE / name).read_bytes() for name in FILES}
    done = FOLDER / "node_modules" / ".installed"
    if done.exists() and all(_is(FOLDER / name, text) for name, text in wanted.items()):
        return
    for name, text in wanted.items():
        (FOLDER / name).write_bytes(text)
    command = (npm, "ci", "--no-audit", "--no-fund")
    said = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=INSTALLED_WITHIN, check=False)
    if said.returncode != 0:
        raise NotInstalled(f"npm ci failed: {said.stderr.strip()[-500:]}; is a registry configured for npm?")
    done.touch()


def _is(file: Path, content: bytes) -> bool:
    return file.exists() and file.read_bytes() == content


def required(version: str) -> list[str]:
    """The server scenarios that conformance to a version requires, as the suite itself has them."""
    file = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "requirements" / f"{version}.yaml"
    listed: list[str] = yaml.safe_load(file.read_text())["server"]
    return listed


def run_suite(version: str, url: str) -> list[Verdict]:
    """Every required scenario of a version against the server at `url`."""
    out = FOLDER / "results" / version
    shutil.rmtree(out, ignore_errors=True)
    suite = FOLDER / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    command = (str(suite), "server", "--url", url, "--requirements", version, "-o", str(out))
    run_node(*command)
    scenarios = required(version)
    found = dict(_checks(out, scenarios))
    return [_verdict(version, scenario, found.get(scenario, [])) for scenario in scenarios]


def run_node(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints that Node runs; how it ends is told by what it printed."""
    done = subprocess.run(
        (str(NODE), *command),
        cwd=FOLDER,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN,
        check=False,
    )
    return done.stdout if done.stdout.strip() else done.stderr


def _checks(out: Path, scenarios: list[str]) -> Iterator[tuple[str, Any]]:
    """Scenario -> its checks; a result's folder is named after its scenario, and after the time."""
    for file in sorted(out.glob("*/checks.json")):
        name = file.parent.name.removeprefix("server-")
        fitting = [scenario for scenario in scenarios if name == scenario or name.startswith(f"{scenario}-20")]
        if fitting:
            yield max(fitting, key=len), json.loads(file.read_text())


def _verdict(version: str, scenario: str, checks: list[dict[str, Any]]) -> Verdict:
    bad = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    failures = [(str(check["id"]), str(check.get("errorMessage", ""))[:200]) for check in bad]
    if not checks:
        failures = [("not run", "the suite has left no result")]
    return Verdict(version, scenario, sum(check["status"] == "SUCCESS" for check in checks), tuple(failures))

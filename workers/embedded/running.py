"""`.interlock/dev.json`: what `interlock dev` is running, for the CLI, the demo and people's scripts."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.deployment import Mode


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RunningProcess(_Frozen):
    """One program that `interlock dev` keeps alive; the pid changes when it is restarted."""

    name: str
    pid: int
    log: Path
    restarts: int


class RunningServer(_Frozen):
    """One MCP server that is reached over HTTP."""

    name: str
    url: str


class RunningDevelopment(_Frozen):
    """Everything somebody needs to talk to a running `interlock dev`."""

    pid: int
    folder: Path
    started_at: datetime
    temporal_address: str
    namespace: str
    web_ui: str
    deployment: str
    mode: Mode = Mode.DEVELOPMENT
    store_url: str
    claude: Literal["simulator", "real"]
    simulator_url: str | None
    servers_file: Path
    servers: tuple[RunningServer, ...]
    notices_file: Path | None = None
    """How people are told; None: they are not."""
    smtp_port: int | None = None
    """Where the demo's mail server listens."""
    worker_pids: tuple[int, ...]
    processes: tuple[RunningProcess, ...]


def write_running(file: Path, running: RunningDevelopment) -> None:
    """Atomic: a reader sees the old content or the new, never half of it."""
    new = file.with_suffix(".new")
    new.write_text(running.model_dump_json(indent=2) + "\n")
    new.replace(file)


def read_running(file: Path) -> RunningDevelopment | None:
    """What the file says; None when there is none, or it was written by another version of this program."""
    try:
        return RunningDevelopment.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None

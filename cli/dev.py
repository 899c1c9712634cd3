"""`interlock dev`: everything on this machine, from one command."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.outside import as_argument
from contracts.deployment import Mode
from workers.embedded.development import Compose, develop
from workers.embedded.environment import REPOSITORY
from workers.embedded.folder import FolderInUse, FolderUnusable
from workers.embedded.plan import Claude, Options, WrongOptions, plan
from workers.embedded.running import RunningDevelopment
from workers.embedded.supervisor import ProgramFailed
from workers.embedded.temporal_server import TemporalBinaryMissing, TemporalUnhealthy

REFUSED, WRONG_INPUT = 1, 2


def dev(
    folder: Annotated[
        Path,
        typer.Option(help="Where .interlock/ is kept: databases, logs, addresses.", envvar="INTERLOCK_FOLDER"),
    ] = Path(),
    servers: Annotated[
        Path | None,
        typer.Option(help="Your own MCP servers (TOML) instead of the demo's.", envvar="INTERLOCK_SERVERS"),
    ] = None,
    # No environment variable: consent to spend is given anew each time.
    claude: Annotated[
        Claude, typer.Option(help="Whom to talk to. 'real' is your consent to spend; a key alone is not.")
    ] = Claude.SIMULATOR,
    mode: Annotated[
        Mode,
        typer.Option(help="Whether unsigned decisions count: production takes none.", envvar="INTERLOCK_MODE"),
    ] = Mode.DEVELOPMENT,
    worker: Annotated[bool, typer.Option(help="Also run a worker.")] = True,
    headless: Annotated[bool, typer.Option(help="Print addresses only, no hints.")] = False,
) -> int:
    """Run Temporal with its Web UI, the demo servers, the Claude simulator and a worker, until Ctrl-C.

    Started again in the same folder, it continues the runs it left.
    """
    options = Options(folder, os.environ, servers, claude, worker, mode)
    return run(options, hints=not headless)


def run(options: Options, hints: bool, compose: Compose = plan) -> int:
    """Until it is stopped; the exit code."""

    def announce(running: RunningDevelopment) -> None:
        for line in _addresses(running) + (_hints(running, options) if hints else []):
            typer.echo(line)

    try:
        asyncio.run(develop(options, announce, typer.echo, compose))
    except (FolderInUse, FolderUnusable, WrongOptions) as refusal:
        typer.echo(str(refusal), err=True)
        return WRONG_INPUT
    except (ProgramFailed, TemporalBinaryMissing, TemporalUnhealthy) as failure:
        typer.echo(str(failure), err=True)
        return REFUSED
    return 0


def _addresses(running: RunningDevelopment) -> list[str]:
    facts = [
        ("Web UI", running.web_ui),
        ("Temporal", f"{running.temporal_address} (namespace {running.namespace})"),
        *((server.name, server.url) for server in running.servers),
        ("servers", str(running.servers_file)),
        ("notices", _notices(running)),
        ("Claude", _claude(running)),
        ("store", running.store_url),
        ("logs", str(running.folder / "logs")),
        ("addresses", str(running.folder / "dev.json")),
        *(("worker", f"pid {pid}") for pid in running.worker_pids),
        ("mode", _mode(running)),
    ]
    return [f"{name:<10} {value}" for name, value in facts]


def _mode(running: RunningDevelopment) -> str:
    match running.mode:
        case Mode.DEVELOPMENT:
            return "development: decisions count unsigned here, and only here"
        case Mode.PRODUCTION:
            return (
                "production: signed decisions and starts only; `interlock doctor` tells what is in force, and the "
                "commands that put roster, rules and tools in force"
            )


def _notices(running: RunningDevelopment) -> str:
    if running.notices_file is None:
        return "none: people are not told; INTERLOCK_NOTICES names the file that says how"
    sink = f"; mail to 127.0.0.1:{running.smtp_port}, kept in {running.folder / 'demo' / 'mails'}"
    return f"{running.notices_file}{sink if running.smtp_port else ''}"


def _claude(running: RunningDevelopment) -> str:
    if running.simulator_url is None:
        return "the real one, as --claude real consents: every turn costs money"
    return f"the simulator at {running.simulator_url}; nothing is spent"


def _first_commands(running: RunningDevelopment) -> list[str]:
    start = f"      interlock runs start refund{_example(running)}"
    match running.mode:
        case Mode.DEVELOPMENT:
            return ["next: interlock machines list", start, "      interlock approvals list"]
        case Mode.PRODUCTION:
            return [
                "next: interlock approvers enrol NAME --role ROLE, two as roster_admin, one as operator",
                "      interlock approvers apply --as NAME --reason WHY, by two of roster_admin",
                "      interlock policy activate --as OPERATOR --reason WHY",
                "      interlock tools pin --all --as OPERATOR --reason WHY",
                start,
            ]


def _example(running: RunningDevelopment) -> str:
    """A request that the demo's servers know something about; own servers know other things."""
    example = REPOSITORY / "demo" / "requests" / "refund.json"
    return f" --from {as_argument(str(example))}" if running.servers else " --help"


def _hints(running: RunningDevelopment, options: Options) -> list[str]:
    unused_key = "ANTHROPIC_API_KEY" in options.environ and running.simulator_url is not None
    return [
        *(["", "The ANTHROPIC_API_KEY of your environment is not used: --claude real is the consent."] * unused_key),
        "",
        *_first_commands(running),
        "Ctrl-C stops everything; started again in this folder, it continues the runs it left.",
    ]

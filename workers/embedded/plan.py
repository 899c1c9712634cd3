"""Which programs `interlock dev` runs, with which ports and environments."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from contracts.deployment import Mode
from workers.embedded import environment
from workers.embedded.folder import Folder
from workers.embedded.ports import LOCALHOST, choose_ports
from workers.embedded.program import HealthUrl, Listening, Program, ReadyLine, ServingTemporal
from workers.embedded.running import RunningServer
from workers.embedded.temporal_server import NAMESPACE, TemporalServer
from workers.resources.key_file import KeyFileUnusable, read_or_make_key

TEMPORAL, WEB_UI, PAYMENTS, MAIL, SIMULATOR = "temporal", "web_ui", "payments", "mail", "claude_simulator"
DEMO_SERVERS = (PAYMENTS, MAIL)  # those that speak HTTP; the others are started by the worker, over stdio
MAIL_SINK = "mail_sink"  # where people are told; MAIL is a system that runs write to customers with
USUAL_PORTS = {TEMPORAL: 7233, WEB_UI: 8233, PAYMENTS: 8701, MAIL: 8702, MAIL_SINK: 8725, SIMULATOR: 8787}
WORKER = "worker"
HOLD_FILE = "hold-answers"


class WrongOptions(Exception):
    """What was asked for cannot be run as it was asked."""


class Claude(StrEnum):
    """Whom the worker talks to. Choosing `real` is the consent to spend; a key in the environment is not."""

    SIMULATOR = "simulator"
    REAL = "real"


@dataclass(frozen=True)
class Options:
    """What the user asked for, and the environment in which it was asked."""

    parent: Path  # of .interlock/
    environ: Mapping[str, str]
    servers: Path | None = None
    claude: Claude = Claude.SIMULATOR
    worker: bool = True
    mode: Mode = Mode.DEVELOPMENT


@dataclass(frozen=True)
class Plan:
    """The programs in the order of their start; the worker comes when the outside world is ready."""

    temporal: TemporalServer
    web_ui: str
    outside: tuple[Program, ...]
    workers: tuple[Program, ...]
    mode: Mode
    claude: Claude
    simulator_url: str | None
    servers_file: Path
    servers: tuple[RunningServer, ...]
    notices_file: Path | None
    smtp_port: int | None


def plan(options: Options, folder: Folder) -> Plan:
    """The demo's servers and simulator, or the user's servers and the real Claude. Raises WrongOptions."""
    ports = choose_ports(USUAL_PORTS)
    temporal = TemporalServer(ports[TEMPORAL], ports[WEB_UI], folder.database)
    demo = DEMO_SERVERS if options.servers is None else ()
    sink = (MAIL_SINK,) if demo else ()
    simulator = (SIMULATOR,) if options.claude is Claude.SIMULATOR else ()
    _check_that_demo_is_here((*demo, *sink, *simulator))
    _make_audit_key(folder)
    planned = Plan(
        temporal=temporal,
        web_ui=_url(ports[WEB_UI]),
        outside=(
            _temporal(temporal, options),
            *(_demo_server(name, ports[name], folder, options) for name in demo),
            *(_mail_sink(ports[name], folder, options) for name in sink),
            *(_simulator(ports[name], options) for name in simulator),
        ),
        workers=(),
        mode=options.mode,
        claude=options.claude,
        simulator_url=_url(ports[SIMULATOR]) if simulator else None,
        servers_file=_servers_file(options),
        servers=tuple(RunningServer(name=name, url=_url(ports[name], "/mcp")) for name in demo),
        notices_file=_notices_file(options, demo=bool(demo)),
        smtp_port=ports[MAIL_SINK] if sink else None,
    )
    return _with_worker(planned, options, folder) if options.worker else planned


def _url(port: int, path: str = "") -> str:
    return f"http://{LOCALHOST}:{port}{path}"


def _check_that_demo_is_here(wanted: tuple[str, ...]) -> None:
    folder = environment.REPOSITORY / "demo"
    if wanted and not folder.is_dir():
        raise WrongOptions(
            f"the demo programs ({', '.join(wanted)}) are not in {str(folder)!r}; run from a clone of the "
            f"repository, or give --servers FILE and --claude real"
        )


def _servers_file(options: Options) -> Path:
    if options.servers is None:
        return environment.REPOSITORY / "demo" / "servers.toml"
    if not options.servers.is_file():
        raise WrongOptions(f"--servers {str(options.servers)!r} is not a file; name the TOML file of your servers")
    return options.servers.absolute()


def _notices_file(options: Options, *, demo: bool) -> Path | None:
    """The user's own, whichever servers are used; the demo's goes with the demo's servers."""
    if own := options.environ.get(environment.NOTICES):
        return Path(own).absolute()
    return environment.REPOSITORY / "demo" / "notices.toml" if demo else None


def _temporal(server: TemporalServer, options: Options) -> Program:
    return Program(
        name=TEMPORAL,
        argv=server.argv(),
        environment=environment.for_temporal(options.environ),
        ready=ServingTemporal(server.address),
    )


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    # -P: a folder named `workflows` where the user stands must not hide ours.
    return (sys.executable, "-P", "-m", name, *arguments)


def _demo_server(name: str, port: int, folder: Folder, options: Options) -> Program:
    return Program(
        name=name,
        argv=_module(f"demo.mcp_servers.{name}", *_demo_arguments(name, port, folder)),
        environment=environment.for_demo_program(options.environ),
        ready=HealthUrl(_url(port, "/health")),
    )


def _demo_arguments(name: str, port: int, folder: Folder) -> tuple[str, ...]:
    """While the hold file exists, payments commits effects and withholds its answers: how the demo shows a lost one."""
    usual = ("--data", str(folder.demo_data), "--port", str(port))
    return (*usual, "--hold-answers", str(folder.demo_data / HOLD_FILE)) if name == PAYMENTS else usual


def _mail_sink(port: int, folder: Folder, options: Options) -> Program:
    return Program(
        name=MAIL_SINK,
        argv=_module("demo.mail_sink", "--data", str(folder.demo_data), "--port", str(port)),
        environment=environment.for_demo_program(options.environ),
        ready=Listening(port),
    )


def _simulator(port: int, options: Options) -> Program:
    return Program(
        name=SIMULATOR,
        argv=_module("demo.claude_simulator", "--port", str(port)),
        environment=environment.for_demo_program(options.environ),
        ready=HealthUrl(_url(port, "/health")),
    )


def _with_worker(planned: Plan, options: Options, folder: Folder) -> Plan:
    url = planned.simulator_url
    worker = Program(
        name=WORKER,
        argv=_module("cli.main", "worker"),
        environment=environment.for_worker(
            options.environ,
            claude=environment.simulator_as_claude(url) if url else None,
            interlock=_worker_settings(planned, folder),
        ),
        ready=ReadyLine("ready"),
        stops_within=timedelta(seconds=20),  # it lets tool calls under way finish
    )
    return replace(planned, workers=(worker,))


def _make_audit_key(folder: Folder) -> None:
    """In either mode the folder has a key of its own, for this worker and others beside it."""
    try:
        read_or_make_key(environment.audit_key(folder.path))
    except KeyFileUnusable as unusable:
        raise WrongOptions(str(unusable)) from unusable


def _worker_settings(planned: Plan, folder: Folder) -> dict[str, str]:
    demo = {f"INTERLOCK_DEMO_{server.name.upper()}_URL": server.url for server in planned.servers}
    return {
        **environment.temporal_connection(planned.temporal.address, NAMESPACE),
        **environment.for_authority(planned.mode, folder.path),
        "INTERLOCK_DEPLOYMENT": folder.deployment(),
        "INTERLOCK_STORE": folder.store_url,
        "INTERLOCK_SERVERS": str(planned.servers_file),
        "INTERLOCK_DEMO_DATA": str(folder.demo_data),
        "INTERLOCK_DATA": str(folder.path),
        "PYTHON": sys.executable,
        **demo,
        **environment.for_notices(planned.notices_file, planned.smtp_port),
    }

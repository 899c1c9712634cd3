"""Find the Temporal server and talk to it: by flag, then environment, then what `interlock dev` wrote."""

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

from cli.exits import NotReachable, WrongInput
from cli.server import Server
from workers.embedded.running import RunningDevelopment, read_running

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.plugin import SimplePlugin
    from temporalio.runtime import Runtime

P = ParamSpec("P")
CONNECTED_WITHIN: Final = timedelta(seconds=5)
TRACES_SENT_WITHIN: Final = timedelta(seconds=2)
DEV_FILE: Final = Path(".interlock") / "dev.json"

AddressOption = Annotated[str, typer.Option("--address", help="Temporal server HOST:PORT (or TEMPORAL_ADDRESS).")]
NamespaceOption = Annotated[str, typer.Option("--namespace", help="Temporal namespace (or TEMPORAL_NAMESPACE).")]


@dataclass(frozen=True)
class Target:
    """Where the server is, and who said so."""

    arguments: Mapping[str, Any]
    """Keyword arguments for Client.connect; they may hold a key, so they are never printed."""
    said_by: str

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return str(self.arguments["target_host"])

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return self.address.rpartition(":")[0].strip("[]") in ("127.0.0.1", "localhost", "::1")

    @property
    def namespace(self) -> str:
        """The namespace all runs of this deployment are in."""
        return str(self.arguments["namespace"])


def with_server(command: Callable[Concatenate[Server, P], Awaitable[int]]) -> Callable[..., int]:
    """A command of Typer's from a coroutine function whose first parameter is the server."""

    @functools.wraps(command)
    def called(*, address: str, namespace: str, **given: Any) -> int:
        return ask_server(address, namespace, name_of(command), functools.partial(command, **given))

    own = list(inspect.signature(command).parameters.values())[1:]
    called.__signature__ = inspect.Signature([*own, *_connection_options()])  # type: ignore[attr-defined]
    called.__annotations__ = {name: kind for name, kind in command.__annotations__.items() if kind is not Server}
    del called.__wrapped__
    return called


def ask_server(address: str, namespace: str, name: str, work: Callable[[Server], Awaitable[int]]) -> int:
    """Connect, do `work` as one trace called `name`, and return its exit code."""

    async def connected() -> int:
        target = find_server(address, namespace)
        client = await connect(target)
        from opentelemetry import trace

        with trace.get_tracer("interlock").start_as_current_span(name):
            return await work(Server(client))

    try:
        return asyncio.run(connected())
    finally:
        _send_traces()


def name_of(command: Callable[..., Any]) -> str:
    """`interlock runs start`, from the module and the function."""
    words = getattr(command, "__name__", "command").strip("_").replace("_", "-")
    return f"interlock {command.__module__.rpartition('.')[2]} {words}"


def find_server(address: str = "", namespace: str = "", folder: Path | None = None) -> Target:
    """By flag, then temporalio.envconfig, then `.interlock/dev.json` here or in a parent. Raises NotReachable."""
    from temporalio.envconfig import ClientConfig

    try:
        configured: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    except Exception as error:  # what a damaged profile raises is not declared
        raise WrongInput(f"the Temporal profile cannot be read: {error}; see TEMPORAL_PROFILE") from error
    said_by = "the environment"
    running = None
    if address:
        configured["target_host"], said_by = address, "--address"
    elif not configured.get("target_host"):
        running, said_by = find_development(folder or Path.cwd())
        configured["target_host"] = running.temporal_address
    found = namespace or configured.get("namespace") or (running.namespace if running else "default")
    return Target({**configured, "namespace": found}, said_by)


def find_development(folder: Path) -> tuple[RunningDevelopment, str]:
    """What `interlock dev` runs in this folder or the nearest parent, and the file that says so."""
    for parent in (folder, *folder.parents):
        if (running := read_running(parent / DEV_FILE)) is not None:
            return running, str(parent / DEV_FILE)
    raise NotReachable("no Temporal server is named; start one with `interlock dev`, or give --address HOST:PORT")


async def connect(target: Target, service: str = "interlock-cli") -> "Client":
    """A client with our data converter and tracing under the name `service`. Raises NotReachable."""
    from temporalio.client import Client
    from temporalio.service import GrpcCompression

    from contracts.wire import DATA_CONVERTER

    try:
        return await Client.connect(
            **target.arguments,
            data_converter=DATA_CONVERTER,
            plugins=_tracing(service),
            connect_timeout=CONNECTED_WITHIN,
            runtime=_silent_runtime(),
            grpc_compression=GrpcCompression.NONE if target.is_local else GrpcCompression.GZIP,
        )
    except (RuntimeError, ValueError) as error:  # RuntimeError is how the SDK tells that nobody answers
        where = f"{target.address!r} (named by {target.said_by})"
        raise NotReachable(
            f"Temporal at {where} does not answer; start a server with `interlock dev`, or give --address HOST:PORT"
        ) from error


@functools.cache  # a process has one tracer
def _tracing(service: str) -> "tuple[SimplePlugin, ...]":
    """Nothing where nobody collects spans: a trace context costs each activity bytes of history."""
    from workers.telemetry import is_collected, start_tracing

    if not is_collected():
        return ()
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a collector that is down is not the user's concern
    return (start_tracing(service),)


@functools.cache
def _silent_runtime() -> "Runtime":
    """The SDK would write its log to standard output, where scripts read."""
    from temporalio.runtime import Runtime, TelemetryConfig

    return Runtime(telemetry=TelemetryConfig(logging=None))


def _send_traces() -> None:
    from opentelemetry import trace

    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        # On a thread that may be left behind: the exporter keeps to no timeout while it tries again.
        sending = threading.Thread(target=flush, daemon=True)
        sending.start()
        sending.join(TRACES_SENT_WITHIN.total_seconds())


def _connection_options() -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("address", keyword, default="", annotation=AddressOption),
        inspect.Parameter("namespace", keyword, default="", annotation=NamespaceOption),
    ]

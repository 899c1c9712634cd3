"""The embedded Temporal server, the real program: healthy, tuned, and true to its file."""

import asyncio
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from workers.embedded.ports import choose_ports
from workers.embedded.temporal_server import (
    SEARCH_ATTRIBUTES,
    TemporalServer,
    TemporalUnhealthy,
    register_search_attributes,
    until_serving,
)

IN_TIME = timedelta(seconds=20)


@contextmanager
def running(argv: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
    """Ends with kill -9: no server of ours depends on a tidy goodbye."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def a_server(database: Path | None = None) -> TemporalServer:
    return TemporalServer(choose_ports({"temporal": 0})["temporal"], database=database)


def knowing_no_search_attributes(server: TemporalServer) -> tuple[str, ...]:
    """As a file looks that an older version made."""
    argv = server.argv()
    first = argv.index("--search-attribute")
    assert len(argv) == first + 2 * len(SEARCH_ATTRIBUTES)
    return argv[:first]


async def a_parked_run(client: Client) -> str:
    """A run that no worker picks up, found by a search attribute."""
    run = f"refund/{uuid.uuid4().hex}"
    state = SearchAttributePair(SearchAttributeKey.for_keyword("InterlockState"), "awaiting_approval")
    await client.start_workflow("Refund", id=run, task_queue="nobody", search_attributes=TypedSearchAttributes([state]))
    return run


async def found_by_state(client: Client) -> list[str]:
    async with asyncio.timeout(IN_TIME.total_seconds()):
        while True:  # visibility is written a moment after the start
            found = [run.id async for run in client.list_workflows("InterlockState = 'awaiting_approval'")]
            if found:
                return found
            await asyncio.sleep(0.05)


async def names_of_search_attributes(client: Client) -> set[str]:
    listing = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    return set(listing.custom_attributes)


async def test_a_new_server_is_healthy_in_time_and_finds_runs_by_their_search_attributes() -> None:
    server = a_server()
    with running(server.argv()):
        began = time.monotonic()
        client = await until_serving(server.address, IN_TIME)
        assert time.monotonic() - began < IN_TIME.total_seconds()
        run = await a_parked_run(client)
        assert await found_by_state(client) == [run]


async def test_an_existing_file_without_the_search_attributes_gets_them(tmp_path: Path) -> None:
    server = a_server(tmp_path / "temporal.db")
    with running(knowing_no_search_attributes(server)):
        client = await connected(server)
        assert await names_of_search_attributes(client) == set()
    with running(server.argv()):
        client = await until_serving(server.address, IN_TIME)
        run = await a_parked_run(client)
        assert await found_by_state(client) == [run]


async def connected(server: TemporalServer) -> Client:
    async with asyncio.timeout(IN_TIME.total_seconds()):
        while True:
            try:
                return await Client.connect(server.address)
            except RuntimeError:
                await asyncio.sleep(0.05)


async def test_runs_outlive_a_killed_server(tmp_path: Path) -> None:
    server = a_server(tmp_path / "temporal.db")
    with running(server.argv()):
        run = await a_parked_run(await until_serving(server.address, IN_TIME))
    with running(server.argv()):
        client = await until_serving(server.address, IN_TIME)
        described = await client.get_workflow_handle(run).describe()
        assert described.status is WorkflowExecutionStatus.RUNNING
        assert await found_by_state(client) == [run]


async def test_registering_the_search_attributes_twice_changes_nothing() -> None:
    server = a_server()
    with running(server.argv()):
        client = await until_serving(server.address, IN_TIME)
        before = await names_of_search_attributes(client)
        await register_search_attributes(client)
        assert await names_of_search_attributes(client) == before == set(SEARCH_ATTRIBUTES)


async def test_a_search_attribute_of_another_type_is_refused_with_what_to_do() -> None:
    server = a_server()
    with running(knowing_no_search_attributes(server)):
        client = await connected(server)
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace="default",
                search_attributes={"InterlockState": IndexedValueType.INDEXED_VALUE_TYPE_INT},
            )
        )
        with pytest.raises(TemporalUnhealthy, match=r"InterlockState.*TYPE_INT.*use another folder"):
            await register_search_attributes(client)


async def test_a_server_that_is_not_there_is_reported_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TemporalUnhealthy, match=r"was not healthy within 0\.5 s"):
        await until_serving(a_server().address, timedelta(seconds=0.5))
    assert time.monotonic() - began < 5


async def test_a_file_is_written_ahead(tmp_path: Path) -> None:
    server = a_server(tmp_path / "temporal.db")
    with running(server.argv()):
        await until_serving(server.address, IN_TIME)
        assert (tmp_path / "temporal.db-wal").exists()

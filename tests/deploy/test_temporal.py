"""What deploy/temporal tells the server: settings it knows, our namespaces and search attributes."""

import asyncio
import mmap
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from tests.deploy.compose import DEPLOY
from workers.embedded.temporal_server import SEARCH_ATTRIBUTES, temporal_binary

DYNAMIC: dict[str, list[dict[str, bool]]] = yaml.safe_load((DEPLOY / "temporal" / "dynamicconfig.yaml").read_text())


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A new server that knows the `default` namespace and no search attribute of ours."""
    binary = temporal_binary()
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary, dev_server_log_level="never"
    ) as running:
        yield running


async def create_namespaces(address: str, *names: str) -> str:
    """Runs the script as its step does, and returns what it said."""
    path = f"{Path(temporal_binary()).parent}{os.pathsep}{os.environ['PATH']}"
    script = await asyncio.create_subprocess_exec(
        "sh",
        str(DEPLOY / "temporal" / "namespaces.sh"),
        *names,
        env={"PATH": path, "TEMPORAL_ADDRESS": address, "TEMPORAL_RETENTION": "30d"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(script.communicate(), timeout=60)
    assert script.returncode == 0, said.decode()
    return said.decode()


async def search_attributes(client: Client, namespace: str) -> dict[str, int]:
    listing = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    return {name: listing.custom_attributes[name] for name in SEARCH_ATTRIBUTES if name in listing.custom_attributes}


async def test_namespaces_are_created_with_our_search_attributes_and_found_as_they_are_the_next_time(
    server: WorkflowEnvironment,
) -> None:
    address = server.client.service_client.config.target_host
    ours = dict.fromkeys(SEARCH_ATTRIBUTES, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
    await create_namespaces(address, "first", "second")
    assert await search_attributes(server.client, "first") == ours
    assert await search_attributes(server.client, "second") == ours
    assert await search_attributes(server.client, "default") == {}
    assert "first" in await create_namespaces(address, "first")
    assert await search_attributes(server.client, "first") == ours


@pytest.mark.parametrize("key", DYNAMIC)
def test_a_dynamic_setting_is_one_that_the_server_knows(key: str) -> None:
    """The server ignores what it does not know; its program contains the names of what it does."""
    with (
        Path(temporal_binary()).open("rb") as program,
        mmap.mmap(program.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        assert text.find(key.encode()) >= 0


def test_updates_and_standalone_activities_are_on() -> None:
    needed = {"frontend.enableUpdateWorkflowExecution", "activity.enableStandalone", "history.enableChasm"}
    assert {key for key in needed if DYNAMIC[key] == [{"value": True}]} == needed


def test_nobody_can_move_a_clock_past_a_deadline() -> None:
    assert [key for key in DYNAMIC if "timeskipping" in key.lower()] == []

"""Every automation, from a real MCP client of its requester to its ending, by way of what people sign."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from tests.end_to_end.by_client import OUTSIDE, TABLE, Asked, Served, served
from tests.end_to_end.company import Company
from tests.end_to_end.runs import Run
from tests.end_to_end.skills_clients import over_http
from workers.settings import REPOSITORY
from workflows.catalog import Catalog


@dataclass(frozen=True)
class PythonClients:
    """Clients of the Python SDK, one for each call."""

    served: Served

    async def call(self, caller: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a tool answers, to arguments that fit what it publishes."""
        async with over_http(self.served.url, self.served.issuer.token(sub=caller)) as client:
            offered = {each.name: each.input_schema for each in (await client.list_tools()).tools}
            jsonschema.validate(arguments, offered[tool])
            result = await client.call_tool(tool, dict(arguments))
        assert not result.is_error, result.content
        said: dict[str, Any] = result.structured_content
        return said


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def at_work(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with served(tmp_path_factory.mktemp("served")) as at_work:
        yield at_work


def test_the_table_names_every_automation_that_there_is() -> None:
    assert [str(asked) for asked in TABLE] == [entry.name for entry in Catalog.load(OUTSIDE).entries()]


@pytest.mark.many
@pytest.mark.timeout(300)  # with the company that is set up before the first
@pytest.mark.parametrize("asked", TABLE, ids=str)
async def test_an_automation_is_brought_to_its_ending_by_clients_and_its_effects_stand_in_the_books_once(
    at_work: Served, asked: Asked
) -> None:
    assert await at_work.problems_of(asked, PythonClients(at_work)) == []


@pytest.mark.many
@pytest.mark.timeout(300)
async def test_errands_and_automations_of_ones_own_are_started_from_the_command_line(at_work: Served) -> None:
    company, errand = at_work.company, str(REPOSITORY / "demo" / "requests" / "errand.json")
    written = await _started(company, "errand", "--from", errand, "--as", "rita")
    early = await _started(company, "early_refund", "--set", "order_id=A-17", "--set", "cents=100", "--as", "dora")
    for run, signer in ((written, "sam"), (early, "fiona")):
        await company.waits(run, signer)
        await company.dev.interlock("approvals", "approve", f"{run.id}#1", "--as", signer)
    await early.until(lambda seen: seen.state == "awaiting_goods")
    await early.handle.signal("arrived", False)

    assert [await written.ending(), await early.ending()] == ["answered", "reversed"]


async def _started(company: Company, *what: str) -> Run:
    return await company.run(json.loads(await company.dev.interlock("runs", "start", *what, "--json"))["run"])

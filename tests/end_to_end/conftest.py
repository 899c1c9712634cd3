"""One setup for the whole folder, whose spans all go to one collector."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.end_to_end.collector import Collector, collecting
from tests.end_to_end.setup import Setup, a_setup


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def setup(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setup]:
    """Real processes, shared: a test that kills one starts it again."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    async with a_setup(tmp_path_factory.mktemp("setup"), **tracing) as setup:
        yield setup

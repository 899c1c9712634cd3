"""Fixtures shared by all rooms: one Temporal server with time skipping for all stories."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from contracts.wire import DATA_CONVERTER
from workers.embedded.temporal_server import server_arguments, temporal_binary

WAITING = (
    "tests/end_to_end/",
    "tests/demo/test_story.py",
    "tests/test_readme.py",
    "tests/workflows/test_checkout_table.py",
    "tests/workflows/test_checkout_killed.py",
    "tests/workflows/test_hotel_skills_killed.py",
    "tests/cli/test_skills.py",
)
"""Where tests mostly wait for other processes: one such file takes up to a minute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that wait: the others fill the time beside them, and nobody waits for one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(WAITING))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """The real server, with time skipping v2: each run has a clock of its own."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        yield environment


@pytest.fixture
def outside() -> Path:
    """The folder of automations outside the repository, as INTERLOCK_AUTOMATIONS names it."""
    return Path(os.environ["INTERLOCK_AUTOMATIONS"])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """The SDK's runtime may crash an exiting interpreter (sdk-python 300); leave before that."""
    status = getattr(config, "interlock_status", None)
    beside_others = hasattr(config, "workerinput")  # a process of pytest-xdist, which must still report
    if status is not None and not beside_others:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(status))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how it went."""
    session.config.interlock_status = exitstatus  # type: ignore[attr-defined]

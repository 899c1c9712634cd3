"""Every story is witnessed; what they prove together is asked last, and only when all of them were to run."""

import ast
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from contracts.wire import DATA_CONVERTER
from tests.story import WITNESSES
from tests.workflows.chronicle import CHRONICLE
from workers.embedded.temporal_server import server_arguments, temporal_binary

HERE = Path(__file__).parent
ASKED_LAST = "test_completeness.py"
_SUGGESTED_AFTER_EVENTS = "limit.historyCount.suggestContinueAsNew=12"
_WITHOUT_A_PAUSE = 'history.workflowIdReuseMinimalInterval="1ms"'
_OFTEN = ("--dynamic-config-value", _SUGGESTED_AFTER_EVENTS, "--dynamic-config-value", _WITHOUT_A_PAUSE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def suggesting() -> AsyncIterator[WorkflowEnvironment]:
    """A server that suggests to continue as new after a few events, not after 4096."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=[*server_arguments(), *_OFTEN],
        data_converter=DATA_CONVERTER,
    )
    async with environment:
        yield environment


def pytest_configure(config: pytest.Config) -> None:
    """Begin to witness."""
    WITNESSES.append(CHRONICLE.witness)


@pytest.fixture(scope="session")
def chronicles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every process of this session writes what its stories prove."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "chronicles"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _told_to_its_end(request: pytest.FixtureRequest, chronicles: Path) -> Iterator[None]:
    """Afterwards, what has been proved so far is written down, whole."""
    yield
    CHRONICLE.finished.add(request.node.nodeid)
    being_written = chronicles / f"{os.getpid()}.new"
    being_written.write_text(CHRONICLE.model_dump_json())
    being_written.rename(chronicles / f"{os.getpid()}.json")


@pytest.fixture
def all_stories(request: pytest.FixtureRequest) -> set[str]:
    """Every story that is told in this session, by whichever process."""
    return {item.nodeid for item in _stories(request.session.items)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Completeness comes last; asked of some stories only, it would say nothing."""
    last = [item for item in items if item.path == HERE / ASKED_LAST]
    if not last:
        return
    rest = [item for item in items if item not in last]
    collected = {(item.path.name, getattr(item, "originalname", item.name)) for item in _stories(items)}
    if _written() <= collected:
        items[:] = [*rest, *last]
    else:
        items[:] = rest
        config.hook.pytest_deselected(items=last)


def _stories(items: list[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if item.path.parent == HERE and item.path.name != ASKED_LAST]


def _written() -> set[tuple[str, str]]:
    """Every story in this folder, whether it is to run or not."""
    return {
        (path.name, node.name)
        for path in HERE.glob("test_*.py")
        if path.name != ASKED_LAST
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_")
    }

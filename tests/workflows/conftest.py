"""Every story is witnessed; what they prove together is asked last, and only when all of them were to run."""

import ast
from pathlib import Path

import pytest

from tests.story import WITNESSES
from tests.workflows.chronicle import CHRONICLE

HERE = Path(__file__).parent
ASKED_LAST = "test_completeness.py"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to witness."""
    WITNESSES.append(CHRONICLE.witness)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Completeness comes last; asked of some stories only, it would say nothing."""
    last = [item for item in items if item.path.parent == HERE and item.path.name == ASKED_LAST]
    if not last:
        return
    rest = [item for item in items if item not in last]
    collected = {(item.path.name, getattr(item, "originalname", item.name)) for item in rest if item.path.parent == HERE}
    if _written() <= collected:
        items[:] = [*rest, *last]
    else:
        items[:] = rest
        config.hook.pytest_deselected(items=last)


def _written() -> set[tuple[str, str]]:
    """Every story in this folder, whether it is to run or not."""
    return {
        (path.name, node.name)
        for path in HERE.glob("test_*.py")
        if path.name != ASKED_LAST
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_")
    }

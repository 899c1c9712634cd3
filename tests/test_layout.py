"""The house rules that a machine can check: rooms, sizes, docstrings, imports, and settings that exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.settings import REPOSITORY, Settings

PRODUCT = ("contracts", "policies", "workflows", "activities", "workers", "cli")
ROOMS = (*PRODUCT, "demo", "deploy", "benchmarks", "tests")
WRITTEN = ("*.py", "*.md", "*.toml", "*.yml", "*.yaml", "*.cedar", "*.sh", "Makefile", "Dockerfile")
LEFTOVERS = {"utils", "util", "helpers", "helper", "shared", "common", "core", "base", "manager", "misc"}
HEAVY = {"anthropic", "mcp", "mcp_types", "sqlalchemy", "alembic", "psycopg"}
MODULE_LINES = 400
FUNCTION_LINES = 60
AUTOMATIONS = Path("demo/automations")
"""A folder as INTERLOCK_AUTOMATIONS names one: written against the product, and no program of the pretend world."""
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME)\b")


def modules(*rooms: str) -> Iterator[tuple[Path, str]]:
    """Path and text of every module of these rooms."""
    for room in rooms:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            yield path.relative_to(REPOSITORY), path.read_text()


def written() -> Iterator[tuple[Path, str]]:
    """Path and text of everything people have written."""
    for room in (*ROOMS, "docs", ".ci"):
        for pattern in WRITTEN:
            for path in sorted((REPOSITORY / room).rglob(pattern)):
                yield path.relative_to(REPOSITORY), path.read_text()
    for pattern in WRITTEN:
        for path in sorted(REPOSITORY.glob(pattern)):
            yield path.relative_to(REPOSITORY), path.read_text()


def test_there_is_no_room_for_leftovers() -> None:
    names = {path: {path.stem, *path.parent.parts} for path, _ in modules(*ROOMS)}
    assert {str(path): parts & LEFTOVERS for path, parts in names.items() if parts & LEFTOVERS} == {}


def test_every_module_says_in_one_line_what_it_is_for() -> None:
    silent = []
    for path, text in modules(*ROOMS):
        first = text.removeprefix('"""').partition('"""')[0].partition("\n")[0] if text.startswith('"""') else ""
        if not first.endswith((".", "?", "!", ":")) and (text.strip() or path.parts[0] != "tests"):
            silent.append(str(path))
    assert silent == []


def test_no_module_of_the_product_is_too_long_to_be_one_idea() -> None:
    sizes = {str(path): len(text.splitlines()) for path, text in modules(*PRODUCT, "demo")}
    assert {path: lines for path, lines in sizes.items() if lines > MODULE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path, text in modules(*ROOMS):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{path}: {node.name} has {lines} lines")
    assert long == []


def test_nothing_is_left_for_later() -> None:
    assert [str(path) for path, text in written() if UNFINISHED.search(text)] == []


def test_the_heavy_sdks_are_imported_in_resources_alone() -> None:
    found = []
    for path, text in modules(*PRODUCT):
        if path.parts[:2] == ("workers", "resources"):
            continue
        found += [f"{path} imports {name}" for name in _imported(text) if name.split(".")[0] in HEAVY]
    assert found == []


def test_the_check_for_heavy_sdks_sees_every_way_of_importing() -> None:
    text = "import anthropic\nfrom mcp.client import x\ndef f():\n    import sqlalchemy as s\nfrom . import alembic\n"
    assert [name for name in _imported(text) if name.split(".")[0] in HEAVY] == [
        "anthropic",
        "mcp.client",
        "sqlalchemy",
    ]


def test_nothing_of_the_product_imports_demo_tests_or_benchmarks() -> None:
    strangers = {"demo", "tests", "benchmarks", "deploy"}
    found = [f"{path} imports {name}" for path, text in modules(*PRODUCT) for name in _imported(text)]
    assert [line for line in found if line.rsplit(" ", 1)[1].split(".")[0] in strangers] == []


def test_the_demo_is_programs_that_know_the_product_from_outside() -> None:
    inside = {"contracts", "policies", "workflows", "activities"}
    found = []
    for path, text in modules("demo"):
        if path.is_relative_to(AUTOMATIONS):
            continue
        found += [f"{path} imports {name}" for name in _imported(text) if name.split(".")[0] in inside]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "Makefile", ".ci/run", "deploy/Dockerfile"])
def test_no_file_that_installs_names_a_registry(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert not re.search(r"index-url|--find-links[= ]\S*://|\[\[tool\.uv\.index|https?://\S*/simple\b", text)
    if name == "requirements.lock":
        assert "://" not in text


def test_the_lock_pins_every_requirement_by_hash() -> None:
    text = (REPOSITORY / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) > 30
    assert [block.split()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []
    locked = {_normal(block.split("==")[0]) for block in blocks}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {_normal(re.split(r"[<>=!\[; ]", line)[0]) for line in wanted} <= locked


def test_one_lock_is_enough() -> None:
    assert not (REPOSITORY / "uv.lock").exists()


def test_every_variable_that_compose_sets_is_a_setting() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    settings = {f"INTERLOCK_{field.upper()}" for field in Settings.model_fields}
    for_the_demo_and_for_compose = {"INTERLOCK_WORKERS", *re.findall(r"INTERLOCK_DEMO_\w+", text)}
    used = set(re.findall(r"INTERLOCK_[A-Z_]+", text))
    assert used - for_the_demo_and_for_compose <= settings
    assert "INTERLOCK_STORE_PASSWORD_FILE" in used


def test_every_setting_says_what_it_is() -> None:
    source = ast.parse((REPOSITORY / "workers" / "settings.py").read_text())
    (declared,) = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    said = set()
    for field, following in zip(declared.body, declared.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(following):
            said.add(field.target.id)
    assert set(Settings.model_fields) == said


def test_every_word_of_the_glossary_is_explained_once() -> None:
    text = (REPOSITORY / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE)
    assert len(words) > 30
    assert len(words) == len(set(words))


def test_the_runbook_names_only_commands_there_are() -> None:
    from cli.main import COMMANDS

    text = (REPOSITORY / "docs" / "runbook.md").read_text()
    named = set(re.findall(r"interlock ([a-z]+)(?: ([a-z][a-z-]+))?", text))
    assert named
    for group, command in named:
        assert group in COMMANDS, f"interlock {group}"
        source = (REPOSITORY / "cli" / f"{group}.py").read_text()
        known = set(re.findall(r'command\("([a-z-]+)"\)', source)) | _verdicts(group)
        assert not known or not command or command in known, f"interlock {group} {command}"


def _verdicts(group: str) -> set[str]:
    from contracts.decisions import Verdict

    return {verdict.value.replace("_", "-") for verdict in Verdict} if group == "approvals" else set()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()

"""The list of protections is one of protections that stand, each with tests that exist."""

import ast
from functools import cache

import pytest

from tests.mutants.protection import Protection
from tests.mutants.protections import PROTECTIONS
from workers.settings import REPOSITORY


@cache
def named_in(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    nodes = ast.walk(ast.parse((REPOSITORY / file).read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_protection_of_authority_is_named_and_each_once() -> None:
    assert len({protection.name for protection in PROTECTIONS}) == len(PROTECTIONS) >= 60


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: str(protection.name))
def test_a_protection_stands_once_and_the_program_can_be_read_without_it(protection: Protection) -> None:
    text = (REPOSITORY / protection.file).read_text()
    switched_off = protection.switched_off(text)
    assert ast.dump(ast.parse(switched_off)) != ast.dump(ast.parse(text))


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: str(protection.name))
def test_the_tests_of_a_protection_exist(protection: Protection) -> None:
    assert protection.tests
    for test in protection.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in named_in(file)

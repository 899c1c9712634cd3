"""The table of `make conformance`: what is excused is a fixture by name, and everything else counts."""

import json

from tests.conformance.__main__ import failed, problems_with, table
from tests.conformance.installed import HERE, Verdict
from tests.conformance.scenarios import (
    FIXTURE_CHECKS,
    FIXTURE_PROMPTS,
    FIXTURE_RESOURCES,
    FIXTURE_TOOLS,
    WITHOUT_A_FIXTURE,
)


def verdict(scenario: str, *failures: tuple[str, str], passed: int = 3) -> Verdict:
    return Verdict("2026-07-28", scenario, passed, failures)


def test_a_scenario_that_asks_for_no_fixture_counts_with_every_check() -> None:
    verdicts = [verdict("ping"), verdict("caching", ("a", "b")), verdict("tools-call-image", ("a", "b"))]

    assert failed(verdicts) == ["2026-07-28 caching"]
    assert [line.split()[1] for line in table(verdicts) if line.startswith("2026")] == [
        "ping",
        "caching",
        "tools-call-image",
    ]


def test_a_scenario_without_a_result_has_not_passed() -> None:
    assert failed([verdict("ping", ("not run", ""), passed=0), verdict("caching", passed=0)]) == [
        "2026-07-28 ping",
        "2026-07-28 caching",
    ]


def test_of_a_scenario_only_the_checks_that_ask_for_a_fixture_are_excused_and_only_for_that() -> None:
    for scenario, checks in FIXTURE_CHECKS.items():
        excused = verdict(scenario, *((check, f"{WITHOUT_A_FIXTURE} 'test_x'") for check in checks))
        assert problems_with(excused) == []
        for problem in ((min(checks), "Expected HTTP 400"), ("another", f"{WITHOUT_A_FIXTURE} 'test_x'")):
            assert failed([verdict(scenario, problem)]) == [f"2026-07-28 {scenario}"]


def test_what_is_installed_is_locked_by_digest_and_names_no_registry() -> None:
    text = (HERE / "package-lock.json").read_text()
    locked = json.loads(text)["packages"]
    installed = {name: package for name, package in locked.items() if name}

    assert len(installed) > 50
    assert "://" not in text
    assert [name for name, package in installed.items() if "resolved" in package] == []
    assert [name for name, package in installed.items() if not package.get("integrity", "").startswith("sha512-")] == []


def test_every_fixture_is_of_one_kind() -> None:
    assert not FIXTURE_TOOLS & FIXTURE_RESOURCES | FIXTURE_TOOLS & FIXTURE_PROMPTS | FIXTURE_RESOURCES & FIXTURE_PROMPTS

"""Dropping or flipping any condition of the shipped rules makes some vector or some edge come out otherwise."""

import random
from collections.abc import Sequence
from functools import cache

import pytest

from policies.engine import CedarRules
from policies.question import PolicyQuestion
from policies.rules import Rule
from policies.vectors import Vector
from tests.policies.mutants import Mutant, mutants
from tests.policies.oracle import Expected, edge_questions, expected, some_question
from tests.policies.questions import OURS
from tests.policies.test_vectors import TABLE

_NO_KIND = "what was asked for without a kind is forbidden by the rules about what was asked for"
EQUIVALENT: dict[str, str] = {
    'change-service-owner-signs: only (request.kind != "data_deletion")': _NO_KIND,
    'change-data-steward-signs: only (request.kind == "data_deletion")': _NO_KIND,
}
"""Mutant -> why nobody could tell it from the original."""

ASKED = [(vector, TABLE.question(vector)) for vector in TABLE.vectors]


def told_by_a_vector(rules: CedarRules, rule_id: str = "") -> bool:
    """Some vector misses; those about the rule are asked first."""

    def likely(asked: tuple[Vector, PolicyQuestion]) -> bool:
        return asked[0].about != rule_id

    return any(vector.misses(rules.rule(question)) for vector, question in sorted(ASKED, key=likely))


def told_by_the_oracle(
    rules: CedarRules, answers: Sequence[tuple[PolicyQuestion, Expected]], rule_id: str = ""
) -> bool:
    """Some question comes out otherwise than the oracle says; those that the rule decides are asked first."""
    likely = sorted(answers, key=lambda answered: rule_id not in answered[1].rule_ids)
    return any(not answer.agrees_with(rules.rule(question)) for question, answer in likely)


@cache
def answers() -> tuple[tuple[PolicyQuestion, Expected], ...]:
    """What the oracle says to every edge, and to some other questions."""
    chance = random.Random(5)
    questions = [*edge_questions(), *(some_question(chance) for _ in range(800))]
    return tuple((question, expected(question)) for question in questions)


@pytest.mark.many
@pytest.mark.parametrize("rule", OURS.rules, ids=lambda rule: str(rule.id))
def test_every_mutant_of_a_shipped_rule_is_found_out(rule: Rule) -> None:
    survivors = []
    for mutant in mutants((rule,)):
        rules = mutant.among(OURS.rules)
        if not told_by_a_vector(rules, rule.id) and not told_by_the_oracle(rules, answers(), rule.id):
            survivors.append(mutant.name)
    assert sorted(survivors) == sorted(name for name in EQUIVALENT if name.startswith(f"{rule.id}: "))


def test_mutants_are_made_of_everything() -> None:
    assert sum(1 for _ in mutants(OURS.rules)) > 400
    assert {rule.id for rule in OURS.rules} >= {name.partition(": ")[0] for name in EQUIVALENT}


def test_rules_that_are_not_changed_are_not_found_out() -> None:
    same = Mutant("none", "nothing is changed", "").among(OURS.rules)
    assert not told_by_a_vector(same)
    assert not told_by_the_oracle(same, [(question, expected(question)) for question in edge_questions()])

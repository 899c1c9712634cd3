"""Dropping or flipping any condition of the shipped rules makes some vector or some edge come out otherwise."""

import random

from policies.engine import CedarRules
from policies.question import PolicyQuestion
from policies.vectors import Vector
from tests.policies.mutants import Mutant, mutants
from tests.policies.oracle import Expected, edge_questions, expected, some_question
from tests.policies.questions import OURS
from tests.policies.test_vectors import TABLE

EQUIVALENT: dict[str, str] = {}
"""Mutant -> why nobody could tell it from the original. So far there is none."""

ASKED = [(vector, TABLE.question(vector)) for vector in TABLE.vectors]


def told_by_a_vector(rules: CedarRules, rule_id: str = "") -> bool:
    """Some vector misses; those about the rule are asked first."""

    def likely(asked: tuple[Vector, PolicyQuestion]) -> bool:
        return asked[0].about != rule_id

    return any(vector.misses(rules.rule(question)) for vector, question in sorted(ASKED, key=likely))


def told_by_the_oracle(rules: CedarRules, answers: list[tuple[PolicyQuestion, Expected]], rule_id: str = "") -> bool:
    """Some question comes out otherwise than the oracle says; those that the rule decides are asked first."""
    likely = sorted(answers, key=lambda answered: rule_id not in answered[1].rule_ids)
    return any(not answer.agrees_with(rules.rule(question)) for question, answer in likely)


def test_every_mutant_of_the_shipped_rules_is_found_out() -> None:
    chance = random.Random(5)
    questions = [*edge_questions(), *(some_question(chance) for _ in range(800))]
    answers = [(question, expected(question)) for question in questions]
    survivors = []
    tried = 0
    for mutant in mutants(OURS.rules):
        tried += 1
        rules = mutant.among(OURS.rules)
        if not told_by_a_vector(rules, mutant.rule_id) and not told_by_the_oracle(rules, answers, mutant.rule_id):
            survivors.append(mutant.name)
    assert sorted(survivors) == sorted(EQUIVALENT)
    assert tried > 400, "mutants are no longer made of everything"


def test_rules_that_are_not_changed_are_not_found_out() -> None:
    same = Mutant("none", "nothing is changed", "").among(OURS.rules)
    assert not told_by_a_vector(same)
    assert not told_by_the_oracle(same, [(question, expected(question)) for question in edge_questions()])

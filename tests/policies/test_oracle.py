"""Cedar and a plain-Python oracle agree on random questions.

4,000 questions in the usual run; INTERLOCK_TEST_QUESTIONS=20000 asks more of the same seed.
"""

import os
import random

from contracts.policy import RulingEffect
from tests.policies.oracle import edge_questions, expected, some_question
from tests.policies.questions import OURS

SEED = 20261120
QUESTIONS = int(os.environ.get("INTERLOCK_TEST_QUESTIONS", "4000"))


def test_random_questions_are_ruled_on_as_the_oracle_says() -> None:
    chance = random.Random(SEED)
    seen: dict[RulingEffect, int] = dict.fromkeys(RulingEffect, 0)
    decided: set[str] = set()
    for number in range(QUESTIONS):
        question = some_question(chance)
        ruling = OURS.rule(question)
        assert expected(question).agrees_with(ruling), f"question {number} of seed {SEED}: {question} came out {ruling}"
        seen[ruling.effect] += 1
        decided.update(ruling.rule_ids)
    assert min(seen.values()) > QUESTIONS / 20, f"the questions are too much alike: {seen}"
    assert decided == {rule.id for rule in OURS.rules}, "some rule decided nothing"


def test_every_edge_is_ruled_on_as_the_oracle_says() -> None:
    for question in edge_questions():
        ruling = OURS.rule(question)
        assert expected(question).agrees_with(ruling), f"{question} came out {ruling}"

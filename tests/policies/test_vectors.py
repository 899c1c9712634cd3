"""The shipped vectors: they hold, and show every rule at work from both sides."""

from collections import Counter
from pathlib import Path

import pytest

from contracts.policy import RulingEffect
from policies.engine import CedarRules, PolicyBroken
from policies.vectors import Vector, VectorTable, read_vectors
from tests.policies.questions import OURS
from workers.settings import REPOSITORY

TABLE = read_vectors(REPOSITORY / "policies" / "vectors.toml")
RULES = [rule.id for rule in OURS.rules]


@pytest.mark.parametrize("vector", TABLE.vectors, ids=lambda vector: vector.name)
def test_a_vector_comes_out_as_its_owner_expects(vector: Vector) -> None:
    assert vector.misses(OURS.rule(TABLE.question(vector))) == ""


@pytest.mark.parametrize("rule_id", RULES)
def test_a_rule_is_shown_letting_pass_stopping_and_at_both_sides_of_its_edge(rule_id: str) -> None:
    own = [vector for vector in TABLE.vectors if vector.about == rule_id]
    shown = Counter(vector.shows for vector in own)
    assert shown["allow"] >= 1 and shown["deny"] >= 1 and shown["boundary"] >= 2
    assert all((vector.expect is RulingEffect.PERMIT) for vector in own if vector.shows == "allow")
    assert all((vector.expect is not RulingEffect.PERMIT) for vector in own if vector.shows == "deny")
    assert len({(vector.expect, vector.rules) for vector in own if vector.shows == "boundary"}) >= 2
    assert any(rule_id in (vector.rules or ()) for vector in own if vector.shows == "deny" or vector.rules)


def test_no_vector_is_about_a_rule_that_is_not_there() -> None:
    assert {vector.about for vector in TABLE.vectors} == set(RULES)


@pytest.mark.parametrize("rule_id", RULES)
def test_without_a_rule_one_of_its_vectors_comes_out_otherwise(rule_id: str) -> None:
    others = CedarRules({"others": "\n".join(rule.text for rule in OURS.rules if rule.id != rule_id)})
    own = [vector for vector in TABLE.vectors if vector.about == rule_id]
    assert any(vector.misses(others.rule(TABLE.question(vector))) for vector in own)


# What a failure says.


def of(text: str, tmp_path: Path) -> VectorTable:
    """The table in this text."""
    (tmp_path / "vectors.toml").write_text(text)
    return read_vectors(tmp_path / "vectors.toml")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('expect = "permit"', "expected permit, came out as needs_approval"),
        ('expect = "needs_approval"\nrules = []', "expected by no rule, decided by refund-over-50"),
        (
            'expect = "needs_approval"\nroles = { finance_manager = 2 }',
            "expected to be signed by 2 as finance_manager, asks 1 as finance_manager",
        ),
    ],
)
def test_a_vector_that_misses_says_what_was_expected_and_what_came_out(wrong: str, said: str, tmp_path: Path) -> None:
    table = of(
        '[tools."payments.issue_credit"]\narguments = { order_id = "string", cents = "integer" }\n'
        '[[vectors]]\nname = "60"\nabout = "refund-over-50"\nshows = "deny"\n'
        'ask = { automation = "refund", tool = "payments.issue_credit", request = { order_id = "A-17" }, '
        'arguments = { order_id = "A-17", cents = 6000 } }\n' + wrong,
        tmp_path,
    )
    (vector,) = table.vectors
    assert vector.misses(OURS.rule(table.question(vector))).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vectors = 7", "vectors: "),
        ("[[vectors]]\nname = 'x'", "about: Field required"),
        ("[[vectors]", "cannot be read"),
        (
            "[[vectors]]\nname='x'\nabout='r'\nshows='deny'\nask={automation='a', tool='s.t', cent=1}\nexpect='permit'",
            "ask.cent: Extra inputs are not permitted",
        ),
        (
            "[[vectors]]\nname='x'\nabout='r'\nshows='deny'\nask={automation='a', tool='s.t'}\nexpect='forbid'\n" * 2,
            "two vectors are called 'x'",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_naming_the_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyBroken) as broken:
        of(text, tmp_path)
    assert "vectors.toml" in str(broken.value) and said in str(broken.value)

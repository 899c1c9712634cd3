"""Rules one by one: each is found on its line, whatever stands between them."""

import pytest

from policies.rules import read_rules, split


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("// permit(principal, action, resource);\n", []),
        ("permit(principal, action, resource);", [1]),
        ('\n\n// one; two\n@id("a")\npermit(principal, action, resource); // three;\n', [4]),
        ('@id("a;b//c")\npermit(principal, action, resource);\n@id("d") permit(principal, action, resource);', [1, 3]),
        ('@id("a\\";")\npermit(principal, action, resource);\n\npermit(principal, action, resource)', [1, 4]),
        ('@id("a")permit(principal,action,resource);@id("b")permit(principal,action,resource);', [1, 1]),
    ],
)
def test_a_rule_begins_on_its_line(text: str, lines: list[int]) -> None:
    assert [line for line, _ in split(text)] == lines


def test_what_cannot_be_read_is_told_and_the_rest_is_read() -> None:
    good, other = (f'@id("{name}") permit(principal, action, resource);' for name in "ab")
    rules, problems = read_rules({"x.cedar": f"{good}\n\npermit(principal action);\n{other}"})
    assert [(rule.id, rule.line) for rule in rules] == [("a", 1), ("b", 4)]
    assert [str(problem).partition(": ")[0] for problem in problems] == ["x.cedar:3"]


def test_a_template_is_no_rule() -> None:
    rules, (problem,) = read_rules({"x.cedar": '@id("a") permit(principal == ?principal, action, resource);'})
    assert rules == ()
    assert "a template decides nothing" in problem.sentence


def test_a_rule_tells_what_it_names() -> None:
    (rule,), _ = read_rules(
        {
            "x.cedar": '@id("x") forbid(principal in Role::"clerk", action in [Action::"s.t", Action::"s.u"], resource)'
            ' when { context.totals has day && context.totals.day > 5 && principal in Role::"boss" }'
            " unless { context.approvals has a && context.approvals.a >= 2 };"
        }
    )
    assert rule.actions() == ("s.t", "s.u")
    assert rule.roles() == ("clerk", "boss")
    assert rule.attributes("totals") == ("day",)
    assert rule.approvals_it_takes() == {("a", 2)}

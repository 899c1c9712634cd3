"""Lint: every mistake that would open a door, close one for good, or ask nobody is found on its line."""

import pytest

from demo import people
from policies.annotations import roles_asked
from policies.lint import Surroundings, findings, not_checked
from tests.policies.questions import OURS
from tests.policies.test_vectors import TABLE
from workflows.catalog import Catalog

WORLD = Surroundings(
    tools={name: tool.input_schema() for name, tool in TABLE.tools.items()},
    reads=frozenset({"orders.find_order"}),
    accepted=frozenset(TABLE.tools),
    held=frozenset({*roles_asked(OURS.rules), *(person.role for person in people.EVERYBODY)}),
    inputs={entry.name: entry.request.model_json_schema() for entry in Catalog.load().entries()},
)
HEAD = 'forbid(principal, action == Action::"payments.issue_credit", resource)'
WHEN = 'when { context.automation == "refund" }'
ASKS = '@approve("finance_manager") @quorum("2") @within("PT9H")'
TAKES = "unless { context.approvals has finance_manager && context.approvals.finance_manager >= 2 }"


def found(text: str, world: Surroundings = WORLD, **files: str) -> list[str]:
    """The findings in one file of rules, `files` beside it: `totals_toml="..."`."""
    beside = {name.replace("_", "."): other for name, other in files.items()}
    return [str(problem) for problem in findings({"x.cedar": text, **beside}, world)]


def test_the_shipped_rules_are_clean() -> None:
    assert findings(OURS.files, WORLD) == ()


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (f'\n@id("a")\n{HEAD}\n  when {{ context. }};', "x.cedar:2: ", "correct the rule that begins here"),
        (f"\n{HEAD};", "x.cedar:2: ", "a rule has no @id"),
        (f'@id("a") {HEAD};\n\n@id("a") {HEAD};', "x.cedar:3: a: ", "used twice, first at x.cedar:1"),
        (f'@id("a")\n@aprove("b")\n{HEAD};', "x.cedar:2: a: ", "unknown annotation @aprove"),
        (
            f'@id("a")\n@approve("support_lead")\n{HEAD};',
            "x.cedar:1: a: ",
            "@approve, @quorum and @within stand together",
        ),
        # It would not take what it asks for.
        (
            f'@id("a") {ASKS}\n{HEAD};',
            "x.cedar:1: a: ",
            "it asks 2 of finance_manager, and its unless takes nothing of the kind",
        ),
        (
            f'@id("a") {ASKS}\n{HEAD}\n{TAKES.replace("2", "1")};',
            "x.cedar:3: a: ",
            "it asks 2 of finance_manager, and its unless takes 1 of finance_manager",
        ),
        (
            f'@id("a") {ASKS}\n{HEAD}\n{TAKES.replace("finance_manager", "support_lead")};',
            "x.cedar:3: a: ",
            "its unless takes 2 of support_lead",
        ),
        (
            f'@id("a") {ASKS}\n{HEAD}\n{TAKES.replace(">=", ">")};',
            "x.cedar:3: a: ",
            "its unless takes nothing of the kind",
        ),
        # It opens too much.
        ('@id("a")\npermit(principal, action, resource);', "x.cedar:1: a: ", "it permits without a condition"),
        (
            '@id("a")\npermit(principal, action == Action::"mail.send_mail", resource) when { true };',
            "x.cedar:1: a: ",
            "it permits without a condition",
        ),
        # It names what is not there.
        (
            f'@id("a")\npermit(principal, action == Action::"mail.sendmail", resource) {WHEN};',
            "x.cedar:2: a: ",
            "no pinned manifest and no servers file knows the tool 'mail.sendmail'",
        ),
        (
            f'@id("a") @approve("janitor") @quorum("1") @within("PT9H")\n{HEAD}\n'
            "unless { context.approvals has janitor && context.approvals.janitor >= 1 };",
            "x.cedar:1: a: ",
            "nobody in the roster holds the role 'janitor'",
        ),
        (
            f'@id("a") {ASKS} @hand_on("PT1H")\n@hand_on_to("janitor")\n{HEAD}\n{TAKES};',
            "x.cedar:2: a: ",
            "nobody in the roster holds the role 'janitor'",
        ),
        (
            '@id("a")\npermit(principal in Role::"porter",\n  action == Action::"mail.send_mail", resource)\n'
            + f"{WHEN};",
            "x.cedar:2: a: ",
            "nobody in the roster holds the role 'porter'",
        ),
        (
            f'@id("a")\n{HEAD}\n  when {{ context.automation == "refund" &&\n'
            "    context.totals has week && context.totals.week > 5 };",
            "x.cedar:4: a: ",
            "the running total 'week' is declared nowhere",
        ),
        (f'@id("a") {ASKS}\n@calendar("moon")\n{HEAD}\n{TAKES};', "x.cedar:2: a: ", "the calendar 'moon' is declared"),
        # The gate could not evaluate it.
        (
            f'@id("a")\n{HEAD}\nwhen {{ context.automaton == "refund" }};',
            "x.cedar:3: a: ",
            "attribute `automaton` in context",
        ),
        (f'@id("a")\n{HEAD}\nwhen {{ context.arguments.cent > 5 }};', "x.cedar:3: a: ", "attribute `arguments.cent`"),
        (f'@id("a")\n{HEAD}\nwhen {{ context.arguments.cents > "5" }};', "x.cedar:1: a: ", "expected Long"),
        (
            '@id("a")\nforbid(principal, action, resource)\nwhen { context.arguments.cents > 5 };',
            "x.cedar:3: a: ",
            "attribute `arguments.cents` in context",
        ),
        (
            f'@id("a") {ASKS}\n{HEAD}\nunless {{ context.approvals.finance_manager >= 2 }};',
            "x.cedar:3: a: ",
            "unable to guarantee safety of access to optional attribute `approvals.finance_manager`",
        ),
    ],
)
def test_a_mistake_is_found_on_its_line_with_the_way_out(text: str, place: str, said: str) -> None:
    (line,) = found(text)
    assert line.startswith(place)
    assert said in line


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("context.request has ordr_id", "no automation's input has a field 'ordr_id' that rules can see"),
        ('context.request.order_id == "A-17"', "unable to guarantee safety of access to optional attribute"),
        ("context.request has order_id && context.request.order_id == 17", "types Long and String are not compatible"),
        ('context.request has limit_cents && context.request.limit_cents > "5"', "expected Long"),
    ],
)
def test_a_mistake_about_what_was_asked_for_is_found_on_its_line(condition: str, said: str) -> None:
    (line,) = found(f'@id("a")\n{HEAD}\nwhen {{ {condition} }};')
    assert line.startswith(("x.cedar:3: a: ", "x.cedar:1: a: "))
    assert said in line


def test_what_any_automation_can_be_asked_for_may_be_read() -> None:
    read = 'context.request has servers && context.request.servers.contains("mail") && context.request has order_id'
    assert found(f'@id("a")\n{HEAD}\nwhen {{ {read} }};') == []


def test_a_field_that_two_automations_have_with_different_types_is_not_checked_and_that_is_said() -> None:
    numbered = {"properties": {"order_id": {"type": "integer"}}}
    world = WORLD.model_copy(update={"inputs": {**WORLD.inputs, "recall": numbered}})
    assert findings(OURS.files, world) == ()
    assert list(not_checked(OURS.files, world)) == [
        "not checked: what rules read of context.request.order_id, which automations have with different types; "
        "name the field otherwise in one of them"
    ]


def test_a_total_read_without_asking_whether_it_applies_is_found() -> None:
    declared = '[totals.day]\ntool = "s.t"\namount = "/cents"\nper = ["requester"]\n'
    unsafe = f'@id("a")\n{HEAD}\nwhen {{ context.totals.day > 5 }};'
    (line,) = found(unsafe, totals_toml=declared)
    assert line.startswith("x.cedar:3: a: unable to guarantee safety of access to optional attribute `totals.day`")
    assert (
        found(
            unsafe.replace("context.totals.day", "context.totals has day && context.totals.day"), totals_toml=declared
        )
        == []
    )


def test_a_table_that_cannot_be_read_is_a_finding_of_its_own_and_blames_no_rule() -> None:
    (line,) = found(
        f'@id("a")\n{HEAD}\nwhen {{ context.totals has day && context.totals.day > 5 }};',
        totals_toml="\n\n[totals.day}\n",
    )
    assert line.startswith("totals.toml:3: cannot be read as TOML")


@pytest.mark.parametrize(
    "text",
    [
        f'@id("a") {ASKS} {HEAD} {TAKES};',
        '@id("a") permit(principal, action == Action::"orders.find_order", resource);',
        f'@id("a") permit(principal, action == Action::"mail.send_mail", resource) {WHEN};',
        '@id("a") forbid(principal, action, resource);',
        f'@id("a") {HEAD} when {{ context.arguments.cents > 5 && principal in Role::"support_lead" }};',
    ],
)
def test_what_is_well_is_not_found(text: str) -> None:
    assert found(text) == []


def test_every_mistake_is_told_at_once_by_file_and_line() -> None:
    problems = findings({"b.cedar": f"{HEAD};\n{HEAD};", "a.cedar": f"{HEAD};"}, WORLD)
    assert [(problem.file, problem.line) for problem in problems] == [("a.cedar", 1), ("b.cedar", 1), ("b.cedar", 2)]


def test_what_could_not_be_looked_at_is_said_and_not_guessed() -> None:
    text = f'@id("a")\npermit(principal, action == Action::"mail.sendmail", resource) {WHEN};'
    blind = Surroundings()
    assert found(text, blind) == []
    said = list(not_checked({"x.cedar": text}, blind))
    assert [sentence.partition(";")[0] for sentence in said] == [
        "not checked: whether the tools that rules name are pinned",
        "not checked: whether somebody holds the roles that rules name",
        "not checked: the rules about mail.sendmail, whose arguments nobody describes",
    ]
    assert list(not_checked(OURS.files, WORLD)) == []

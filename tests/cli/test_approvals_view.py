"""What an approver reads: the whole context, set apart from what was written outside, and no way to decide in bulk."""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import JsonValue
from typer.main import get_command

from activities.alike import Alike
from activities.candidates import Candidate
from activities.inbox import InboxEntry
from activities.reads import InboxPage, ShownRequest
from cli.approvals import app
from cli.inbox import grouped, lines_below
from cli.outside import FOLDED, MARK, UNFOLDED, as_argument, folded
from cli.printing import say
from cli.reading import lines_of
from contracts.decisions import RequestKind, Verdict
from contracts.deployment import Deployment, Mode
from tests.activities.people import HOUR, NOON, asks, demands

HERE = Deployment(id="here", namespace="default", mode=Mode.PRODUCTION)
DANA = Candidate(subject="dana", name="Dana Diaz", roles=("finance_manager",))
ARGUMENTS: dict[str, JsonValue] = {"order_id": "A-17", "cents": 64000, "reason": "one of two items arrived broken"}
CREDIT = Alike(digest="sha256:credit", tool="payments.issue_credit", cents=999, currency="EUR")


def shown(
    entry: InboxEntry | None = None,
    arguments: JsonValue = None,
    context: dict[str, str] | None = None,
    **more: Any,
) -> ShownRequest:
    """A request as a worker answers it."""
    action = {"server": "payments", "tool": "issue_credit", "arguments": ARGUMENTS if arguments is None else arguments}
    lines = {"path": "intake → assessing", "Claude advises": "640.00 EUR: broken"} if context is None else context
    content: dict[str, JsonValue] = {
        "request": {"context": [{"label": label, "text": text} for label, text in lines.items()]},
        "action": json.dumps(action),
    }
    given = {"candidates": (DANA,)} | more
    return ShownRequest(entry=entry or asks(), shown=content, deployment=HERE, **given)


def text_of(capsys: pytest.CaptureFixture[str], request: ShownRequest, full: bool = False) -> list[str]:
    """The lines that reach the terminal."""
    for line in lines_of(request, full):
        say(line)
    return capsys.readouterr().out.splitlines()


def ours(lines: list[str]) -> list[str]:
    """The lines that do not say they are from outside."""
    return [line for line in lines if not line.startswith((MARK, FOLDED, MARK.rstrip()))]


# The whole context.


def test_a_request_is_shown_with_everything_that_a_person_should_know(capsys: pytest.CaptureFixture[str]) -> None:
    entry = asks(
        demands(quorum=2, hand_on=24 * HOUR, hand_on_to="head_of_finance", calendar="office"),
        remind_at=NOON + HOUR,
        hand_on_at=NOON + 2 * HOUR,
    )
    eve = Candidate(subject="eve", roles=("finance_manager for bob",), absent_until=NOON)
    rules = {"finance_manager-must": '@id("finance_manager-must")\nforbid(principal, action, resource);'}
    request = shown(entry, candidates=(DANA, eve), approved_by=("Otto",), taint=("private", "untrusted"), rules=rules)
    lines = text_of(capsys, request)

    for line in (
        "request: refund/A-17#1",
        "| Credit 640.00 EUR for order A-17?",
        "kind: approval",
        "run: refund/A-17",
        "automation: refund",
        "state: awaiting_approval",
        "requester: rita",
        "the run says:",
        "| path: intake → assessing",
        "| Claude advises: 640.00 EUR: broken",
        "action: payments.issue_credit",
        "arguments:",
        '|   "cents": 64000,',
        '|   "reason": "one of two items arrived broken"',
        "taint: the run has read private data and content that anybody could have written",
        "rule: finance_manager-must asks for 2 of finance_manager",
        "| forbid(principal, action, resource);",
        "who may decide: 2 of finance_manager",
        "  Dana Diaz (dana) as finance_manager",
        "approved so far: Otto",
        "  counted in the working time of calendar 'office'",
        "if nobody decides: the request expires, and what it asks for does not happen",
        f"digests: action {entry.action_digest[:19]}, shown {entry.display_digest[:19]}",
        "answers:",
        "  approve: exactly what is shown may happen",
        "next: interlock approvals ANSWER refund/A-17#1 --as YOU; ANSWER is approve, reject, return",
    ):
        assert line in lines
    [away] = [line for line in lines if line.startswith("  eve as finance_manager for bob, away until ")]
    assert "2026-11-20 12:00:00" in away


def test_of_a_request_that_can_only_be_stopped_it_is_said_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    entry = asks(demands("data_steward"), kind=RequestKind.ESCALATION, options=(Verdict.ABANDON,))
    lines = text_of(capsys, shown(entry))
    assert "if nobody decides: what may be stopped goes on" in lines


def test_moments_are_told_in_local_time_and_in_utc(capsys: pytest.CaptureFixture[str], berlin: None) -> None:
    entry = asks(demands(hand_on_to="head_of_finance"), remind_at=NOON, hand_on_at=NOON + HOUR)
    lines = text_of(capsys, shown(entry))

    assert "asked: 2026-11-20 12:00:00 CET (2026-11-20 11:00:00 UTC)" in lines
    assert "reminder: 2026-11-20 13:00:00 CET (2026-11-20 12:00:00 UTC)" in lines
    assert "handing on: 2026-11-20 14:00:00 CET (2026-11-20 13:00:00 UTC) to head_of_finance" in lines
    [until] = [line for line in lines if line.startswith("until: ")]
    assert until.startswith("until: 2026-11-22 12:00:00 CET (2026-11-22 11:00:00 UTC), ")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Berlin."""
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_notes_of_those_who_have_decided_are_shown_as_words_of_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    notes = (("dana", "the photo shows it\x1b[2J\nkind: approved"),)
    lines = text_of(capsys, shown(asks(), approved_by=("Dana",), notes=notes))

    assert any(line.startswith("| note of dana: the photo shows it") for line in lines)
    assert "kind: approved" not in lines and not any("\x1b" in line for line in lines)


def test_a_request_that_was_handed_on_names_both_roles(capsys: pytest.CaptureFixture[str]) -> None:
    demanded = demands(hand_on_to="head_of_finance")
    entry = asks(demanded, hand_on_at=NOON, handed_on_at=NOON, hand_ons={demanded.rule_id: NOON})
    lines = text_of(capsys, shown(entry))

    assert "who may decide: finance_manager or head_of_finance" in lines
    assert any(line.startswith("handed on: ") and line.endswith(" to head_of_finance") for line in lines)
    assert not any(line.startswith("handing on: ") for line in lines)


def test_a_role_that_two_rules_ask_for_is_named_once_with_the_larger_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = asks(demands(), demands(quorum=2), demands("support_lead"))

    assert "who may decide: 2 of finance_manager and support_lead" in text_of(capsys, shown(both))


def test_an_escalation_says_where_each_option_leads(capsys: pytest.CaptureFixture[str]) -> None:
    entry = asks(kind=RequestKind.ESCALATION, options=(Verdict.RETRY, Verdict.TAKE_OVER), deadline=None)
    context = {"option retry": "goes on in issuing", "option take_over": "goes on in verifying\nanswers:"}
    lines = text_of(capsys, shown(entry, context=context))

    assert "  retry: the failed step is tried again; it goes on in issuing" in lines
    assert "  take-over: it was done by hand; the run goes on" in lines
    assert "until: somebody answers" in lines
    assert not any(line.startswith("rule: ") for line in lines)
    assert lines[-1].endswith("ANSWER is retry, take-over")


def test_no_answer_is_offered_before_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    last = text_of(capsys, shown())[-1]

    assert last.startswith("next: interlock approvals ANSWER ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"candidates": ()}, "  nobody at this moment; see `interlock approvers list`"),
        ({"candidates": (), "anybody": True}, "  anybody but whoever asked: development mode, without a roster"),
        ({"candidates": (), "problem": "no roster is in force"}, "  cannot be told by name: no roster is in force"),
    ],
)
def test_when_nobody_can_be_named_the_reason_is(
    capsys: pytest.CaptureFixture[str], more: dict[str, Any], said: str
) -> None:
    assert said in text_of(capsys, shown(**more))


def test_a_closed_request_says_how_it_was_closed_and_offers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    lines = text_of(capsys, shown(asks(closed_at=NOON, outcome="rejected", by="dana")))

    assert lines[-1].startswith("closed: rejected by dana at ")
    assert not any(line.startswith(("next: ", "answers:", "who may decide")) for line in lines)


# Set apart.

CRAFTED = {
    "newline": "fine\nrequester: dana\nnext: interlock approvals approve refund/A-17#1",
    "carriage return": "fine\rwho may decide: anybody",
    "line separators": "fine\u2028until: never\u2029until: never\x85until: never\x0bx\x0cy\x1cz",
    "long line": "x" * (UNFOLDED - 3) + "next: interlock approvals approve refund/A-17#1",
    "wide line": "\u8d22" * (UNFOLDED // 2) + "approved so far: Dana",
    "ANSI": "\x1b[2J\x1b[1;1Hrequest: other\x1b]52;c;eA==\x07\x9b2J",
    "bidi": "\u202e\u2066drawkcab\u2069\u200f",
    "tags": "".join(chr(0xE0000 + ord(letter)) for letter in "approve this"),
    "combining": "a" + "\u0301" * 10_000,
    "jamo": "\u1100" + "\u1161\u11a8" * 5_000,
    "marks": "| fine\n|… next: approve",
    "JSON": '",\n  "cents": 1\n}\nnext: approve',
}


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
@pytest.mark.parametrize("full", [False, True], ids=["cut", "full"])
@pytest.mark.parametrize(
    "place", ["argument", "argument name", "advice", "label", "title", "requester", "run", "state"]
)
def test_nothing_from_outside_can_write_a_line_of_ours(
    capsys: pytest.CaptureFixture[str], crafted: str, full: bool, place: str
) -> None:
    lines = text_of(capsys, _crafted(place, crafted), full)
    plain_lines = text_of(capsys, _crafted(place, "two words"), full)

    same = [line for line in ours(lines) if not _told_of_cutting(line)]
    if place != "run":  # its name stands in the last line as well
        assert same == ours(plain_lines)
    assert labels(same) == labels(ours(plain_lines))
    for line in lines:
        assert _columns(line) <= UNFOLDED
        assert not [character for character in line if _acts(character)]


@pytest.mark.parametrize("crafted", CRAFTED.values(), ids=CRAFTED)
@pytest.mark.parametrize("field", ["role", "rule_id", "hand_on_to", "calendar"])
def test_nor_can_the_name_of_a_role_or_rule_that_an_impostor_made_up(
    capsys: pytest.CaptureFixture[str], crafted: str, field: str
) -> None:
    lines, harmless = (
        text_of(capsys, shown(asks(demands().model_copy(update={field: text}), hand_on_at=NOON)))
        for text in (crafted, "two words")
    )

    assert labels(ours(lines)) == labels(ours(harmless))
    assert all(_columns(line) <= UNFOLDED for line in lines)


def labels(lines: list[str]) -> list[str]:
    """What the lines that begin at the left say that they tell."""
    return [line.partition(":")[0] for line in lines if not line.startswith(" ")]


def _crafted(place: str, text: str) -> ShownRequest:
    match place:
        case "argument":
            return shown(arguments={"order_id": text, "cents": 1})
        case "argument name":
            return shown(arguments={text: 1})
        case "advice":
            return shown(context={"Claude advises": text})
        case "label":
            return shown(context={text: "advice"})
        case "title":
            return shown(asks(title=text))
        case "requester":
            return shown(asks(requester=text))
        case "run":
            return shown(asks(workflow_id=text))
        case _:
            return shown(asks(state=text))


def _told_of_cutting(line: str) -> bool:
    return re.fullmatch(r"  … \d+ more characters; --full shows them", line) is not None


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def _acts(character: str) -> bool:
    number = ord(character)
    return number < 32 or 127 <= number < 160 or unicodedata.category(character) in ("Cf", "Mn", "Me", "Mc", "Zl", "Zp")


def test_an_argument_cannot_look_like_another_one_by_being_long(capsys: pytest.CaptureFixture[str]) -> None:
    name = '|   "order_id": "'
    crafted = "x" * (UNFOLDED - len(FOLDED) - len(name) + len(MARK)) + '  "cents": 100,'
    lines = text_of(capsys, shown(arguments={"order_id": crafted, "cents": 64000}))

    assert '|   "cents": 64000' in lines
    assert not [line for line in lines if line.startswith('|   "cents": 100')]
    assert [line for line in lines if line.startswith(FOLDED)]


def test_one_line_of_what_the_run_says_cannot_look_like_another(capsys: pytest.CaptureFixture[str]) -> None:
    context = {"Claude advises": "fine\ncost of waiting: none", "cost of waiting": "the customer waits"}
    lines = text_of(capsys, shown(context=context))

    assert "| cost of waiting: the customer waits" in lines
    assert "| cost of waiting: none" not in lines
    assert "|   cost of waiting: none" in lines


def test_long_arguments_are_cut_outside_their_quotes_and_shown_whole_on_demand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = shown(arguments={"body": "y" * 5_000, "list": list(range(150))})
    cut, full = "\n".join(text_of(capsys, long)), "\n".join(text_of(capsys, long, full=True))

    assert '" … 4000 more characters; --full shows them' in cut.replace(f"\n{FOLDED}", "")
    assert "|     … 50 more; --full shows them" in cut
    assert "y" * 5_000 in full.replace(f"\n{FOLDED}", "")
    assert "149" in full
    assert "more" not in full.split("arguments:")[1].split("rule:")[0]


def test_long_advice_is_cut_and_shown_whole_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    long = shown(context={"Claude advises": "z" * 3_000 + "\n" * 900 + "END"})
    cut, full = text_of(capsys, long), text_of(capsys, long, full=True)

    assert "  … 2903 more characters; --full shows them" in cut
    assert not any("END" in line for line in cut)
    assert "|   END" in full


def test_many_lines_are_cut_too(capsys: pytest.CaptureFixture[str]) -> None:
    lines = text_of(capsys, shown(context={"Claude advises": "\n" * 500}))

    assert "  … 461 more characters; --full shows them" in lines
    assert len(lines) < 100


def test_deeply_nested_arguments_are_shown_on_one_marked_line(capsys: pytest.CaptureFixture[str]) -> None:
    nested: JsonValue = "deep"
    for _ in range(200):
        nested = [nested]
    lines = text_of(capsys, shown(arguments={"nested": nested}))

    assert "deep" in "".join(line.removeprefix(MARK).removeprefix(FOLDED) for line in lines)


def test_values_of_every_kind_are_written_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments: JsonValue = {"a": None, "b": [True, 1.5, -3], "c": {}, "d": [], "e": {"f": "g"}, "h": "Zoë 谢谢"}
    lines = text_of(capsys, shown(arguments=arguments))
    start, end = lines.index("arguments:") + 1, next(i for i, line in enumerate(lines) if line.startswith("rule: "))

    assert json.loads("\n".join(line.removeprefix(MARK) for line in lines[start:end])) == arguments
    assert '|   "h": "Zoë 谢谢"' in lines


def test_folding_loses_nothing_and_counts_wide_characters_twice() -> None:
    assert list(folded("abcdef", 4)) == ["abcd", "ef"]
    assert list(folded("谢谢谢", 4)) == ["谢谢", "谢"]
    assert list(folded("", 4)) == [""]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("refund/A-17#1", "refund/A-17#1"),
        ("refund/$(reboot)#1", "'refund/$(reboot)#1'"),
        ("refund/a b; rm#1", "'refund/a b; rm#1'"),
        ("#1", "'#1'"),
        ("-x", "-x"),
    ],
)
def test_a_printed_command_does_what_it_says_when_it_is_pasted(text: str, word: str) -> None:
    assert as_argument(text) == word


# The list.


def small_credits(count: int, **changes: Any) -> list[InboxEntry]:
    """Small credits for as many orders."""
    return [asks(workflow_id=f"refund/A-{number}", alike=CREDIT, **changes) for number in range(count)]


def test_what_asks_the_same_is_one_line_with_count_and_sum_and_names_the_first() -> None:
    [group] = grouped(small_credits(10))

    assert group.row()[:3] == (
        "refund/A-0#1",
        "10 alike: payments.issue_credit, 9.99 EUR each, 99.90 EUR in all",
        "finance_manager",
    )
    assert list(group.lines()) == [
        "10 alike: refund/A-0#1, refund/A-1#1, refund/A-2#1, refund/A-3#1, refund/A-4#1 and 5 more"
    ]


def test_a_group_stands_where_its_most_urgent_request_stands() -> None:
    first, second = small_credits(2)
    groups = grouped([first, asks(workflow_id="refund/other"), second])

    assert [group.first.workflow_id for group in groups] == ["refund/A-0", "refund/other"]
    assert [len(group.entries) for group in groups] == [2, 1]


def test_what_differs_in_amount_or_in_who_may_decide_is_not_grouped() -> None:
    dearer = CREDIT.model_copy(update={"digest": "sha256:dearer"})
    entries = [
        *small_credits(1),
        asks(workflow_id="refund/dearer", alike=dearer),
        asks(demands("support_lead"), workflow_id="refund/leads", alike=CREDIT),
        asks(workflow_id="refund/a"),
        asks(workflow_id="refund/b"),
    ]

    assert [len(group.entries) for group in grouped(entries)] == [1, 1, 1, 1, 1]
    assert [list(group.lines()) for group in grouped(entries)] == [[]] * 5


def test_a_group_of_several_requesters_says_how_many() -> None:
    [group] = grouped([*small_credits(2), *small_credits(1, requester="otto")])

    assert group.row()[-1] == "2 requesters"


def test_without_an_amount_a_group_tells_the_tool() -> None:
    mail = Alike(digest="sha256:mail", tool="mail.send")
    [group] = grouped([asks(workflow_id="errand/1", alike=mail), asks(workflow_id="errand/2", alike=mail)])

    assert group.row()[1] == "2 alike: mail.send with the same arguments"


def test_below_the_list_stands_what_is_not_in_it_and_what_to_do_next() -> None:
    page = InboxPage(requests=(asks(),), others=3, decided_lately=18, decisions_per_hour=20)

    assert list(lines_below(page, "dana")) == [
        "3 others may be decided by other people only; --all lists them too",
        "decisions of dana within the hour: 18, at most 20 count",
        "next: interlock approvals show refund/A-17#1",
    ]


def test_an_empty_list_says_whose_it_is_and_why() -> None:
    empty = InboxPage(requests=(), others=1, problem="'dana' is a service; people decide")

    assert list(lines_below(empty, "dana")) == [
        "nothing waits for dana",
        "nothing can be decided: 'dana' is a service; people decide",
        "1 other may be decided by other people only; --all lists them too",
    ]
    assert list(lines_below(InboxPage(requests=()), "")) == ["nothing waits for people"]


def test_a_list_that_is_cut_says_so() -> None:
    assert "these are the first 1; more wait" in list(lines_below(InboxPage(requests=(asks(),), cut=True), "dana"))


# No way to decide in bulk.


def test_every_command_that_decides_takes_exactly_one_request() -> None:
    group = get_command(app)
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    verdicts = {verdict.value.replace("_", "-") for verdict in Verdict}

    assert set(commands) == verdicts | {"list", "show", "sign"}
    for name in verdicts | {"sign", "show"}:
        arguments = [parameter for parameter in commands[name].params if parameter.param_type_name == "argument"]
        assert [(argument.name, argument.nargs, argument.required) for argument in arguments] == [
            ("request_id", 1, True)
        ]
        assert not [parameter.name for parameter in commands[name].params if parameter.multiple]
        assert not {"all", "everything", "yes", "group", "alike"} & {
            parameter.name for parameter in commands[name].params
        }
    assert not [parameter for parameter in commands["list"].params if parameter.param_type_name == "argument"]

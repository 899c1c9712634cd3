"""`interlock policy`: lint, explain and test the rules in the files, and make them active."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.main import run
from contracts.authority import DocumentKind
from policies.document import document_of
from policies.engine import CedarRules
from tests.cli.conftest import Outcome
from tests.cli.enrolment import made_store
from workers.resources.store import Store
from workers.settings import REPOSITORY

SHIPPED = REPOSITORY / "policies"
Policy = Callable[..., Outcome]
ROSTER = '[people."rita@example.com"]\nroles = ["finance_manager"]\n'


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Policy:
    """`interlock policy ARGUMENTS`, where no store is named and nothing runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("INTERLOCK_STORE", "INTERLOCK_AUTOMATIONS", "INTERLOCK_SERVERS", "TEMPORAL_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def called(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(["policy", *arguments])
        return Outcome(code, *capsys.readouterr())

    return called


@pytest.fixture
def development(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store in development mode."""
    address = made_store(tmp_path)
    monkeypatch.setenv("INTERLOCK_STORE", address)
    monkeypatch.setenv("INTERLOCK_MODE", "development")
    return address


def rules(tmp_path: Path, *texts: str, **files: str) -> str:
    """A policy folder with a file for each text, and others: `vectors_toml="..."`."""
    folder = tmp_path / "own"
    folder.mkdir()
    for number, text in enumerate(texts, start=1):
        (folder / f"own{number}.cedar").write_text(text)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return str(folder)


# Lint.


def test_the_shipped_rules_are_clean_and_what_was_not_checked_is_said(policy: Policy) -> None:
    outcome = policy("lint")
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "64 rules in 15 files, nothing found")
    assert "not checked: whether the tools that rules name are pinned" in outcome.err


def test_a_finding_names_file_line_rule_and_the_way_out(policy: Policy, tmp_path: Path) -> None:
    folder = rules(tmp_path, '// ours\n@id("own") permit(principal, action, resource);\n')
    outcome = policy("lint", "--folder", folder)
    assert outcome.code == 1
    assert outcome.out.startswith("own/own1.cedar:2: own: it permits without a condition")
    assert "when { context.automation ==" in outcome.out


def test_roles_that_nobody_in_the_roster_file_holds_are_found(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text(ROSTER)
    outcome = policy("lint", "--roster", "roster.toml")
    assert outcome.code == 1
    assert "refund.cedar:11: refund-over-50: nobody in the roster holds the role 'finance_director'" in outcome.out
    assert "'finance_manager'" not in outcome.out


def test_a_folder_without_rules_is_wrong_input(policy: Policy, tmp_path: Path) -> None:
    outcome = policy("lint", "--folder", str(tmp_path))
    assert (outcome.code, outcome.out) == (2, "")
    assert "no *.cedar file in" in outcome.err


# Explain.

TAINTED = ("--tool", "mail.confirm_refund", "--taint", "private", "--taint", "untrusted")
ASKED = ("--asked", "order_id=A-17", "--set", "order_id=A-17")
CREDIT = ("explain", "--automation", "refund", "--tool", "payments.issue_credit", *ASKED)


def test_explain_says_who_must_sign_by_which_rule_and_by_when(policy: Policy) -> None:
    outcome = policy(*CREDIT, "--role", "clerk", "--set", "cents=64000")
    first, rule, *people = outcome.out.splitlines()
    assert outcome.code == 0
    assert first == "needs approval: payments.issue_credit in refund, asked by clerk"
    line = int(rule.rpartition(":")[2])
    assert rule == f"rule refund-over-50 at {SHIPPED / 'refund.cedar'}:{line}"
    assert '@id("refund-over-50")' in (SHIPPED / "refund.cedar").read_text().splitlines()[line - 1]
    assert people == [
        "1 person as finance_manager must approve within 48 h (refund-over-50)",
        "reminded after 24 h",
        "handed on to finance_director after 36 h",
    ]


@pytest.mark.parametrize(
    ("more", "code", "answer"),
    [
        (["--set", "cents=5000"], 0, "permitted"),
        (["--set", "cents=5001"], 0, "needs approval"),
        (["--set", "cents=5001", "--approved", "finance_manager=1"], 0, "permitted"),
        (["--set", "cents=999", "--total", "credits_of_requester_today=9990"], 0, "needs approval"),
        (["--set", "cents=999", "--total", "credits_of_customer_today=500001"], 1, "forbidden"),
        (["--set", "cents=500001"], 1, "forbidden"),
        (["--set", "cents=4000", "--asked", "limit_cents=4000"], 0, "permitted"),
        (["--set", "cents=4001", "--asked", "limit_cents=4000"], 1, "forbidden"),
        (["--set", "cents=9000", "--asked", "limit_cents=4000", "--approved", "finance_manager=2"], 1, "forbidden"),
        (["--tool", "payments.reverse_credit", "--purpose", "compensation"], 1, "forbidden"),
        (["--tool", "payments.reverse_credit", "--purpose", "compensation", "--undoes"], 0, "permitted"),
        ([*TAINTED], 0, "permitted"),
        ([*TAINTED, "--sends-out"], 0, "needs approval"),
        (["--tool", "orders.find_order", "--automation", "payroll"], 0, "permitted"),
        (["--tool", "orders.find_order", "--automation", "payroll", "--effect-class", "opaque"], 1, "forbidden"),
    ],
)
def test_explain_answers_as_the_gate_would(policy: Policy, more: list[str], code: int, answer: str) -> None:
    outcome = policy(*CREDIT, *more)
    assert (outcome.code, outcome.out.partition(":")[0]) == (code, answer)


@pytest.mark.parametrize("asked", [(), ("--asked", "order_id=A-17"), ("--asked", "limit_cents=100")], ids=str)
def test_explain_takes_what_was_not_asked_for_as_not_asked_for(policy: Policy, asked: tuple[str, ...]) -> None:
    outcome = policy(*CREDIT[:5], "--set", "order_id=Z-99", "--set", "cents=100", *asked)
    assert (outcome.code, outcome.out.splitlines()[-1]) == (1, "because: forbidden by refund-as-asked")


def test_explain_asks_about_the_input_of_an_automation_that_is_not_known_here(policy: Policy, tmp_path: Path) -> None:
    spring = OWN.replace('"own" }', '"own" && context.request has season && context.request.season == "spring" }')
    asked = ("explain", "--automation", "own", "--tool", "crm.add_note", "--folder", rules(tmp_path, spring))
    (tmp_path / "own" / "vectors.toml").write_text('[tools."crm.add_note"]')
    assert policy(*asked, "--asked", "season=spring").code == 0
    assert policy(*asked, "--asked", "season=autumn").code == 1
    assert policy(*asked).code == 1


def test_explain_says_why_not_and_which_rule_would_permit_it(policy: Policy) -> None:
    outcome = policy("explain", "--automation", "errand", "--tool", "payments.issue_credit")
    assert outcome.code == 1
    assert outcome.out.splitlines()[1:] == [
        "because: no rule permits payments.issue_credit in errand",
        'a rule that would permit it: @id("errand-payments-issue-credit") permit(principal, '
        'action == Action::"payments.issue_credit", resource) when { context.automation == "errand" };',
    ]


def test_explain_takes_the_roles_of_a_requester_from_the_roster(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text(ROSTER)
    asked = policy(*CREDIT, "--requester", "rita@example.com", "--roster", "roster.toml")
    assert asked.out.splitlines()[0].endswith("asked by finance_manager")
    unknown = policy(*CREDIT, "--requester", "rita@example.com")
    assert (unknown.code, unknown.out) == (2, "")
    assert "give --role, or --roster FILE" in unknown.err


def test_explain_prints_one_json_document(policy: Policy) -> None:
    document = policy(*CREDIT, "--set", "cents=64000", "--json").document
    assert document["effect"] == "needs_approval"
    assert list(document["places"]) == document["rule_ids"] == ["refund-over-50"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "cent=1"], "--set cent: payments.issue_credit has no such argument"),
        (["--set", "cents"], "--set 'cents' does not say which field"),
        (
            ["--asked", "order=A-17"],
            "--asked order: the input of refund has no such field; it has order_id, limit_cents",
        ),
        (["--asked", "order_id"], "--asked 'order_id' does not say which field"),
        (["--asked", "order_id=A-18"], "--asked order_id is given twice"),
        (["--set", "cents=abc"], "--set cents: 'abc' is no whole number; write --set cents=NUMBER"),
        (["--set", "cents=1.5"], "--set cents: 1.5 is no whole number"),
        (["--set", "cents=true"], "--set cents: True is no whole number"),
        (["--set", f"cents={2**63}"], "--set cents: no call carries a number beyond 9007199254740991"),
        (["--set", f"cents={-(2**53)}"], "--set cents: no call carries a number beyond 9007199254740991"),
        (["--set", "reason=17"], "--set reason: 17 is no text; quote it for JSON: --set 'reason=\"17\"'"),
        (["--set", "reason=null"], "--set reason: None is no text"),
        (["--total", f"credits_of_requester_today={2**64}"], "no call carries a number beyond"),
        (["--approved", "finance_manager=fiona"], "write --approved finance_manager=NUMBER"),
        (["--total", "credits_of_requester_today=many"], "is no whole number"),
        (["--total", "credits_of_nobody=5"], "no such total is declared"),
        (["--tool", "payments.burn"], "nobody describes the tool 'payments.burn'"),
    ],
)
def test_explain_refuses_what_it_cannot_ask(policy: Policy, more: list[str], said: str) -> None:
    outcome = policy(*CREDIT, *more)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_explain_takes_truth_for_an_argument_that_is_a_truth(policy: Policy, tmp_path: Path) -> None:
    described = '[tools."crm.add_note"]\narguments = { quiet = "boolean" }\n'
    folder = rules(tmp_path, OWN, vectors_toml=described)
    ask = ("explain", "--automation", "own", "--tool", "crm.add_note", "--folder", folder)

    assert policy(*ask, "--set", "quiet=true").out.startswith("permitted")
    refused = policy(*ask, "--set", "quiet=yes")
    assert (refused.code, refused.out) == (2, "")
    assert "--set quiet: 'yes' is neither true nor false; write --set quiet=true" in refused.err


def test_explain_notes_names_that_nobody_here_knows_and_answers_all_the_same(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "roster.toml").write_text(ROSTER)
    known = policy(*CREDIT, "--requester", "rita@example.com", "--roster", "roster.toml")
    stranger = policy(*CREDIT, "--requester", "nobody-known", "--roster", "roster.toml")
    payroll = policy(*CREDIT, "--automation", "payroll")

    assert known.err == ""
    assert (stranger.code, stranger.out.startswith("permitted")) == (0, True)
    assert stranger.err == "note: the roster knows nobody called 'nobody-known', so they hold no role of their own\n"
    assert payroll.out.startswith("forbidden")
    assert payroll.err.startswith(
        "note: no automation is called 'payroll' here; there are: refund, errand, guest_checkout"
    )
    assert len(payroll.err.splitlines()) == 1


# Vectors.

VECTOR = """
[[vectors]]
name = "a note is taken"
about = "own"
shows = "allow"
ask = { automation = "own", tool = "crm.add_note" }
expect = "permit"
"""
OWN = '@id("own") permit(principal, action == Action::"crm.add_note", resource) when { context.automation == "own" };'


def test_the_shipped_vectors_hold(policy: Policy) -> None:
    outcome = policy("test")
    assert outcome.code == 0
    assert outcome.out.endswith(" vectors, all as expected\n")


def test_a_vector_that_fails_is_told_by_name(policy: Policy, tmp_path: Path) -> None:
    folder = rules(tmp_path, OWN.replace('"own" }', '"another" }'), vectors_toml=VECTOR)
    outcome = policy("test", "--folder", folder)
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "a note is taken: expected permit, came out as forbid: no rule permits crm.add_note in own",
        "1 vectors, 1 not as expected",
    ]


def test_a_file_of_vectors_may_be_named(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(VECTOR)
    assert policy("test", "mine.toml", "--folder", rules(tmp_path, OWN)).code == 0
    assert policy("test", "missing.toml").code == 2
    assert policy("test", "--folder", str(tmp_path / "own")).err.startswith("there are no vectors")


# Activate.


def in_force(address: str) -> str:
    """The digest of the policy in force; empty when there is none."""

    async def read() -> str:
        store = Store.open(address)
        try:
            standing = await store.documents.in_force(DocumentKind.POLICY)
        finally:
            store.close()
        return CedarRules.from_document(standing.content).digest if standing else ""

    return asyncio.run(read())


def test_what_is_made_active_is_what_was_linted_and_tried(policy: Policy, development: str) -> None:
    outcome = policy("activate", "--as", "rita", "--reason", "the first rules")
    assert outcome.code == 0, outcome.err
    assert in_force(development) == CedarRules.from_document(document_of([SHIPPED])).digest


@pytest.mark.parametrize(
    ("rule", "vectors", "said"),
    [
        (OWN + '@id("any") permit(principal, action, resource);', VECTOR, "correct what lint found"),
        (OWN.replace('"own" }', '"another" }'), VECTOR, "correct the rules or the vectors"),
    ],
)
def test_rules_that_lint_or_vectors_object_to_are_not_made_active(
    policy: Policy, development: str, tmp_path: Path, rule: str, vectors: str, said: str
) -> None:
    folder = rules(tmp_path, rule, vectors_toml=vectors)
    outcome = policy("activate", "--as", "rita", "--reason", "in a hurry", "--folder", folder)
    assert outcome.code == 1
    assert f"nothing was made active: {said}" in outcome.err
    assert in_force(development) == ""


def test_json_is_ascii_so_that_no_terminal_acts_on_it(policy: Policy, tmp_path: Path) -> None:
    outcome = policy("explain", "--automation", "\x1b[2Jrefund", "--tool", "payments.issue_credit", "--json")
    assert "\x1b" not in outcome.out and json.loads(outcome.out)["effect"] == "forbid"
    assert "\x1b" not in policy("explain", "--automation", "\x1b[2Jrefund", "--tool", "payments.issue_credit").out

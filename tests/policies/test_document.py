"""The policy document: what is made active is what rules, by one digest."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from contracts.canonical import canonical_json, digest, parse_json
from policies.document import document_of, files_of
from policies.engine import CedarRules, PolicyBroken
from tests.policies.questions import OURS, ask
from workers.settings import REPOSITORY

SHIPPED = REPOSITORY / "policies"
MAY = '@id("may") permit(principal, action == Action::"s.t", resource) when { context.automation == "refund" };'
MUCH = '@id("much") forbid(principal, action, resource) when { context.totals has sum && context.totals.sum > 5 };'
DECLARED = '[totals.sum]\ntool = "s.t"\namount = "/cents"\nper = ["requester", "day"]\n'


def folder(tmp_path: Path, name: str = "policies", **files: str) -> Path:
    """A policy folder; `a_cedar="..."` is its file a.cedar."""
    made = tmp_path / name
    made.mkdir()
    for file, text in files.items():
        (made / file.replace("_", ".")).write_text(text)
    return made


def test_the_digest_of_the_rules_is_that_of_the_document() -> None:
    content = document_of([SHIPPED])
    assert OURS.digest == digest(canonical_json(content))
    assert CedarRules.from_document(parse_json(canonical_json(content))).digest == OURS.digest


def test_the_document_holds_rules_totals_and_calendars_and_nothing_else(tmp_path: Path) -> None:
    made = folder(tmp_path, a_cedar=MAY, totals_toml=DECLARED, calendars_toml="", vectors_toml="", notes_md="")
    files = files_of(document_of([made]))
    assert sorted(files) == ["a.cedar", "calendars.toml", "totals.toml"]
    assert CedarRules.load([made]).files == files


def test_every_byte_of_every_file_counts_in_the_digest(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_cedar=MAY, totals_toml=DECLARED)
    two = folder(tmp_path, "two", a_cedar=MAY, totals_toml=DECLARED + "# a comment\n")
    three = folder(tmp_path, "three", a_cedar=MAY + "// a comment", totals_toml=DECLARED)
    assert len({CedarRules.load([each]).digest for each in (one, two, three)}) == 3


def test_it_does_not_matter_where_a_folder_stands(tmp_path: Path) -> None:
    here, there = folder(tmp_path, "here", a_cedar=MAY), folder(tmp_path, "there", a_cedar=MAY)
    assert CedarRules.load([here]).digest == CedarRules.load([there]).digest


def test_totals_may_be_declared_in_several_folders(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_cedar=MAY, totals_toml=DECLARED.replace("totals.sum", "totals.other"))
    two = folder(tmp_path, "two", b_cedar=MUCH, totals_toml=DECLARED)
    assert "much" in CedarRules.load([one, two]).rule(ask("s.t").model_copy(update={"totals": {"sum": 6}})).rule_ids


def test_a_total_that_two_folders_declare_is_refused(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_cedar=MAY, totals_toml=DECLARED)
    two = folder(tmp_path, "two", b_cedar=MUCH, totals_toml=DECLARED)
    with pytest.raises(PolicyBroken, match=r"totals\.toml"):
        CedarRules.load([one, two])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one", a_cedar=MAY), folder(tmp_path, "two", a_cedar=MUCH)
    with pytest.raises(PolicyBroken, match=r"two/a\.cedar: another policy folder has a file of this name"):
        document_of([one, two])


def test_a_total_that_nobody_declares_is_refused_since_its_rule_would_never_apply(tmp_path: Path) -> None:
    with pytest.raises(PolicyBroken, match=r"^b\.cedar:1: much: the running total 'sum' is declared nowhere"):
        CedarRules.load([folder(tmp_path, b_cedar=MUCH)])


def test_a_declared_total_is_seen_however_a_rule_spells_its_name(tmp_path: Path) -> None:
    spelt = MUCH.replace("context.totals", "(if context.sends_out then context else context).totals")
    rules = CedarRules.load([folder(tmp_path, a_cedar=MAY, b_cedar=spelt, totals_toml=DECLARED)])
    question = ask("s.t")
    assert rules.rule(question.model_copy(update={"totals": {"sum": 5}})).rule_ids == ("may",)
    assert rules.rule(question.model_copy(update={"totals": {"sum": 6}})).rule_ids == ("much",)


def test_a_calendar_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    asks = '@id("x") @approve("a") @quorum("1") @within("PT9H") @calendar("moon") forbid(principal, action, resource);'
    with pytest.raises(PolicyBroken, match=r"^c\.cedar:1: x: the calendar 'moon' is declared nowhere"):
        CedarRules.load([folder(tmp_path, c_cedar=asks)])


def test_a_file_that_is_not_text_is_refused_by_name(tmp_path: Path) -> None:
    made = folder(tmp_path, a_cedar=MAY)
    (made / "b.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyBroken, match=r"b\.cedar cannot be read"):
        document_of([made])


@pytest.mark.parametrize("content", [None, [], {}, {"a.cedar": MAY}, {"files": [MAY]}, {"files": {"a.cedar": 7}}])
def test_what_is_no_document_is_refused(content: JsonValue) -> None:
    with pytest.raises(PolicyBroken, match="this is no policy document"):
        CedarRules.from_document(content)


def test_a_document_without_rules_is_refused() -> None:
    with pytest.raises(PolicyBroken, match="without rules everything is forbidden"):
        CedarRules.from_document({"files": {"totals.toml": ""}})

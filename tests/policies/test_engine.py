"""The engine: default deny, errors forbid, and rules that cannot mean what they say are refused when they are read."""

import random
from pathlib import Path

import pytest
from pydantic import JsonValue

from contracts.policy import RulingEffect
from contracts.tools import EffectClass, Purpose
from policies.annotations import roles_asked
from policies.engine import CedarRules, PolicyBroken, PolicyEngine, PolicyQuestion, allowing_rule
from tests.policies.oracle import some_question
from tests.policies.questions import CREDIT_SCHEMA, OURS, ask, credit

ANYTHING = '@id("anything") permit(principal, action, resource);'
SIGNED_BY_A_AND_B = """
@id("may") permit(principal, action == Action::"s.t", resource);
@id("a-signs") @approve("a") @quorum("1") @within("PT1H")
forbid(principal, action == Action::"s.t", resource) unless { context.approvals has a && context.approvals.a >= 1 };
@id("b-signs") @approve("b") @quorum("2") @within("P2D")
forbid(principal, action == Action::"s.t", resource) unless { context.approvals has b && context.approvals.b >= 2 };
"""


def rules(text: str) -> CedarRules:
    """Rules of one file."""
    return CedarRules({"rules.cedar": text})


def test_the_rules_stand_at_the_port() -> None:
    engine: PolicyEngine = OURS
    assert engine.digest.startswith("sha256:")


# Default deny.


def test_what_no_rule_permits_is_forbidden_with_a_reason() -> None:
    ruling = OURS.rule(ask("payments.close_account"))
    assert ruling.effect is RulingEffect.FORBID
    assert ruling.rule_ids == ()
    assert ruling.reason == "no rule permits payments.close_account in refund"
    assert ruling.allowing_rule == (
        '@id("refund-payments-close-account") permit(principal, action == Action::"payments.close_account", resource)'
        ' when { context.automation == "refund" };'
    )


def test_adding_the_allowing_rule_leaves_only_people_to_ask_and_permits_no_other_automation() -> None:
    chance = random.Random(7)
    tried = 0
    for _ in range(80):
        question = some_question(chance)
        hint = OURS.rule(question).allowing_rule
        if not hint:
            continue
        tried += 1
        widened = CedarRules({"ours": _our_text(), "added": hint})
        assert widened.rule(question).effect is not RulingEffect.FORBID
        signed = question.model_copy(update={"approvals": dict.fromkeys(roles_asked(OURS.rules), 9)})
        assert widened.rule(signed).effect is RulingEffect.PERMIT
        elsewhere = question.model_copy(update={"automation": "somewhere_else"})
        assert widened.rule(elsewhere).effect is not RulingEffect.PERMIT
        if question.purpose is Purpose.COMPENSATION:
            forward = question.model_copy(update={"purpose": Purpose.FORWARD})
            assert widened.rule(forward).effect is not RulingEffect.PERMIT
    assert tried > 15


@pytest.mark.parametrize("action", ['s.quo"te', "s.back\\slash", "s.new\nline", "s.größe", "s.工具", "s.a-b.c/d", "s."])
def test_the_allowing_rule_is_whole_whatever_the_tool_is_called(action: str) -> None:
    question = ask(action, automation='with "quotes"')
    assert rules(OURS.rule(question).allowing_rule).rule(question).effect is RulingEffect.PERMIT


def test_no_rule_is_suggested_where_one_forbids() -> None:
    ruling = OURS.rule(credit(500_001))
    assert (ruling.reason, ruling.allowing_rule) == ("forbidden by refund-over-5000", "")


# People.


def test_every_rule_that_asks_becomes_an_obligation() -> None:
    ruling = rules(SIGNED_BY_A_AND_B).rule(ask("s.t"))
    assert ruling.effect is RulingEffect.NEEDS_APPROVAL
    assert [(one.role, one.quorum, one.rule_id) for one in ruling.obligations] == [
        ("a", 1, "a-signs"),
        ("b", 2, "b-signs"),
    ]


def test_a_quorum_is_only_reached_when_every_role_has_reached_its_own() -> None:
    def effect(**approvals: int) -> RulingEffect:
        return rules(SIGNED_BY_A_AND_B).rule(ask("s.t", approvals=approvals)).effect

    assert effect(a=1, b=1) is RulingEffect.NEEDS_APPROVAL
    assert effect(a=0, b=2) is RulingEffect.NEEDS_APPROVAL
    assert effect(b=99) is RulingEffect.NEEDS_APPROVAL
    assert effect(a=1, b=2) is RulingEffect.PERMIT


def test_nobody_is_asked_to_sign_what_would_be_forbidden_all_the_same() -> None:
    never = SIGNED_BY_A_AND_B + '@id("never") forbid(principal, action, resource);'
    ruling = rules(never).rule(ask("s.t"))
    assert (ruling.effect, ruling.obligations) == (RulingEffect.FORBID, ())
    assert "never" in ruling.rule_ids


def test_nobody_is_asked_to_sign_what_no_rule_permits() -> None:
    text = SIGNED_BY_A_AND_B.replace('@id("may") permit', '@id("may") forbid')
    assert rules(text).rule(ask("s.t")).effect is RulingEffect.FORBID
    only_asks = SIGNED_BY_A_AND_B.split("\n", 2)[2]
    ruling = rules(only_asks).rule(ask("s.t"))
    assert (ruling.effect, ruling.obligations) == (RulingEffect.FORBID, ())


def test_a_rule_that_asks_without_its_annotations_forbids() -> None:
    forgotten = SIGNED_BY_A_AND_B.replace('@approve("a") @quorum("1") @within("PT1H")', "")
    assert rules(forgotten).rule(ask("s.t")).effect is RulingEffect.FORBID


def test_a_rule_without_annotations_is_not_fulfilled_by_those_who_sign_for_another_rule() -> None:
    """Whoever signs as `a` would satisfy it; that nobody was asked to for its sake keeps the door closed."""
    unless = "unless { context.approvals has a && context.approvals.a >= 1 };"
    silent = f'@id("silent") forbid(principal, action, resource) {unless}'
    ruling = rules(SIGNED_BY_A_AND_B + silent).rule(ask("s.t"))
    assert (ruling.effect, ruling.obligations) == (RulingEffect.FORBID, ())
    assert "silent" in ruling.reason


# Errors forbid.


def test_a_rule_that_reads_a_missing_argument_forbids_everything_it_is_asked_about() -> None:
    text = ANYTHING + '@id("big") forbid(principal, action, resource) when { context.arguments.cents > 5000 };'
    ruling = rules(text).rule(ask("s.t", schema={"properties": {"cents": {"type": "integer"}}}))
    assert ruling.effect is RulingEffect.FORBID
    assert ruling.reason.startswith("the rules could not be evaluated")
    assert "cents" in ruling.reason


def test_a_permit_that_cannot_be_evaluated_does_not_hide_behind_one_that_can() -> None:
    text = ANYTHING + '@id("odd") permit(principal, action, resource) when { context.arguments.nothing == 1 };'
    assert rules(text).rule(ask("s.t")).effect is RulingEffect.FORBID


@pytest.mark.parametrize("cents", ["100", 100.0, 1.5, True, None, [100], {"cents": 1}, 2**63, -(2**70)])
def test_an_amount_that_is_no_integer_is_forbidden(cents: object) -> None:
    question = credit(0).model_copy(update={"arguments": {"order_id": "A-17", "cents": cents}})
    assert OURS.rule(question).effect is RulingEffect.FORBID


def test_a_credit_without_an_amount_is_forbidden() -> None:
    question = credit(0).model_copy(update={"arguments": {"order_id": "A-17"}})
    assert OURS.rule(question).effect is RulingEffect.FORBID


def test_a_reason_stays_short_whatever_goes_wrong() -> None:
    question = ask("s." + "t" * 5000, schema={"properties": {"cents": {"type": "integer"}}})
    assert len(OURS.rule(question).reason) <= 400


# Reading the rules.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit(principal, action, resource);", "a rule has no @id"),
        ('@id("") permit(principal, action, resource);', "a rule has no @id"),
        (ANYTHING + ANYTHING, "the rule id 'anything' is used twice"),
        ('@id("x") @aprove("a") permit(principal, action, resource);', "x: unknown annotation @aprove"),
        (
            '@id("x") @approve("a") forbid(principal, action, resource);',
            "x: @approve, @quorum and @within stand together",
        ),
        (
            '@id("x") @approve("a") @quorum("1") forbid(principal, action, resource);',
            "x: @approve, @quorum and @within stand together",
        ),
        (
            '@id("x") @approve("a") @quorum("1") @within("PT1H") permit(principal, action, resource);',
            "x: @approve, @quorum and @within stand together, on a forbid",
        ),
        *(
            (
                f'@id("x") @approve("{role}") @quorum("{quorum}") @within("{within}")'
                " forbid(principal, action, resource);",
                "x: @approve (and @hand_on_to) is a role",
            )
            for role, quorum, within in (
                ("a", "two", "PT1H"),
                ("a", "0", "PT1H"),
                ("a", "-1", "PT1H"),
                ("a", "1", "soon"),
                ("a", "1", "PT0S"),
                ("", "1", "PT1H"),
            )
        ),
        ('@id("x") permit(principal, action, resource) when { context. };', "rules.cedar"),
        ('@id("x") permit(principal action, resource);', "rules.cedar"),
        ("nonsense", "rules.cedar"),
    ],
)
def test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(PolicyBroken) as broken:
        CedarRules({"good.cedar": "", "rules.cedar": text})
    assert "rules.cedar" in str(broken.value)
    assert said in str(broken.value)


def test_an_id_may_not_be_used_in_two_files() -> None:
    with pytest.raises(PolicyBroken, match=r"^b:1: anything: the rule id 'anything' is used twice, first at a:1"):
        CedarRules({"a": ANYTHING, "b": ANYTHING})


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyBroken, match=r"no \*\.cedar file in"):
        CedarRules.load([tmp_path])


def test_rules_of_an_outside_folder_stand_beside_ours_and_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "own.cedar").write_text('@id("own") permit(principal, action == Action::"own.tool", resource);')
    both = CedarRules.load([Path("policies").resolve(), tmp_path])
    assert both.rule(ask("own.tool")).effect is RulingEffect.PERMIT
    assert both.rule(credit(5001)).effect is RulingEffect.NEEDS_APPROVAL
    assert both.digest != OURS.digest


def test_the_same_rules_have_the_same_digest_in_whatever_order_files_are_found() -> None:
    one, other = {"a": ANYTHING, "b": SIGNED_BY_A_AND_B}, {"b": SIGNED_BY_A_AND_B, "a": ANYTHING}
    assert CedarRules(one).digest == CedarRules(other).digest
    assert CedarRules(one).digest != rules(ANYTHING).digest


# What is offered.


def possible(action: str, automation: str = "refund", effect_class: EffectClass = EffectClass.OPAQUE) -> bool:
    """Could some arguments and some approvals be permitted?"""
    return OURS.could_permit(_open(ask(action, automation=automation, effect_class=effect_class)))


def test_what_some_amount_or_some_signature_could_permit_may_be_offered() -> None:
    assert OURS.could_permit(_open(credit(0)))
    assert possible("mail.send_mail", "errand")  # once signed
    assert possible("orders.find_order", "anything", EffectClass.READ)


def test_what_can_never_be_permitted_is_not_offered() -> None:
    assert not OURS.could_permit(_open(credit(0, automation="errand")))
    assert not possible("payments.reverse_credit")
    assert not possible("payments.close_account")
    assert not possible("orders.find_order", "refund", EffectClass.OPAQUE)


def test_what_a_rule_forbids_whatever_the_arguments_is_not_offered() -> None:
    engine = rules(ANYTHING + '@id("no") forbid(principal, action == Action::"s.t", resource);')
    assert not engine.could_permit(ask("s.t"))
    assert engine.could_permit(ask("s.u"))


@pytest.mark.parametrize("asked", [{}, {"order_id": "A-17"}, {"order_id": "A-17", "limit_cents": 1}])
def test_a_rule_that_reads_what_was_asked_for_leaves_open_what_depends_on_arguments(
    asked: dict[str, JsonValue],
) -> None:
    for tool in ("payments.issue_credit", "orders.mark_refunded", "mail.confirm_refund"):
        assert OURS.could_permit(_open(ask(tool, schema=CREDIT_SCHEMA, request=asked)))


def test_what_depends_on_what_was_asked_for_alone_is_open_while_that_is_not_known() -> None:
    permits = rules('@id("r") permit(principal, action, resource) when { context.request has x && context.request.x };')
    forbids = rules(ANYTHING + '@id("r") forbid(principal, action, resource) unless { context.request has x };')
    for engine in (permits, forbids):
        assert engine.could_permit(ask("s.t", request={}))
        assert engine.could_permit(ask("s.t", request={"x": True}))
        assert not engine.could_permit(ask("s.t", request={"y": True}))


def test_whatever_is_permitted_could_be_permitted() -> None:
    chance = random.Random(11)
    for _ in range(400):
        question = some_question(chance)
        if question.purpose is Purpose.FORWARD and OURS.rule(question).effect is not RulingEffect.FORBID:
            assert OURS.could_permit(_open(question)), question


def _open(question: PolicyQuestion) -> PolicyQuestion:
    return question.model_copy(update={"arguments": {}, "approvals": {}})


def _our_text() -> str:
    return "\n".join(path.read_text() for path in sorted(Path("policies").glob("*.cedar")))


def test_the_allowing_rule_of_a_compensation_permits_compensations_only() -> None:
    rule = allowing_rule(ask("crm.drop_note", purpose=Purpose.COMPENSATION))
    assert 'context.purpose == "compensation"' in rule

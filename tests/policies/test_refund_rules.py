"""The rules of finance: who signs a credit of which size, and what may be undone."""

import random
from dataclasses import dataclass
from datetime import timedelta

import pytest

from contracts.policy import RulingEffect
from contracts.tools import EffectClass, Purpose
from policies.engine import PolicyQuestion
from tests.policies.questions import CREDIT_SCHEMA, OURS, ask, credit

PERMIT, ASK, FORBID = RulingEffect.PERMIT, RulingEffect.NEEDS_APPROVAL, RulingEffect.FORBID


@pytest.mark.parametrize(
    ("cents", "signed", "effect"),
    [
        (1, 0, PERMIT),
        (5000, 0, PERMIT),
        (5001, 0, ASK),
        (5001, 1, PERMIT),
        (100_000, 0, ASK),
        (100_000, 1, PERMIT),
        (100_001, 0, ASK),
        (100_001, 1, ASK),
        (100_001, 2, PERMIT),
        (500_000, 1, ASK),
        (500_000, 2, PERMIT),
        (500_001, 0, FORBID),
        (500_001, 2, FORBID),
        (500_001, 1_000_000, FORBID),
        (2**53 - 1, 2, FORBID),
    ],
)
def test_the_size_of_a_credit_says_how_many_must_sign(cents: int, signed: int, effect: RulingEffect) -> None:
    assert OURS.rule(credit(cents, signed)).effect is effect


def test_what_people_must_do_is_read_off_the_rule_that_asks() -> None:
    small, large = OURS.rule(credit(5001)), OURS.rule(credit(100_001))
    (one,), (two,) = small.obligations, large.obligations
    assert (one.role, one.quorum, one.within, one.rule_id) == (
        "finance_manager",
        1,
        timedelta(hours=48),
        "refund-over-50",
    )
    assert (two.role, two.quorum, two.within, two.rule_id) == (
        "finance_manager",
        2,
        timedelta(hours=24),
        "refund-over-1000",
    )
    assert small.rule_ids == ("refund-over-50",)
    assert small.reason == "people must approve: 1 as finance_manager"
    assert small.policy_digest == OURS.digest


@pytest.mark.parametrize("cents", [5001, 100_000, 100_001, 500_000])
def test_fulfilling_exactly_the_obligations_is_enough_and_one_person_less_is_not(cents: int) -> None:
    (obligation,) = OURS.rule(credit(cents)).obligations
    assert OURS.rule(credit(cents, obligation.quorum)).effect is PERMIT
    assert OURS.rule(credit(cents, obligation.quorum - 1)).effect is ASK


def test_signatures_of_another_role_do_not_count() -> None:
    signed = credit(5001).model_copy(update={"approvals": {"support_lead": 9, "nobody": 9}})
    assert OURS.rule(signed).effect is ASK


def test_a_credit_is_not_for_other_automations() -> None:
    ruling = OURS.rule(credit(1, automation="errand"))
    assert (ruling.effect, ruling.reason) == (FORBID, "no rule permits payments.issue_credit in errand")


@pytest.mark.parametrize("tool", ["payments.reverse_credit", "orders.unmark_refunded"])
def test_an_undo_needs_both_the_purpose_and_something_this_run_has_sent(tool: str) -> None:
    def undo(purpose: Purpose, undoes: bool) -> RulingEffect:
        return OURS.rule(ask(tool, purpose=purpose, undoes=undoes)).effect

    assert undo(Purpose.COMPENSATION, True) is PERMIT
    assert undo(Purpose.COMPENSATION, False) is FORBID
    assert undo(Purpose.FORWARD, True) is FORBID
    assert undo(Purpose.FORWARD, False) is FORBID


# Everything the rules say of refunds, said once more in Python by somebody who did not read the Cedar text twice.


@dataclass(frozen=True)
class Expected:
    """What should come out."""

    effect: RulingEffect
    rule_ids: tuple[str, ...] = ()


FOR_REFUND = {
    "payments.issue_credit": "refund-credit",
    "orders.mark_refunded": "refund-mark-order",
    "mail.send_mail": "refund-tell-customer",
}
UNDOING = {"payments.reverse_credit": "refund-undo-credit", "orders.unmark_refunded": "refund-undo-mark"}
FOR_ERRAND = {"crm.add_note": "errand-note", "mail.send_mail": "errand-mail"}


def oracle(question: PolicyQuestion) -> Expected:
    """The expected ruling: first what forbids, then what permits."""
    action = f"{question.server}.{question.tool}"
    permits = tuple(sorted(_permits(question, action)))
    asks, never = _objections(question, action)
    if never:
        return Expected(FORBID, never)
    if asks:
        return Expected(ASK if permits else FORBID, asks)
    return Expected(PERMIT, permits) if permits else Expected(FORBID)


def _permits(question: PolicyQuestion, action: str) -> set[str]:
    found = {"reading"} if question.effect_class is EffectClass.READ else set()
    if question.automation == "refund":
        found |= {FOR_REFUND[action]} if action in FOR_REFUND else set()
    if question.automation == "errand":
        found |= {FOR_ERRAND[action]} if action in FOR_ERRAND else set()
    if question.purpose is Purpose.COMPENSATION and question.undoes_recorded_effect:
        found |= {UNDOING[action]} if action in UNDOING else set()
    return found


def _objections(question: PolicyQuestion, action: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    signed = question.approvals.get
    if action == "payments.issue_credit":
        cents = question.arguments["cents"]
        assert isinstance(cents, int)
        if cents > 500_000:
            return (), ("refund-over-5000",)
        if cents > 100_000 and signed("finance_manager", 0) < 2:
            return ("refund-over-1000",), ()
        if 5_000 < cents <= 100_000 and signed("finance_manager", 0) < 1:
            return ("refund-over-50",), ()
    if action == "mail.send_mail" and question.automation == "errand" and signed("support_lead", 0) < 1:
        return ("errand-mail-signed",), ()
    return (), ()


def some_question(chance: random.Random) -> PolicyQuestion:
    """Any question, amounts mostly near a boundary."""
    edges = [0, 1, 4999, 5000, 5001, 99_999, 100_000, 100_001, 499_999, 500_000, 500_001, 10**9, -5001]
    actions = [*FOR_REFUND, *UNDOING, *FOR_ERRAND, "payments.issue_credit", "payments.close_account"]
    approvals = {role: chance.randrange(4) for role in ("finance_manager", "support_lead") if chance.random() < 0.6}
    return ask(
        chance.choice(actions),
        automation=chance.choice(["refund", "refund", "errand", "payroll"]),
        arguments={"order_id": "A-17", "cents": chance.choice([*edges, chance.randrange(600_000)])},
        schema=CREDIT_SCHEMA,
        approvals=approvals,
        purpose=chance.choice(list(Purpose)),
        effect_class=chance.choice(list(EffectClass)),
        undoes=chance.random() < 0.5,
    )


def test_five_thousand_random_questions_are_ruled_on_as_the_oracle_says() -> None:
    chance = random.Random(20261120)
    seen: dict[RulingEffect, int] = dict.fromkeys(RulingEffect, 0)
    for _ in range(5_000):
        question = some_question(chance)
        ruling = OURS.rule(question)
        assert Expected(ruling.effect, ruling.rule_ids) == oracle(question), question
        seen[ruling.effect] += 1
    assert min(seen.values()) > 300, f"the questions are too much alike: {seen}"

"""The rules of finance: who signs a credit of which size, and what may be undone."""

from datetime import timedelta

import pytest

from contracts.policy import RulingEffect
from contracts.tools import Purpose
from tests.policies.questions import OURS, ask, credit

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

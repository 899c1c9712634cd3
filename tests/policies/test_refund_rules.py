"""The rules of finance: who signs a credit of which size, and what may be undone."""

from datetime import timedelta

import pytest
from pydantic import JsonValue

from contracts.policy import RulingEffect
from contracts.tools import Purpose
from tests.policies.questions import ASKED, CREDIT_SCHEMA, OURS, ask, credit

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
        given: dict[str, JsonValue] = {"order_id": "A-17", "cents": 100}
        question = ask(tool, arguments=given, schema=CREDIT_SCHEMA, purpose=purpose, undoes=undoes)
        return OURS.rule(question).effect

    assert undo(Purpose.COMPENSATION, True) is PERMIT
    assert undo(Purpose.COMPENSATION, False) is FORBID
    assert undo(Purpose.FORWARD, True) is FORBID
    assert undo(Purpose.FORWARD, False) is FORBID


# What was asked for.


def of_order(tool: str, order: str, undoing: bool = False) -> RulingEffect:
    """May this be done to an order by a refund that was asked for A-17?"""
    question = ask(
        tool,
        arguments={"order_id": order, "cents": 100},
        schema=CREDIT_SCHEMA,
        purpose=Purpose.COMPENSATION if undoing else Purpose.FORWARD,
        undoes=undoing,
    )
    return OURS.rule(question).effect


@pytest.mark.parametrize(
    ("tool", "undoing"),
    [
        ("payments.issue_credit", False),
        ("orders.mark_refunded", False),
        ("mail.confirm_refund", False),
        ("payments.reverse_credit", True),
        ("orders.unmark_refunded", True),
    ],
)
def test_a_refund_touches_the_order_that_was_asked_for_and_no_other(tool: str, undoing: bool) -> None:
    assert of_order(tool, "A-17", undoing) is PERMIT
    assert of_order(tool, "Z-99", undoing) is FORBID


@pytest.mark.parametrize(
    ("limit", "cents", "signed", "effect"),
    [
        (4000, 4000, 0, PERMIT),
        (4000, 4001, 0, FORBID),
        (4000, 9000, 2, FORBID),
        (9000, 9000, 0, ASK),
        (9000, 9000, 1, PERMIT),
        (None, 9000, 1, PERMIT),
        ("4000", 4000, 0, FORBID),
    ],
)
def test_no_signature_makes_a_credit_larger_than_what_was_asked_for(
    limit: JsonValue, cents: int, signed: int, effect: RulingEffect
) -> None:
    asked = credit(cents, signed).model_copy(update={"request": {**ASKED, "limit_cents": limit}})
    assert OURS.rule(asked).effect is effect

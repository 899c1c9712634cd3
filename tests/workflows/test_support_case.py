"""What makes a support escalation an exception: bounds, claims, lapsed and broken promises; plain calls."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.canonical import digest
from contracts.runs import StartStatement
from tests.workflows.support_world import BOUND, CREDITED, EXPLAINED, NOOR, REPLACED
from workflows.support_escalation import Proposal, SupportCase, SupportRequest
from workflows.support_escalation.case import OrderFacts, amounts_in

TODAY = date(2026, 12, 1)


def case(limit_cents: int = 5000, refunded_cents: int = 0) -> SupportCase:
    """A ticket about an order over 98.00, for which at most `limit_cents` are asked."""
    request = SupportRequest.model_validate(NOOR | {"limit_cents": limit_cents})
    start = StartStatement(
        requester="rita",
        automation="support_escalation",
        business_key=request.ticket,
        input_digest=digest(request.model_dump(mode="json")),
        issued_at=datetime(2026, 12, 1, tzinfo=UTC),
    )
    order = OrderFacts(total_cents=9800, refunded_cents=refunded_cents, currency="EUR")
    return SupportCase(request=request, start=start, order=order)


def doubts(proposal: dict[str, Any], **about: int) -> str:
    """Why a person has to look at it."""
    return case(**about).exceptions_to(Proposal.model_validate(proposal), TODAY)


@pytest.mark.parametrize("proposal", [EXPLAINED, CREDITED, CREDITED | {"promises": [], "cents": 5000}])
def test_what_is_in_bounds_and_keeps_its_promises_needs_nobody(proposal: dict[str, Any]) -> None:
    assert doubts(proposal) == ""


@pytest.mark.parametrize(
    ("proposal", "about", "said"),
    [
        (CREDITED, {"limit_cents": 1999}, "20.00 EUR is more than the 19.99 EUR that were asked for"),
        (CREDITED, {"refunded_cents": 7801}, "20.00 EUR is more than the 19.99 EUR that are left of the order"),
        (CREDITED | {"cents": 0, "promises": []}, {}, "it gives 0.00 EUR"),
        (REPLACED | {"sku": "", "promises": []}, {"limit_cents": 5500}, "it names no item"),
        (EXPLAINED | {"escalate": True}, {}, f"Claude asks for a person: {EXPLAINED['reason']}"),
    ],
)
def test_what_is_out_of_bounds_is_an_exception(proposal: dict[str, Any], about: dict[str, int], said: str) -> None:
    assert doubts(proposal, **about) == said


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        ({"note_id": None}, "a promise is claimed that no note tells of: 'Promised her a credit of 20.00 EUR'"),
        ({"until": "2026-11-30"}, "the promise of note 2 has lapsed on 2026-11-30"),
        ({"words": "a credit of 200.00 EUR"}, "the words of note 2 do not name 20.00: 'a credit of 200.00 EUR'"),
        ({"words": "a credit by 2000-01-20"}, "the words of note 2 do not name 20.00: 'a credit by 2000-01-20'"),
    ],
)
def test_a_promise_that_is_claimed_lapsed_or_another_one_is_an_exception(promise: dict[str, Any], said: str) -> None:
    assert doubts(CREDITED | {"promises": [BOUND | promise]}) == said


@pytest.mark.parametrize("until", [None, "2026-12-01", "2026-12-15"])
def test_a_promise_binds_until_the_end_of_its_last_day(until: str | None) -> None:
    assert doubts(CREDITED | {"promises": [BOUND | {"until": until}]}) == ""


@pytest.mark.parametrize("proposal", [EXPLAINED, CREDITED | {"cents": 1999}, REPLACED | {"cents": 4000}])
def test_less_than_was_promised_is_given_only_by_a_person(proposal: dict[str, Any]) -> None:
    given = 1999 if proposal["resolution"] == "credit" else 0
    said = f"note 2 promises 20.00 EUR, it credits {given / 100:.2f} EUR"
    assert doubts(proposal | {"promises": [BOUND]}) == said


@pytest.mark.parametrize(
    ("words", "cents"),
    [
        ("a credit of 20.00 EUR", {2000}),
        ("20 euros, or 15,50 in goods", {2000, 1550}),
        ("20.00. Until 2026-12-15.", {2000}),
        ("order A-26 of 2026-11-02", set()),
        ("20.5 percent", set()),
    ],
)
def test_amounts_are_read_as_people_write_them_and_dates_are_none(words: str, cents: set[int]) -> None:
    assert amounts_in(words) == cents

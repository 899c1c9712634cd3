"""What asks the same: equal amounts by the same tool, or the very same arguments."""

from typing import Any

import pytest

from activities.alike import Alike, alike_of
from contracts.canonical import canonical_json
from contracts.tools import Action


def action(tool: str = "issue_credit", **arguments: Any) -> bytes:
    """An action as it is stored."""
    called = Action(server="payments", tool=tool, pin="p", arguments=arguments, step="s", key="k")
    return canonical_json(called)


def told(stored: bytes) -> Alike:
    found = alike_of(stored)
    assert found is not None
    return found


def test_equal_amounts_for_different_cases_are_alike() -> None:
    one = told(action(cents=999, currency="EUR", order_id="A-1", reference="refund/A-1"))
    other = told(action(cents=999, currency="EUR", order_id="A-2", reference="refund/A-2"))
    assert one == other
    assert (one.tool, one.cents, one.currency) == ("payments.issue_credit", 999, "EUR")


@pytest.mark.parametrize(
    "different",
    [
        action(cents=998, currency="EUR"),
        action(cents=999, currency="USD"),
        action(cents=999),
        action("reverse_credit", cents=999, currency="EUR"),
    ],
    ids=["amount", "currency", "no currency", "tool"],
)
def test_another_amount_currency_or_tool_is_not_alike(different: bytes) -> None:
    assert told(action(cents=999, currency="EUR")).digest != told(different).digest


def test_without_an_amount_only_the_very_same_arguments_are_alike() -> None:
    mail = action("send", to="a@example.com", body="hello")
    assert told(mail) == told(action("send", body="hello", to="a@example.com"))
    assert told(mail).digest != told(action("send", to="b@example.com", body="hello")).digest
    assert told(mail).cents is None


@pytest.mark.parametrize("cents", [True, "999", 9.5, None, [999]])
def test_only_an_integer_is_an_amount(cents: Any) -> None:
    assert told(action(cents=cents)).cents is None


def test_a_currency_that_is_none_is_left_out_of_what_is_shown() -> None:
    assert told(action(cents=999, currency="EUR\x1b[2J")).currency == ""


@pytest.mark.parametrize("stored", [None, b"", b"not JSON", b"{}"])
def test_what_is_not_about_a_call_is_like_nothing(stored: bytes | None) -> None:
    assert alike_of(stored) is None

"""The stop button as a statement: it names what it stops, or it is none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.freezing import Freeze, FreezeScope
from tests.authority import Signer

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
OLGA = Signer("olga", ("operator",))
CALL = ("refund", "payments", "issue_credit")


@pytest.mark.parametrize(
    ("scope", "target", "problem"),
    [
        (FreezeScope.ALL, "payments", "cannot name 'payments'"),
        (FreezeScope.SERVER, "", "cannot name ''"),
        (FreezeScope.AUTOMATION, "", "cannot name ''"),
        (FreezeScope.TOOL, "payments", "names no tool; write SERVER.TOOL"),
        (FreezeScope.TOOL, "payments.", "names no tool"),
        (FreezeScope.TOOL, ".issue_credit", "names no tool"),
        (FreezeScope.SERVER, "x" * 301, "at most 300"),
    ],
)
def test_a_freeze_that_does_not_say_what_it_stops_is_none(scope: FreezeScope, target: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Freeze.model_validate(OLGA.freezes("here", NINE).model_dump() | {"scope": scope, "target": target})


@pytest.mark.parametrize(
    "changes", [{"reason": ""}, {"reason": "x" * 301}, {"nonce": "short"}, {"nonce": "n" * 16 + "\n"}]
)
def test_a_freeze_says_why_and_has_a_name_of_its_own(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Freeze.model_validate(OLGA.freezes("here", NINE).model_dump() | changes)


def test_the_short_name_comes_from_the_nonce_alone() -> None:
    first, again = OLGA.freezes("here", NINE, nonce="n" * 16), OLGA.freezes("there", NINE, nonce="n" * 16)

    assert first.id == again.id == "f-c37981c1"
    assert OLGA.freezes("here", NINE).id != OLGA.freezes("here", NINE).id

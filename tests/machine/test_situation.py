"""What Claude is told of a run: the facts and the last decisions, short and few whatever the run has gone through."""

from datetime import UTC, datetime

from contracts.decisions import DecidedRequest
from workflows.machine.situation import MOST_CHARACTERS, MOST_NAMES, bounded

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def decided(number: int, outcome: str = "approved", by: str = "dana") -> DecidedRequest:
    """What became of a request."""
    return DecidedRequest(id=f"errand/x#{number}", outcome=outcome, by=by, at=NOW)


def test_facts_come_first_and_decisions_say_who_decided_what() -> None:
    situation = bounded({"goal": "Answer Dana."}, [decided(1), decided(2, "expired", by="")])

    assert list(situation.items()) == [
        ("goal", "Answer Dana."),
        ("errand/x#1", "approved by dana"),
        ("errand/x#2", "expired"),
    ]


def test_a_long_text_is_cut() -> None:
    assert bounded({"goal": "x" * 5000}, []) == {"goal": "x" * MOST_CHARACTERS}


def test_of_many_facts_and_decisions_the_first_facts_and_the_last_decisions_are_told() -> None:
    facts = {f"fact {number}": "known" for number in range(40)}
    situation = list(bounded(facts, [decided(number) for number in range(1, 21)]))

    assert len(situation) == MOST_NAMES
    assert situation[:15] == [f"fact {number}" for number in range(15)]
    assert situation[15:] == [f"errand/x#{number}" for number in range(16, 21)]


def test_few_facts_leave_room_for_more_decisions() -> None:
    situation = list(bounded({"goal": "Answer Dana."}, [decided(number) for number in range(1, 31)]))

    assert situation == ["goal", *(f"errand/x#{number}" for number in range(12, 31))]

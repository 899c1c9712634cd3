"""What people see of a roster before they sign it: every difference, whole."""

from datetime import timedelta

import pytest

from cli.roster_changes import changes
from cli.roster_view import from_file, lines
from contracts.roster import Absence, Delegation, Person, Roster
from tests.contracts.test_roster import DAY, NOW, a_key

ERIN = Person(subject="erin")


def roster(*people: Person, **facts: object) -> Roster:
    return Roster.model_validate({"people": (ERIN, *people), **facts})


def test_of_somebody_new_everything_that_is_signed_is_shown() -> None:
    fred = Person(
        subject="fred",
        name="Fred",
        mail="fred@example.com",
        aliases=("f.doe",),
        roles=("operator",),
        break_glass=("roster_admin",),
        valid_from=NOW,
        valid_until=NOW + DAY,
        service=True,
    )

    assert list(changes(roster(), roster(fred))) == [
        "+ fred, a service",
        "+ fred: name 'Fred'",
        "+ fred: mail 'fred@example.com'",
        "+ fred: valid_from 2026-11-25T09:00:00.000Z",
        "+ fred: valid_until 2026-11-26T09:00:00.000Z",
        "+ fred: roles operator",
        "+ fred: break glass roster_admin",
        "+ fred: aliases f.doe",
    ]


def test_a_difference_at_the_end_of_a_long_value_is_shown() -> None:
    long = "x" * 150
    before, after = Person(subject="fred", name=f"{long}a"), Person(subject="fred", name=f"{long}b")

    assert list(changes(roster(before), roster(after))) == [f"~ fred: name '{long}a' -> '{long}b'"]


def test_what_is_given_up_or_set_is_told_with_both_values() -> None:
    before = Person(subject="fred", mail="fred@example.com", valid_until=NOW)
    after = Person(subject="fred", valid_until=NOW + timedelta(milliseconds=1), service=True)

    assert list(changes(roster(before), roster(after))) == [
        "~ fred: mail 'fred@example.com' -> none",
        "~ fred: valid_until 2026-11-25T09:00:00.000Z -> 2026-11-25T09:00:00.001Z",
        "~ fred: service no -> yes",
    ]


def test_a_key_that_counts_a_moment_longer_or_again_is_told() -> None:
    key, other = a_key(), a_key(revoked_at=NOW)
    later = key.model_copy(update={"valid_until": key.valid_until + timedelta(seconds=1)})
    again = other.model_copy(update={"revoked_at": None})
    before = Person(subject="fred", keys=(key, other))
    longer, unrevoked = changes(roster(before), roster(before.model_copy(update={"keys": (later, again)})))

    assert longer.startswith(f"~ fred: key {key.key_id} from ")
    assert longer.count(" until ") == 2
    assert ", revoked at 2026-11-25T09:00:00.000Z -> from " in unrevoked


PARTS: dict[str, dict[str, object]] = {
    "delegation": {
        "delegations": (
            Delegation(
                delegator="erin", delegate="erin", roles=("clerk",), valid_from=NOW, valid_until=NOW, reason="why not"
            ),
        )
    },
    "absence": {"absences": (Absence(subject="erin", valid_from=NOW, valid_until=NOW),)},
    "owners": {"owners": {"refund": ("erin",)}},
    "decisions_per_hour": {"decisions_per_hour": 5},
    "v": {"v": 2},
}


@pytest.mark.parametrize("part", PARTS)
def test_every_other_part_of_a_roster_is_told_when_it_changes(part: str) -> None:
    [line] = changes(roster(), roster(**PARTS[part]))

    assert line.startswith((f"+ {part} ", f"~ {part}: "))


def test_another_order_is_told_too_since_it_is_signed() -> None:
    fred = Person(subject="fred")

    assert list(changes(Roster(people=(ERIN, fred)), Roster(people=(fred, ERIN)))) == [
        "~ only the order is another, or how often something stands there"
    ]
    assert list(changes(roster(fred), roster(fred))) == []


def test_the_list_shows_where_notices_go_other_names_and_how_long_somebody_is_entitled() -> None:
    fred = Person(subject="fred", mail="fred@example.com", aliases=("f.doe", "f.d"), valid_from=NOW)
    shown = list(lines(from_file(Roster(people=(fred,))), NOW))

    assert shown[1:3] == ["  mail: fred@example.com", "  asks also as: f.doe, f.d"]
    assert shown[3].startswith("  entitled from 2026-11-25 ")

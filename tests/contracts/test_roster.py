"""The roster: one person is one person whatever they call themselves, and roles are lent no further than agreed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from contracts.roster import (
    LONGEST_CHAIN,
    Absence,
    Delegation,
    Holding,
    Person,
    PublicKey,
    Roster,
    canonical_name,
)
from contracts.signing import key_id_of, public_half

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ROLE = "finance_manager"


def a_key(**changes: Any) -> PublicKey:
    public = public_half(Ed25519PrivateKey.generate())
    named = {"key_id": key_id_of(public), "public": public, "valid_from": NOW - DAY, "valid_until": NOW + DAY}
    return PublicKey.model_validate(named | changes)


def lends(delegator: str, delegate: str, **changes: Any) -> Delegation:
    named = {"roles": (ROLE,), "valid_from": NOW - DAY, "valid_until": NOW + DAY, "reason": "holidays"}
    return Delegation.model_validate(named | {"delegator": delegator, "delegate": delegate} | changes)


def a_chain(length: int) -> Roster:
    """p0 holds the role and lends it to p1, who lends it to p2 ..."""
    people = tuple(Person(subject=f"p{number}", roles=(ROLE,) if number == 0 else ()) for number in range(length + 1))
    return Roster(people=people, delegations=tuple(lends(f"p{n}", f"p{n + 1}") for n in range(length)))


def test_a_key_must_carry_the_name_of_its_public_half() -> None:
    with pytest.raises(ValidationError, match="is not the name of this public key; it is 'k-"):
        a_key(key_id="k-" + "0" * 32)


@pytest.mark.parametrize("key_id", ["", "k-", "k-" + "0" * 31, "k-" + "0" * 33, "K-" + "0" * 32, "k-" + "A" * 32])
def test_a_key_id_has_one_form(key_id: str) -> None:
    with pytest.raises(ValidationError, match="key_id"):
        a_key(key_id=key_id)


def test_a_key_that_would_be_over_before_it_begins_is_refused() -> None:
    with pytest.raises(ValidationError, match="would be over before it begins"):
        a_key(valid_until=NOW - DAY)


def test_a_key_counts_within_its_time_and_never_once_it_was_revoked() -> None:
    key = a_key()

    assert key.problem_at(key.valid_from) == ""
    assert "counts from" in key.problem_at(key.valid_from - timedelta(milliseconds=1))
    assert "counts from" in key.problem_at(key.valid_until)
    revoked = a_key(revoked_at=NOW)
    for when in (NOW - DAY, NOW, NOW + timedelta(seconds=1)):
        assert "was revoked at 2026-11-25 09:00:00 UTC" in revoked.problem_at(when)


@pytest.mark.parametrize(
    "subject", ["Dana", "dána", "dana doe", "", "-dana", "дana", "dana\n", "x" * 121, "dana\u200b"]
)
def test_no_two_subjects_can_look_alike(subject: str) -> None:
    with pytest.raises(ValidationError, match="subject"):
        Person(subject=subject)


@pytest.mark.parametrize("role", ["The Boss", "boss!", "", "1st", "Boss", "x" * 61, "boss\n"])
@pytest.mark.parametrize("field", ["roles", "break_glass"])
def test_roles_have_plain_names(field: str, role: str) -> None:
    with pytest.raises(ValidationError, match="is no name of a role"):
        Person.model_validate({"subject": "dana", field: (role,)})


@pytest.mark.parametrize(
    "mail",
    [
        "notanaddress", "a@b.c\nBcc: x@y.z", "a@b.c\n", "a b@c.d", "a@b@c", "@b.c", "a@", "a@b..c", "Dana <a@b.c>",
        "a@b.c, x@y.z", "a@b.c\0", "dána@b.c",
    ],
)  # fmt: skip
def test_mail_goes_to_one_plain_address(mail: str) -> None:
    with pytest.raises(ValidationError, match=r"mail\n.*is not one plain mail address; write it like"):
        Person(subject="dana", mail=mail)


@pytest.mark.parametrize("mail", ["", "dana@example.com", "dana.doe+notices@localhost", "x'y@mail.example.com"])
def test_a_plain_address_or_none_at_all_will_do(mail: str) -> None:
    assert Person(subject="dana", mail=mail).mail == mail


@pytest.mark.parametrize("name", ["Dana\nErin", "\x1b[2J", "Dana\u202eenad", "Dana\u200b", "Dana\u2028Erin"])
@pytest.mark.parametrize("field", ["name", "aliases"])
def test_names_show_on_one_line(field: str, name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{field}\n.*does not show on one line"):
        Person.model_validate({"subject": "dana", field: name if field == "name" else (name,)})


def test_an_alias_is_not_blank() -> None:
    with pytest.raises(ValidationError, match="' ' is no name; leave it away"):
        Person(subject="dana", aliases=(" ",))


@pytest.mark.parametrize(
    "name",
    ["dana", "DANA", " Dana\n", "\uff24\uff21\uff2e\uff21", "Dana.Doe@Example.com", "Strasse", "STRA\u00dfE", "ﬁona"],
)
def test_one_person_is_found_under_every_spelling_of_their_names(name: str) -> None:
    dana = Person(subject="dana", aliases=("dana.doe@example.com", "Stra\u00dfe", "Fiona"))
    roster = Roster(people=(dana, Person(subject="erin")))

    assert roster.person(name) == dana
    assert roster.subject_of(name) == "dana"


def test_strangers_keep_their_name_in_canonical_form() -> None:
    assert Roster().person("Zoe") is None
    assert Roster().subject_of(" ZOE ") == canonical_name("zoe") == "zoe"


@pytest.mark.parametrize("alias", ["erin", "ERIN", "\uff45rin", " erin "])
def test_a_name_belongs_to_one_person_in_whatever_spelling(alias: str) -> None:
    with pytest.raises(ValidationError, match="the name 'erin' belongs to two people; a quorum counts people"):
        Roster(people=(Person(subject="dana", aliases=(alias,)), Person(subject="erin")))


def test_a_subject_stands_once() -> None:
    with pytest.raises(ValidationError, match="the name 'dana' belongs to two people"):
        Roster(people=(Person(subject="dana"), Person(subject="dana")))


def test_a_key_belongs_to_one_person() -> None:
    key = a_key()

    with pytest.raises(ValidationError, match=r"the key .* belongs to two people"):
        Roster(people=(Person(subject="dana", keys=(key,)), Person(subject="erin", keys=(key,))))
    roster = Roster(people=(Person(subject="dana", keys=(key,)), Person(subject="erin", keys=(a_key(),))))
    assert roster.owner_of_key(key.key_id) == (roster.people[0], key)
    assert roster.owner_of_key("k-" + "0" * 32) is None


@pytest.mark.parametrize(
    "mention",
    [
        {"delegations": (lends("zoe", "dana"),)},
        {"delegations": (lends("dana", "zoe"),)},
        {"absences": (Absence(subject="zoe", valid_from=NOW, valid_until=NOW + DAY),)},
        {"owners": {"refund": ("zoe",)}},
    ],
)
def test_whoever_is_mentioned_is_in_the_roster(mention: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="'zoe' is mentioned but is nobody of this roster; enrol them first"):
        Roster.model_validate({"people": (Person(subject="dana"),), **mention})


def test_a_role_is_ones_own_or_lent_with_the_chain_told() -> None:
    roster = a_chain(2)

    assert roster.holdings("p0", NOW) == (Holding(role=ROLE),)
    assert roster.holdings("p1", NOW) == (Holding(role=ROLE, chain=("p0",)),)
    assert roster.holdings("p2", NOW) == (Holding(role=ROLE, chain=("p1", "p0")),)
    assert roster.roles_of("P2", NOW) == (ROLE,)


def test_only_the_roles_that_were_lent_are_held() -> None:
    people = (Person(subject="dana", roles=(ROLE, "operator")), Person(subject="erin", roles=("clerk",)))
    roster = Roster(people=people, delegations=(lends("dana", "erin"),))

    assert roster.roles_of("erin", NOW) == ("clerk", ROLE)


def test_what_somebody_does_not_hold_they_cannot_lend() -> None:
    roster = Roster(people=(Person(subject="dana"), Person(subject="erin")), delegations=(lends("dana", "erin"),))

    assert roster.roles_of("erin", NOW) == ()


def test_a_delegation_counts_within_its_time() -> None:
    roster = a_chain(1)

    assert roster.roles_of("p1", NOW - DAY) == (ROLE,)
    assert roster.roles_of("p1", NOW - DAY - timedelta(milliseconds=1)) == ()
    assert roster.roles_of("p1", NOW + DAY) == ()


def test_a_link_that_has_ended_breaks_the_chain() -> None:
    roster = a_chain(3)
    ended = (roster.delegations[0], lends("p1", "p2", valid_until=NOW), roster.delegations[2])
    broken = roster.model_copy(update={"delegations": ended})

    assert [broken.roles_of(f"p{number}", NOW) for number in range(4)] == [(ROLE,), (ROLE,), (), ()]


def test_whoever_is_no_longer_entitled_lends_nothing() -> None:
    roster = a_chain(2)
    left = roster.people[1].model_copy(update={"valid_until": NOW})
    without = roster.model_copy(update={"people": (roster.people[0], left, roster.people[2])})

    assert without.holdings("p1", NOW) == without.holdings("p2", NOW) == ()
    assert without.with_role(ROLE, NOW) == (roster.people[0],)


def test_a_chain_ends_at_its_greatest_length() -> None:
    roster = a_chain(LONGEST_CHAIN + 1)

    assert roster.roles_of(f"p{LONGEST_CHAIN}", NOW) == (ROLE,)
    assert roster.roles_of(f"p{LONGEST_CHAIN + 1}", NOW) == ()


def test_a_circle_of_delegations_comes_to_an_end_and_creates_nothing() -> None:
    people = tuple(Person(subject=name) for name in ("dana", "erin", "fred"))
    circle = (lends("dana", "erin"), lends("erin", "fred"), lends("fred", "dana"), lends("dana", "dana"))
    roster = Roster(people=people, delegations=circle)

    assert [roster.holdings(person.subject, NOW) for person in people] == [(), (), ()]


def test_in_a_circle_nobody_is_lent_their_own_role() -> None:
    people = (Person(subject="dana", roles=(ROLE,)), Person(subject="erin"))
    roster = Roster(people=people, delegations=(lends("dana", "erin"), lends("erin", "dana")))

    assert roster.holdings("dana", NOW) == (Holding(role=ROLE),)
    assert roster.holdings("erin", NOW) == (Holding(role=ROLE, chain=("dana",)),)


def test_who_is_away_or_a_service_is_not_asked() -> None:
    people = (
        Person(subject="dana", roles=(ROLE,)),
        Person(subject="robot", roles=(ROLE,), service=True),
        Person(subject="erin", roles=(ROLE,)),
    )
    away = Absence(subject="dana", valid_from=NOW, valid_until=NOW + DAY)
    roster = Roster(people=people, absences=(away,))

    assert [person.subject for person in roster.with_role(ROLE, NOW)] == ["erin"]
    assert [person.subject for person in roster.with_role(ROLE, NOW + DAY)] == ["dana", "erin"]
    assert roster.is_absent("dana", NOW) == away
    assert roster.is_absent("dana", NOW - timedelta(milliseconds=1)) is None


def test_a_role_for_emergencies_is_not_held_otherwise() -> None:
    roster = Roster(people=(Person(subject="dana", break_glass=("operator",)),))

    assert roster.holdings("dana", NOW) == ()

"""The roster file: what people write is understood or refused by its place, and what they wrote is kept."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.exits import Refused, WrongInput
from cli.roster_file import RosterFile
from contracts.roster import Absence, Delegation, Person, PublicKey
from contracts.signing import key_id_of, public_half

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
WRITTEN = """\
# our people
decisions_per_hour = 5   # a slow team

[people.dana]      # head of finance
roles = [
  "finance_manager",  # since 2024
]

[people.erin]
name = "Erin"

[owners]
refund = ["erin"]
"""


def a_public_key() -> PublicKey:
    public = public_half(Ed25519PrivateKey.generate())
    return PublicKey(key_id=key_id_of(public), public=public, valid_from=NOW, valid_until=LATER)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A roster that people have written."""
    file = tmp_path / "approvers.toml"
    file.write_text(WRITTEN)
    return file


def test_what_people_write_becomes_the_roster(path: Path) -> None:
    roster = RosterFile.read(path).roster

    assert [person.subject for person in roster.people] == ["dana", "erin"]
    assert roster.people[0].roles == ("finance_manager",)
    assert (roster.owners, roster.decisions_per_hour) == ({"refund": ("erin",)}, 5)


def test_every_edit_keeps_the_lines_that_people_wrote(path: Path) -> None:
    key = a_public_key()
    file = RosterFile.read(path)
    file.enter(Person(subject="dana", roles=("roster_admin",), mail="dana@example.com"), key)
    file.enter(Person(subject="fred@example.com", roles=("operator",)), a_public_key())
    file.revoke("dana", [key.key_id], NOW, "stolen\nkeys = [] # \x1b[2J")
    file.delegate(
        Delegation(
            delegator="dana",
            delegate="erin",
            roles=("finance_manager",),
            valid_from=NOW,
            valid_until=LATER,
            reason="holidays",
        )
    )
    file.absent(Absence(subject="dana", valid_from=NOW, valid_until=LATER))
    edited = file.roster
    file.save()

    text = path.read_text()
    for comment in ("# our people", "# a slow team", "# head of finance", "# since 2024"):
        assert comment in text
    assert "\x1b" not in text
    assert RosterFile.read(path).roster == edited
    dana = edited.person("dana")
    assert dana is not None
    assert (dana.roles, dana.mail) == (("finance_manager", "roster_admin"), "dana@example.com")
    assert dana.keys[0].revoked_at == NOW
    assert [person.subject for person in edited.people] == ["dana", "erin", "fred@example.com"]


def test_a_further_key_stands_beside_the_first(path: Path) -> None:
    keys = (a_public_key(), a_public_key())
    file = RosterFile.read(path)
    for key in keys:
        file.enter(Person(subject="dana", roles=("finance_manager",)), key)

    dana = file.roster.person("dana")
    assert dana is not None
    assert (dana.keys, dana.roles) == (keys, ("finance_manager",))


KEY = a_public_key()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("people = 3", "people must be tables; write [people.NAME]"),
        ("[people]\ndana = 3", "people.dana must be a table without a subject; write [people.dana]"),
        ('[people.dana]\nsubject = "erin"', "people.dana must be a table without a subject"),
        ('[people.dana]\nrole = ["x"]', "people.dana.role is not a field this file knows"),
        ('[people.dana]\nroles = "boss"', 'people.dana.roles must be a list, for example ["finance_manager"]'),
        ('[people.dana]\naliases = "d"', 'people.dana.aliases must be a list, for example ["dana"]'),
        ("[people.dana]\nkeys = 5", "people.dana.keys must be tables; write [[people.NAME.keys]] as `interlock"),
        ("[people.dana]\nname = 5", "people.dana.name is '5'; it must be text in quotes"),
        ('[people.dana]\nservice = "perhaps"', "people.dana.service is 'perhaps'; it must be true or false"),
        ('[people.dana]\nvalid_until = "soon"', "people.dana.valid_until is 'soon'; write a moment, for example"),
        (f'[people.dana]\nname = "{"x" * 201}"', "people.dana.name has 201 characters and may have 200; shorten it"),
        (
            '[[people.dana.keys]]\nkey_id = "k-1"',
            "people.dana.keys.0.key_id is 'k-1'; take it from `interlock",
        ),
        ("delegations = 5", "delegations must be tables; write [[delegations]] above each"),
        ('absences = ["dana"]', "absences.0 is 'dana'; it must be a table"),
        ('[[delegations]]\nfrom = "dana"\nto = "erin"\nroles = []', "delegations.0.roles is empty; name at least one"),
        ("owners = 5", "owners is '5'; it must be a table"),
        ('[people.dana]\nroles = ["The Boss"]', "people.dana 'The Boss' is no name of a role"),
        (
            '[people.dana]\nmail = "notanaddress"',
            "people.dana.mail 'notanaddress' is not one plain mail address; write",
        ),
        ('[people.dana]\naliases = ["d\\n"]', "people.dana.aliases 'd\\n' does not show on one line; leave out"),
        ('[people.dana]\nname = "d\\n"', "people.dana.name 'd\\n' does not show on one line; leave out"),
        ("[people.Dana]", "people.Dana 'Dana' cannot be enrolled; name people in lower-case ASCII, for"),
        ("[[people.dana.keys]]", "people.dana.keys.0.key_id is missing; add it (and 3 more problems)"),
        ('[[delegations]]\nfrom = "dana"', "delegations.0.to is missing; add it"),
        ("decisions_per_hour = 0", "decisions_per_hour is '0'; it must be at least 1"),
        ("decisions_per_hour = 1001", "decisions_per_hour is '1001'; it must be at most 1000"),
        ("decisions_per_hour = 1.5", "decisions_per_hour is '1.5'; it must be a whole number"),
        ('[owners]\nrefund = ["nobody"]', "'nobody' is mentioned but is nobody of this roster; enrol them first"),
        ('[people.dana]\naliases = ["erin"]\n[people.erin]', "the name 'erin' belongs to two people"),
        (
            f'[[people.dana.keys]]\nkey_id = "k-{"0" * 32}"\npublic = "{KEY.public}"\n'
            "valid_from = 2026-01-01T00:00:00Z\nvalid_until = 2027-01-01T00:00:00Z",
            f"people.dana.keys.0 key_id 'k-{'0' * 32}' is not the name of this public key; it is '{KEY.key_id}'",
        ),
        (
            f'[[people.dana.keys]]\nkey_id = "{KEY.key_id}"\npublic = "{KEY.public}"\n'
            "valid_from = 2026-01-01T00:00:00\nvalid_until = 2027-01-01T00:00:00Z",
            "people.dana.keys.0.valid_from a moment needs a time zone",
        ),
        ("[people.dana", "cannot be read as TOML: "),
        ('[people.dana]\nname = "a"\n[people.dana]\nname = "b"', "cannot be read as TOML: "),
    ],
)
def test_what_cannot_be_a_roster_is_refused_by_file_and_place(path: Path, text: str, problem: str) -> None:
    path.write_text(text)

    with pytest.raises(WrongInput) as refused:
        RosterFile.read(path)
    assert str(refused.value).startswith(f"{path}: {problem}")


def test_a_private_half_that_was_pasted_by_mistake_is_not_repeated(path: Path) -> None:
    path.write_text('[[people.dana.keys]]\npublic = "MC4CAQAwBQYDK2VwBCIEIA-secret-secret-secret-secret-x"')

    with pytest.raises(WrongInput) as refused:
        RosterFile.read(path)
    assert "secret" not in str(refused.value)


def test_keys_in_one_line_are_not_edited_but_explained(path: Path) -> None:
    path.write_text("[people.dana]\nkeys = []\n")

    with pytest.raises(WrongInput, match=r"'keys' is written as a list within brackets; write \[\[...keys\]\] tables"):
        RosterFile.read(path).enter(Person(subject="dana"), a_public_key())
    assert path.read_text() == "[people.dana]\nkeys = []\n"


def test_somebody_elses_edit_is_not_overwritten(path: Path) -> None:
    file = RosterFile.read(path)
    file.absent(Absence(subject="dana", valid_from=NOW, valid_until=LATER))
    path.write_text(WRITTEN + "# meanwhile\n")

    with pytest.raises(WrongInput, match="was changed meanwhile; nothing was written"):
        file.save()
    assert path.read_text() == WRITTEN + "# meanwhile\n"


def test_a_file_that_cannot_be_written_stays_as_it_was_and_nothing_is_left_beside_it(path: Path) -> None:
    file = RosterFile.read(path)
    file.absent(Absence(subject="dana", valid_from=NOW, valid_until=LATER))
    path.unlink()
    path.mkdir()
    (path / "something").touch()

    with pytest.raises((Refused, WrongInput)):
        file.save()
    assert [each.name for each in path.parent.iterdir()] == ["approvers.toml"]


def test_a_roster_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="make one with `interlock approvers enrol NAME --role ROLE`"):
        RosterFile.read(tmp_path / "approvers.toml")

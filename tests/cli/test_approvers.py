"""`interlock approvers`: people are enrolled here and count once two roster admins have signed."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from activities.notices import NoticeEvent
from contracts.authority import BreakGlass
from contracts.model import rfc3339
from contracts.roster import Roster
from contracts.signing import SignedFor, is_signed_by
from tests.cli.enrolment import PASSPHRASE, REASON, Machine, secret_forms
from workers.resources.store import Store


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.ready(tmp_path, capsys, monkeypatch)


@pytest.fixture
def development(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.ready(tmp_path, capsys, monkeypatch, mode="development")


def in_force(machine: Machine) -> dict[str, object]:
    document: dict[str, object] = json.loads(machine.well("list", "--json").out)
    return document


def test_enrolling_makes_a_key_and_enters_its_public_half(machine: Machine) -> None:
    done = machine.well(
        "enrol", "dana", "--role", "finance_manager", "--name", "Dana Doe", "--mail", "dana@example.com",
        "--valid-for", "30d",
    )  # fmt: skip

    [dana] = machine.roster().people
    assert (dana.subject, dana.name, dana.mail, dana.roles) == (
        "dana",
        "Dana Doe",
        "dana@example.com",
        ("finance_manager",),
    )
    [key] = dana.keys
    assert (key.valid_until - key.valid_from).days == 30
    assert f"made key {key.key_id} for dana, until" in done.out
    assert f"next: interlock approvers apply --roster {machine.roster_path} --as NAME --reason WHY\n" in done.out
    assert in_force(machine)["in_force"] is False


def test_enrolling_again_adds_a_key_and_says_which_one_signs(machine: Machine) -> None:
    machine.well("enrol", "dana", "--role", "finance_manager")
    done = machine.well("enrol", "dana", "--role", "operator")

    [dana] = machine.roster().people
    assert len(dana.keys) == 2
    assert dana.roles == ("finance_manager", "operator")
    assert f"earlier keys stay valid: {dana.keys[0].key_id}" in done.out
    assert f"INTERLOCK_KEY={dana.keys[1].key_id}" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("Dana",), 2, "'Dana' cannot be enrolled; name people in lower-case ASCII"),
        (("dana", "--role", "The Boss"), 2, "'The Boss' is no name of a role"),
        (("dana", "--mail", "notanaddress"), 2, "--mail 'notanaddress' is not one plain mail address; write it like"),
        (("dana", "--mail", "a@b.c\nBcc: x@y.z"), 2, "--mail 'a@b.c\\nBcc: x@y.z' is not one plain mail address"),
        (("dana", "--mail", "x" * 321), 2, "--mail has 321 characters and may have 320; shorten it"),
        (("dana", "--alias", "d\x1b[2J"), 2, "--alias 'd\\x1b[2J' does not show on one line"),
        (("dana", "--alias", " "), 2, "--alias ' ' is no name; leave it away"),
        (("dana", "--name", "Dana\nErin"), 2, "--name 'Dana\\nErin' does not show on one line"),
        (("dana", "--name", "x" * 201), 2, "--name has 201 characters and may have 200; shorten it"),
        (("dana", "--valid-for", "soon"), 2, "--valid-for 'soon' is no duration"),
        (("dana", "--valid-for", "9999999d"), 2, "--valid-for '9999999d' is too long; give at most 3650d"),
        (("dana", "--no-passphrase"), 1, "runs in production, where a key file has a passphrase"),
        (("dana", "--alias", "erin"), 2, "the name 'erin' belongs to two people"),
    ],
)
def test_what_cannot_be_enrolled_leaves_neither_key_nor_entry(
    machine: Machine, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    machine.roster_path.write_text("[people.erin]\n")
    done = machine("enrol", *arguments)

    assert (done.code, done.out) == (code, "")
    assert problem in done.err
    assert machine.roster_path.read_text() == "[people.erin]\n"
    assert list(machine.keys.glob("*")) == []


def test_a_roster_that_cannot_be_written_takes_the_new_key_back(machine: Machine) -> None:
    machine.roster_path.write_text("[people.dana]\nkeys = []\n")
    done = machine("enrol", "dana")

    assert done.code == 2
    assert list(machine.keys.glob("*")) == []


def test_development_may_leave_the_passphrase_away_and_says_so(development: Machine) -> None:
    done = development.well("enrol", "dana", "--role", "finance_manager", "--no-passphrase")

    assert "has no passphrase: whoever can read it signs as dana" in done.err
    assert "BEGIN PRIVATE KEY" in (development.keys / "dana.pem").read_text()
    assert stat.S_IMODE((development.keys / "dana.pem").stat().st_mode) == 0o600


def test_two_admins_put_the_first_roster_in_force_and_one_alone_does_not(machine: Machine) -> None:
    for admin in ("dana", "erin"):
        machine.well("enrol", admin, "--role", "roster_admin")
    first = machine.well("apply", "--as", "dana", *REASON)
    again = machine.well("apply", "--as", "dana", *REASON)

    for proposed in (first, again):
        assert "roster version 1: proposed" in proposed.out
        assert "signed by: dana\nmissing: 1 more of roster_admin (erin)" in proposed.out
        assert "next: interlock approvers apply --as erin --reason WHY" in proposed.out
    assert in_force(machine)["in_force"] is False

    second = machine.well("apply", "--as", "erin", "--reason", "another wording")
    assert "roster version 1: in force" in second.out
    assert "signed by: dana, erin" in second.out
    assert "it was proposed before, because: as agreed in the meeting" in second.err
    shown = in_force(machine)
    assert (shown["version"], shown["signed_by"]) == (1, ["dana", "erin"])
    assert Roster.model_validate(shown["roster"]) == machine.roster()


def test_a_reason_that_would_be_cut_is_refused(machine: Machine) -> None:
    machine.well("enrol", "dana", "--role", "roster_admin")
    done = machine("apply", "--as", "dana", "--reason", "x" * 301)

    assert (done.code, done.err) == (2, "--reason has 301 characters and may have 300; shorten it\n")
    assert in_force(machine)["proposals"] == []


def test_who_signs_sees_what_would_change(machine: Machine) -> None:
    machine.two_admins()
    machine.well(
        "enrol", "fred", "--role", "finance_manager", "--name", "Fred", "--mail", "fred@example.com", "--alias", "f.doe"
    )
    machine.well("revoke", "dana", "--key", machine.key_id("dana"), "--reason", "stolen")
    machine.well("enrol", "dana")
    done = machine.well("apply", "--as", "erin", *REASON)

    dana, _, fred = machine.roster().people
    old, new = dana.keys
    assert old.revoked_at is not None
    spans = [f"from {rfc3339(key.valid_from)} until {rfc3339(key.valid_until)}" for key in (old, new, *fred.keys)]
    assert done.out.splitlines()[:7] == [
        f"- dana: key {old.key_id} is revoked: {spans[0]} -> {spans[0]}, revoked at {rfc3339(old.revoked_at)}",
        f"+ dana: key {new.key_id} {spans[1]}",
        "+ fred",
        "+ fred: name 'Fred'",
        "+ fred: mail 'fred@example.com'",
        "+ fred: roles finance_manager",
        "+ fred: aliases f.doe",
    ]
    assert done.out.splitlines()[7] == f"+ fred: key {fred.keys[0].key_id} {spans[2]}"


def test_a_key_is_exchanged_without_a_gap(machine: Machine) -> None:
    machine.two_admins()
    old = machine.key_id("dana")
    machine.well("enrol", "dana")
    for admin in ("dana", "erin"):
        machine.well("apply", "--as", admin, *REASON)
    machine.well("revoke", "dana", "--key", old, "--reason", "exchanged")
    machine.well("apply", "--as", "dana", *REASON)
    done = machine.well("apply", "--as", "erin", *REASON)

    assert "roster version 3: in force" in done.out
    machine.well("absent", "erin", "--until", "2d")
    with_the_new = machine.well("apply", "--as", "dana", *REASON)
    assert "signed by: dana" in with_the_new.out


def test_revoking_names_a_key_or_takes_all(machine: Machine) -> None:
    machine.well("enrol", "dana")
    machine.well("enrol", "dana")
    one = machine.well("revoke", "dana", "--key", machine.key_id("dana"), "--reason", "lost")
    rest = machine.well("revoke", "dana", "--reason", "left the company")
    nothing = machine("revoke", "dana", "--reason", "again")

    assert one.out.startswith(f"revoked key {machine.key_id('dana')} of dana\n")
    assert rest.out.startswith(f"revoked key {machine.key_id('dana', 1)} of dana\n")
    assert (nothing.code, "has no key that still counts" in nothing.err) == (2, True)
    assert all(key.revoked_at for key in machine.roster().people[0].keys)


def test_a_delegation_lends_only_what_somebody_holds_and_ends(machine: Machine) -> None:
    machine.well("enrol", "dana", "--role", "finance_manager")
    machine.well("enrol", "erin")
    to_erin = ("delegate", "dana", "erin", "--reason", "holidays")
    strange = machine(*to_erin, "--role", "operator", "--until", "3d")
    backwards = machine(*to_erin, "--role", "finance_manager", "--from", "2030-01-02", "--until", "2030-01-01")
    nobody = machine("delegate", "dana", "zoe", "--reason", "x", "--role", "finance_manager", "--until", "3d")
    oneself = machine("delegate", "dana", "dana", "--reason", "x", "--role", "finance_manager", "--until", "3d")
    machine.well(*to_erin, "--role", "finance_manager", "--until", "3d")

    assert (strange.code, backwards.code, nobody.code, oneself.code) == (2, 2, 2, 2)
    assert "'dana' is who lends the role; name somebody else" in oneself.err
    assert "'dana' does not hold 'operator'; they hold: finance_manager" in strange.err
    assert "is not after the beginning" in backwards.err
    assert "'zoe' is nobody in" in nobody.err
    [lent] = machine.roster().delegations
    assert (lent.delegator, lent.delegate, lent.roles, lent.reason) == (
        "dana",
        "erin",
        ("finance_manager",),
        "holidays",
    )
    assert (lent.valid_until - lent.valid_from).days == 3


def test_an_absence_includes_its_last_day(machine: Machine) -> None:
    machine.well("enrol", "dana")
    machine.well("absent", "dana", "--from", "2030-12-24", "--until", "2030-12-26")

    [away] = machine.roster().absences
    assert (away.valid_until - away.valid_from).days == 3


def test_the_list_shows_a_file_and_what_is_in_force(machine: Machine) -> None:
    machine.two_admins()
    machine.well(
        "enrol", "fred", "--role", "operator", "--break-glass", "roster_admin", "--mail", "fred@example.com",
        "--alias", "f.doe", "--alias", "f.d",
    )  # fmt: skip
    of_file = machine.well("list", "--file", str(machine.roster_path))
    of_store = machine.well("list")

    assert of_file.out.splitlines()[-5:-1] == [
        "fred: operator",
        "  mail: fred@example.com",
        "  asks also as: f.doe, f.d",
        "  in an emergency: roster_admin",
    ]
    assert "fred" not in of_store.out
    assert "roster version 1 is in force, signed by dana, erin" in of_store.out


def test_a_role_taken_in_an_emergency_is_signed_recorded_and_loud(machine: Machine) -> None:
    machine.well("enrol", "fred", "--break-glass", "operator")
    machine.two_admins()
    done = machine.well("break-glass", "--as", "fred", "--role", "operator", "--reason", "the gate is stuck open")

    assert "BREAK GLASS: fred holds operator until" in done.err
    assert "nobody is told of this" in done.err
    [kept] = json.loads(machine.well("list", "--json").out)["grants"]
    grant = BreakGlass.model_validate(kept)
    [key] = machine.roster().people[0].keys
    assert is_signed_by(key.public, SignedFor.BREAK_GLASS, grant, grant.signature or "")
    assert (grant.deployment, grant.subject, grant.key_id) == ("acme", "fred", key.key_id)
    assert (grant.expires_at - grant.issued_at).total_seconds() == 3600
    assert "BREAK GLASS: fred holds operator" in machine.well("list").out


def test_who_signs_with_a_key_that_the_roster_revokes_is_told_so(machine: Machine) -> None:
    machine.two_admins()
    machine.well("enrol", "zoe", "--role", "roster_admin")
    for admin in ("dana", "erin"):
        machine.well("apply", "--as", admin, *REASON)
    machine.well("revoke", "dana", "--reason", "stolen")
    for admin in ("erin", "zoe"):
        machine.well("apply", "--as", admin, *REASON)
    machine.well("absent", "zoe", "--until", "3d")
    revoked = machine("apply", "--as", "dana", *REASON)
    machine.well("enrol", "dana")
    waiting = machine("apply", "--as", "dana", *REASON)

    assert (revoked.code, waiting.code) == (1, 1)
    problem = f"key {machine.key_id('dana')} was revoked at "
    assert f"the key of 'dana' in the roster in force does not count: {problem}" in revoked.err
    assert "make a new one with `interlock approvers enrol dana`, and have it put in force" in revoked.err
    assert f"({machine.key_id('dana', 1)}) is in the roster in force; have two roster admins" in waiting.err


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("--as", "dana", "--role", "operator"), 1, "the roster in force lists for it: fred"),
        (("--as", "zoe", "--role", "operator"), 1, "'zoe' may not take the role 'operator' in an emergency"),
        (("--as", "fred", "--role", "roster_admin"), 1, "the roster in force lists for it: nobody"),
        (("--as", "fred", "--role", "operator", "--for", "241m"), 2, "--for is longer than 4 hours"),
        (
            ("--as", "fred", "--role", "operator", "--reason", "short"),
            2,
            "--reason has 5 characters and needs at least 10; write",
        ),
    ],
)
def test_a_role_that_may_not_be_taken_is_not(
    machine: Machine, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    machine.well("enrol", "fred", "--break-glass", "operator")
    machine.two_admins()
    done = machine("break-glass", "--reason", "the gate is stuck open", *arguments)

    assert (done.code, done.out) == (code, "")
    assert problem in done.err
    assert json.loads(machine.well("list", "--json").out)["grants"] == []


def test_taking_a_role_in_an_emergency_alarms_by_the_declared_channels(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = machine.folder / "notices.toml"
    channels.write_text('[channels.pager]\ntype = "command"\ncommand = ["true"]\n')
    monkeypatch.setenv("INTERLOCK_NOTICES", str(channels))
    machine.well("enrol", "fred", "--break-glass", "operator")
    machine.two_admins()
    done = machine.well("break-glass", "--as", "fred", "--role", "operator", "--reason", "the gate is stuck open")

    assert "nobody is told" not in done.err
    store = Store.open(f"sqlite:///{machine.folder}/store.db")
    [row] = asyncio.run(store.outbox.waiting(10))
    store.close()
    assert row.notice.event is NoticeEvent.BREAK_GLASS
    assert "fred" in row.notice.subject


def test_a_store_that_is_not_named_is_not_made(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTERLOCK_STORE")
    done = machine("list")

    assert (done.code, done.out) == (3, "")
    assert "no store is named; set INTERLOCK_STORE" in done.err
    assert not (machine.folder / ".interlock").exists()


def test_no_private_half_is_ever_shown_or_written_anywhere_but_into_its_file(machine: Machine) -> None:
    outputs = []
    machine.well("enrol", "fred", "--break-glass", "operator")
    machine.two_admins()
    commands = [
        ("enrol", "zoe", "--role", "operator"),
        ("enrol", "zoe"),
        ("list",),
        ("list", "--json"),
        ("list", "--file", str(machine.roster_path), "--json"),
        ("delegate", "dana", "erin", "--role", "finance_manager", "--until", "3d", "--reason", "holidays"),
        ("absent", "zoe", "--until", "3d"),
        ("apply", "--as", "dana", *REASON),
        ("apply", "--as", "zoe", *REASON),
        ("break-glass", "--as", "fred", "--role", "operator", "--reason", "the gate is stuck open"),
        ("break-glass", "--as", "zoe", "--role", "operator", "--reason", "the gate is stuck open"),
        ("revoke", "zoe", "--reason", "lost"),
        ("apply", "--as", "erin", *REASON),
    ]
    for command in commands:
        done = machine(*command)
        outputs += [done.out, done.err]
    machine.write_passphrase("wrong")
    failed = machine("apply", "--as", "dana", *REASON)
    outputs += [failed.out, failed.err, machine.roster_path.read_text()]
    written = b"".join(path.read_bytes() for path in machine.folder.glob("store.db*"))

    secrets = secret_forms(machine.keys)
    assert len(secrets) > 20
    for form in secrets:
        assert not [text for text in outputs if form in text]
        assert form.encode() not in written
    assert PASSPHRASE.encode() not in written + "".join(outputs).encode()

"""Personal keys: kept for their owner alone, found again, and never shown."""

import copy
import fcntl
import os
import pickle
import pty
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from cli.exits import Refused, WrongInput
from cli.keys import Keeping, SigningKey, find_key, kept_keys, key_in, make_key, require_key
from contracts.authority import BreakGlass
from contracts.deployment import Deployment, Mode
from contracts.roster import PublicKey
from contracts.signing import SignedFor, is_signed_by
from tests.cli.enrolment import PASSPHRASE, Machine, secret_forms

NOW = datetime.now(UTC)
NEXT_YEAR = NOW + timedelta(days=365)


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.ready(tmp_path, capsys, monkeypatch)


def a_key(subject: str = "dana", deployment: str = "acme", until: datetime = NEXT_YEAR) -> tuple[SigningKey, Path]:
    return make_key(subject, deployment, until, Keeping.FILE)


def a_statement(key: SigningKey) -> BreakGlass:
    return BreakGlass(
        deployment="acme",
        subject=key.subject,
        role="operator",
        reason="everything is burning",
        key_id=key.key_id,
        nonce="n" * 32,
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=1),
    )


def test_a_key_that_was_made_is_found_again_and_signs(machine: Machine) -> None:
    made, _ = a_key()
    found = require_key("dana", "acme")

    assert (found.key_id, found.public) == (made.key_id, made.public)
    signature = found.sign(SignedFor.BREAK_GLASS, a_statement(found))
    assert is_signed_by(made.public, SignedFor.BREAK_GLASS, a_statement(found), signature)


def test_a_key_file_and_its_folder_are_for_their_owner_alone(machine: Machine) -> None:
    _, path = a_key()

    assert path == machine.keys / "dana.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in machine.keys.iterdir()] == ["dana.pem"]


def test_a_key_file_does_not_open_without_its_passphrase(machine: Machine) -> None:
    a_key()
    machine.write_passphrase("something else")

    with pytest.raises(Refused, match="the passphrase is wrong, or the file is damaged; try again"):
        find_key("dana")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_file_that_others_may_touch_is_refused_with_the_way_out(machine: Machine, mode: int) -> None:
    _, path = a_key()
    path.chmod(mode)

    with pytest.raises(Refused, match=rf"may be read by others \(mode 0{mode:o}\); take that back with `chmod 600"):
        find_key("dana")


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_is_open_to_others_is_refused_with_the_way_out(machine: Machine, mode: int) -> None:
    a_key()
    machine.keys.chmod(mode)

    with pytest.raises(Refused, match="close it with `chmod 700"):
        find_key("dana")
    with pytest.raises(Refused, match="close it with `chmod 700"):
        a_key("erin")


def test_a_passphrase_file_that_others_may_read_is_refused(machine: Machine) -> None:
    a_key()
    machine.write_passphrase(PASSPHRASE, mode=0o644)

    with pytest.raises(Refused, match=r"the passphrase file .* may be read by others"):
        find_key("dana")


def test_a_passphrase_file_that_is_a_folder_or_a_pipe_is_refused_in_one_sentence(machine: Machine) -> None:
    a_key()
    path = machine.folder / "passphrase"
    path.unlink()
    path.mkdir(mode=0o700)

    with pytest.raises(Refused, match=rf"^the passphrase file '{path}' is a folder; name a file$"):
        find_key("dana")
    path.rmdir()
    os.mkfifo(path, mode=0o600)
    with pytest.raises(Refused, match=rf"^the passphrase file '{path}' is no ordinary file; name a file$"):
        find_key("dana")


def test_an_empty_passphrase_is_refused_and_nothing_is_made(machine: Machine) -> None:
    machine.write_passphrase("")

    with pytest.raises(Refused, match="is empty; an empty passphrase protects nothing"):
        a_key()
    assert not machine.keys.exists()


def test_without_a_terminal_and_a_passphrase_file_nothing_is_guessed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_key()
    monkeypatch.delenv("INTERLOCK_PASSPHRASE_FILE")

    with pytest.raises(Refused, match="name a file that holds it in INTERLOCK_PASSPHRASE_FILE"):
        find_key("dana")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("PRIVATE KEY-----\nM", "PRIVATE KEY-----\nN", 1),
        lambda text: text[: len(text) // 2],
        lambda text: text.partition("-----BEGIN")[0],
        lambda text: text.replace("subject: dana\n", ""),
        lambda text: text.replace("made: ", "made "),
        lambda text: "nothing of this",
        lambda text: "",
        lambda text: text + "x" * 20_000,
    ],
)
def test_a_damaged_key_file_gives_one_clear_error(machine: Machine, damage: object) -> None:
    _, path = a_key()
    path.write_text(damage(path.read_text()))  # type: ignore[operator]

    with pytest.raises(Refused) as refused:
        find_key("dana")
    assert str(path) in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_whose_key_is_not_the_one_it_names_is_refused(machine: Machine) -> None:
    made, path = a_key()
    path.write_text(path.read_text().replace(made.key_id, "k-" + "0" * 32))

    with pytest.raises(Refused, match=f"says k-0+ and holds {made.key_id}"):
        find_key("dana")


def test_a_file_of_somebody_else_under_my_name_is_refused(machine: Machine) -> None:
    _, path = a_key("erin")
    path.rename(machine.keys / "dana.pem")

    with pytest.raises(Refused, match="is that of 'erin', not of 'dana'; rename it"):
        find_key("dana")


def test_who_has_no_key_is_told_how_to_make_one(machine: Machine) -> None:
    assert find_key("dana") is None
    with pytest.raises(Refused, match="make one with `interlock approvers enrol dana`"):
        require_key("dana")


def test_who_is_only_the_user_of_this_machine_is_asked_who_they_are(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "root")
    production = Deployment(id="acme", namespace="default", mode=Mode.PRODUCTION)

    asked = "'root' is the user of this machine: say who you are with --as, or enrol under that name$"
    with pytest.raises(Refused, match=asked):
        require_key("root")
    with pytest.raises(Refused, match=asked):
        key_in(production, "root", "decisions")


def test_the_command_that_makes_a_key_can_be_pasted(machine: Machine) -> None:
    with pytest.raises(Refused, match=r"make one with `interlock approvers enrol 'dana; rm -rf \.'`"):
        require_key("dana; rm -rf .")


def test_a_key_that_is_in_the_roster_and_over_or_revoked_is_told_so(machine: Machine) -> None:
    made, _ = a_key(until=NOW - timedelta(days=1))
    over = PublicKey(
        key_id=made.key_id,
        public=made.public,
        valid_from=datetime(2026, 1, 2, tzinfo=UTC),
        valid_until=datetime(2026, 2, 3, tzinfo=UTC),
    )
    revoked = over.model_copy(update={"revoked_at": datetime(2026, 1, 20, tzinfo=UTC)})
    known_problems = {"counts from 2026-01-02 to 2026-02-03 only": over, "was revoked at 2026-01-20 00:00:00": revoked}

    for problem, key in known_problems.items():
        with pytest.raises(Refused) as refused:
            require_key("dana", "acme", among=(), enrolled=(key,))
        assert f"the key of 'dana' in the roster in force does not count: key {made.key_id} {problem}" in str(
            refused.value
        )
        assert "make a new one with `interlock approvers enrol dana`" in str(refused.value)


def test_who_has_only_keys_that_are_not_in_the_roster_is_told_so(machine: Machine) -> None:
    made, _ = a_key()

    with pytest.raises(
        Refused, match=rf"none of the keys of 'dana' on this machine \({made.key_id}\) is in the roster"
    ):
        require_key("dana", "acme", among=())


@pytest.mark.parametrize(
    "subject", ["Dana", "dana doe", "../dana", "", "dana\n", "dána", "-dana", "d\0", "x" * 121, ".", "~dana"]
)
def test_a_name_that_cannot_be_a_subject_gets_no_key(machine: Machine, subject: str) -> None:
    with pytest.raises(WrongInput, match="cannot be enrolled; name people in lower-case ASCII"):
        a_key(subject)
    assert not machine.keys.exists()


def test_no_subject_leads_out_of_the_folder_and_no_two_share_a_file(machine: Machine) -> None:
    subjects = ("a/../../b", "a:b", "a/b", "a.b", "a@b", "spiffe://acme/dana")
    paths = {subject: a_key(subject)[1] for subject in subjects}

    assert {path.parent for path in paths.values()} == {machine.keys}
    assert len(set(paths.values())) == len(subjects)
    for subject in subjects:
        assert require_key(subject).subject == subject


def test_nobody_is_found_under_a_name_that_only_begins_like_theirs(machine: Machine) -> None:
    a_key("dana.doe")
    a_key("danae")

    assert find_key("dana") is None


def test_of_overlapping_keys_the_oldest_signs_until_it_ends(machine: Machine) -> None:
    first, _ = a_key()
    second, path = a_key()

    assert path.name == f"dana~{second.key_id}.pem"
    assert require_key("dana", "acme").key_id == first.key_id
    assert require_key("dana", "acme", among={second.key_id}).key_id == second.key_id


def test_a_key_that_has_ended_signs_nothing_more(machine: Machine) -> None:
    a_key(until=NOW - timedelta(seconds=1))
    later, _ = a_key()

    assert require_key("dana", "acme").key_id == later.key_id


def test_a_key_can_be_chosen(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    a_key()
    second, _ = a_key()
    monkeypatch.setenv("INTERLOCK_KEY", second.key_id)

    assert require_key("dana", "acme").key_id == second.key_id
    monkeypatch.setenv("INTERLOCK_KEY", "k-" + "0" * 32)
    with pytest.raises(Refused, match="is no key of 'dana' that can be used here; unset it"):
        find_key("dana")


def test_a_key_made_for_the_deployment_comes_before_one_made_for_another(machine: Machine) -> None:
    other, _ = a_key(deployment="other")
    own, _ = a_key()

    assert require_key("dana", "acme").key_id == own.key_id
    assert require_key("dana", "third").key_id == other.key_id


def test_production_refuses_whoever_has_no_key_and_development_lets_them_go_on_unsigned(machine: Machine) -> None:
    def there(mode: Mode) -> Deployment:
        return Deployment(id="acme", namespace="default", mode=mode)

    with pytest.raises(Refused, match=r"where decisions must be signed, .*`interlock approvers enrol dana`"):
        key_in(there(Mode.PRODUCTION), "dana", "decisions")
    assert key_in(there(Mode.DEVELOPMENT), "dana", "decisions") is None


def test_development_does_not_touch_keys_that_were_made_for_another_deployment(machine: Machine) -> None:
    a_key(deployment="production")
    machine.write_passphrase("would be refused if it were asked for")
    here = Deployment(id="acme", namespace="default", mode=Mode.DEVELOPMENT)

    assert key_in(here, "dana", "decisions") is None


def test_a_signing_key_shows_nothing_and_cannot_be_taken_along(machine: Machine) -> None:
    key, _ = a_key()
    secrets = secret_forms(machine.keys)

    for shown in (repr(key), str(key), f"{key}", repr([key]), repr(dir(key))):
        assert not [form for form in secrets if form in shown]
    assert repr(key) == f"SigningKey('dana', '{key.key_id}')"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can be neither copied nor pickled"):
            take(key)
    with pytest.raises(TypeError):
        vars(key)


class MemoryKeyring(KeyringBackend):
    """A keyring that is unlocked and forgets everything in the end."""

    priority = 9

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def memory(machine: Machine) -> Iterator[MemoryKeyring]:
    """The keyring of this machine."""
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def test_a_key_in_the_keyring_is_found_by_person_and_deployment(machine: Machine, memory: MemoryKeyring) -> None:
    made, path = make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)
    second, _ = make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)

    assert list(memory.kept) == [("interlock", "dana@acme")]
    assert "PRIVATE" not in path.read_text()
    assert require_key("dana", "acme").public == made.public
    assert require_key("dana", "acme", {second.key_id}).public == second.public


def test_a_key_that_the_keyring_has_lost_gives_one_clear_error(machine: Machine, memory: MemoryKeyring) -> None:
    make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)
    memory.kept.clear()

    with pytest.raises(Refused, match=r"the keyring's entry 'dana@acme' has no key k-.*; enrol anew"):
        find_key("dana", "acme")


def test_an_entry_that_is_not_ours_is_left_alone(machine: Machine, memory: MemoryKeyring) -> None:
    memory.kept["interlock", "dana@acme"] = "hunter2"

    with pytest.raises(Refused, match="is not ours; remove it") as refused:
        make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)
    assert "hunter2" not in str(refused.value)
    assert memory.kept == {("interlock", "dana@acme"): "hunter2"}


def test_a_key_that_cannot_be_noted_down_does_not_stay_in_the_keyring(machine: Machine, memory: MemoryKeyring) -> None:
    machine.keys.mkdir(mode=0o700)
    machine.keys.chmod(0o755)

    with pytest.raises(Refused, match="chmod 700"):
        make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)
    assert memory.kept == {("interlock", "dana@acme"): "{}"}


def test_a_machine_without_a_keyring_says_so(machine: Machine, memory: MemoryKeyring) -> None:
    from keyring.backends.fail import Keyring as NoKeyring

    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]

    with pytest.raises(Refused, match=r"no keyring that keeps secrets .*; give --store file"):
        make_key("dana", "acme", NEXT_YEAR, Keeping.KEYRING)
    assert kept_keys("dana") == []


def test_whoever_presses_ctrl_c_at_the_passphrase_has_stopped_the_command() -> None:
    program = (
        "import asyncio\n"
        "from cli.passphrases import read_passphrase\n"
        "async def command():\n"
        "    read_passphrase('fiona')\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(command())\n"
    )
    terminal, inside = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "INTERLOCK_PASSPHRASE_FILE": ""},
    )
    os.close(inside)
    try:
        said = b""
        while b"passphrase of fiona" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, b"\x03")
        assert asking.wait(timeout=20) != 0
    finally:
        asking.kill()
        os.close(terminal)

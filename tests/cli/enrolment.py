"""A person's machine for tests: keys, a passphrase and a store of its own, and commands that write into them."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cli.main import run
from contracts.roster import Roster
from tests.stores import new_store

PASSPHRASE = "correct horse battery staple"
REASON = ("--reason", "as agreed in the meeting")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def made_store(folder: Path) -> str:
    """The address of an empty store, as a worker would have made it."""
    return new_store(folder)


@dataclass(frozen=True)
class Machine:
    """One machine; several people may use it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @classmethod
    def ready(
        cls, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str = "production"
    ) -> "Machine":
        """Everything a command asks for is set, in `folder` alone."""
        machine = cls(folder, capsys, monkeypatch)
        machine.write_passphrase(PASSPHRASE)
        named = {
            "INTERLOCK_KEYS": str(machine.keys),
            "INTERLOCK_PASSPHRASE_FILE": str(folder / "passphrase"),
            "INTERLOCK_ROSTER": str(machine.roster_path),
            "INTERLOCK_STORE": made_store(folder),
            "INTERLOCK_DEPLOYMENT": "acme",
            "INTERLOCK_MODE": mode,
        }
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        for name in ("INTERLOCK_KEY", "INTERLOCK_APPROVER", "INTERLOCK_NOTICES"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.chdir(folder)
        return machine

    @property
    def keys(self) -> Path:
        """Where private keys are kept."""
        return self.folder / "keys"

    @property
    def roster_path(self) -> Path:
        """The roster file."""
        return self.folder / "approvers.toml"

    def write_passphrase(self, passphrase: str, mode: int = 0o600) -> None:
        """Into the file that INTERLOCK_PASSPHRASE_FILE names."""
        path = self.folder / "passphrase"
        path.write_text(f"{passphrase}\n")
        path.chmod(mode)

    def __call__(self, *arguments: str) -> Done:
        """Run `interlock approvers ARGUMENTS`."""
        self.capsys.readouterr()
        with ThreadPoolExecutor(1) as thread:  # the test may have an event loop of its own
            code = thread.submit(run, ["approvers", *arguments]).result(timeout=60)
        out, err = self.capsys.readouterr()
        return Done(code, out, err)

    def well(self, *arguments: str) -> Done:
        """The same, and it must succeed."""
        done = self(*arguments)
        assert done.code == 0, done.err
        return done

    def roster(self) -> Roster:
        """The roster in the file."""
        from cli.roster_file import RosterFile

        return RosterFile.read(self.roster_path).roster

    def key_id(self, subject: str, number: int = 0) -> str:
        """Of a person in the roster file."""
        person = self.roster().person(subject)
        assert person is not None
        return person.keys[number].key_id

    def two_admins(self) -> None:
        """dana and erin are roster admins, and the roster with them is in force."""
        for admin in ("dana", "erin"):
            self.well("enrol", admin, "--role", "roster_admin", "--role", "finance_manager")
        for admin in ("dana", "erin"):
            self.well("apply", "--as", admin, *REASON)


def secret_forms(keys: Path, passphrase: str = PASSPHRASE) -> Sequence[str]:
    """Every way in which the private halves of a folder might be written down."""
    forms: list[str] = []
    for path in keys.glob("*.pem"):
        pem = "-----BEGIN" + path.read_text().partition("-----BEGIN")[2]
        private: Any = load_pem_private_key(pem.encode(), passphrase.encode())
        raw = private.private_bytes_raw()
        forms += [raw.hex(), base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode()[:43]]
        forms += [line for line in pem.splitlines() if not line.startswith("-")]
    return forms

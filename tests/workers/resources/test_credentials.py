"""Credentials: read where they stand when they are needed, and shown nowhere."""

import copy
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from workers.resources.credentials import Credential, CredentialMissing, Secret


def test_a_secret_is_shown_by_nothing_but_reveal() -> None:
    secret = Secret("canary")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr([secret]),
        repr({"s": secret}),
    ]
    assert not any("canary" in text for text in shown)
    assert secret.reveal() == "canary"


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_pickled_or_copied(copied: object) -> None:
    assert callable(copied)
    with pytest.raises(TypeError, match="Secret"):
        copied(Secret("canary"))


def test_a_value_from_the_environment_is_read_at_each_use() -> None:
    environment = {"TOKEN": "one"}
    credential = Credential("env:TOKEN", environment)
    assert credential.secret().reveal() == "one"
    environment["TOKEN"] = "two"
    assert credential.secret().reveal() == "two"


def test_a_file_is_read_again_when_it_was_changed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    credential = Credential(f"file:{path}")
    assert credential.secret().reveal() == "one"
    assert credential.secret() is credential.secret()
    replacement = tmp_path / "new"
    replacement.write_text("two\n")
    replacement.replace(path)
    assert credential.secret().reveal() == "two"


@pytest.mark.parametrize("value", ["", "  \n", "two\nlines", "nul\0", "café"])
def test_a_value_that_cannot_be_a_credential_is_missing_and_not_shown(value: str) -> None:
    with pytest.raises(CredentialMissing, match="env:TOKEN") as caught:
        Credential("env:TOKEN", {"TOKEN": value}).secret()
    assert not value.strip() or value not in str(caught.value)


def test_what_cannot_be_read_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for reference in ("env:TOKEN", f"file:{tmp_path}/none", f"file:{tmp_path}"):
        with pytest.raises(CredentialMissing) as caught:
            Credential(reference, {}).secret()
        assert reference in str(caught.value)
        assert "Traceback" in "".join(traceback.format_exception(caught.value))

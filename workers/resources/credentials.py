"""Credentials by reference: where a value stands, read at the moment it is needed, never shown and never kept."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn


class CredentialMissing(Exception):
    """The value a reference points to cannot be had now."""


class Secret:
    """A value that no log, repr, traceback or pickle shows. `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the bytes about to be sent."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled; pass its reference and read it where it is used")


class Credential:
    """One reference of one server, `env:NAME` or `file:/path`. A file is read again when it changed."""

    def __init__(self, reference: str, environment: Mapping[str, str] = os.environ) -> None:
        self._reference = reference
        self._environment = environment
        self._read_at: tuple[int, int, int] | None = None
        self._secret = Secret("")

    def __repr__(self) -> str:
        return f"Credential({self._reference!r})"

    def secret(self) -> Secret:
        """The value as it stands now. Raises CredentialMissing."""
        source, _, place = self._reference.partition(":")
        return self._from_environment(place) if source == "env" else self._from_file(Path(place))

    def _from_environment(self, name: str) -> Secret:
        return self._checked(self._environment.get(name, ""))

    def _from_file(self, path: Path) -> Secret:
        try:
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if version != self._read_at:
                self._secret = self._checked(path.read_text("utf-8"))
                self._read_at = version
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialMissing(
                f"the credential {self._reference!r} cannot be read: {type(error).__name__}; "
                "put its value there, readable for the worker"
            ) from None
        return self._secret

    def _checked(self, text: str) -> Secret:
        value = text.strip()
        if not value or not value.isprintable() or not value.isascii():
            raise CredentialMissing(
                f"the credential {self._reference!r} is empty or not one line of printable ASCII; set it and try again"
            )
        return Secret(value)

"""Private keys in the keyring of the operating system: one entry per person and deployment."""

import json
from typing import TYPE_CHECKING, Final

from cli.exits import Refused

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE: Final = "interlock"
LEAST_PRIORITY: Final = 1
"""What the package `keyring` recommends; below are plain files, and the one that only fails."""


def put(entry: str, key_id: str, secret: str) -> None:
    """Add a private key to an entry. Raises Refused when this machine has no keyring that keeps secrets."""
    from keyring.errors import KeyringError

    try:
        keyring = _keyring()
        kept = _read(keyring, entry) | {key_id: secret}
        keyring.set_password(SERVICE, entry, json.dumps(kept))
    except KeyringError as error:
        raise _unusable(error) from error


def get(entry: str, key_id: str) -> str:
    """The private key; empty when the entry does not have it. Raises Refused."""
    from keyring.errors import KeyringError

    try:
        return _read(_keyring(), entry).get(key_id, "")
    except KeyringError as error:
        raise _unusable(error) from error


def remove(entry: str, key_id: str) -> None:
    """Take a private key out of an entry again. Raises Refused."""
    from keyring.errors import KeyringError

    try:
        keyring = _keyring()
        kept = _read(keyring, entry)
        if kept.pop(key_id, None) is not None:
            keyring.set_password(SERVICE, entry, json.dumps(kept))
    except KeyringError as error:
        raise _unusable(error) from error


def _keyring() -> "KeyringBackend":
    import keyring

    found = keyring.get_keyring()
    if found.priority < LEAST_PRIORITY:
        raise Refused(
            f"this machine has no keyring that keeps secrets (found {type(found).__module__}); give --store file"
        )
    return found


def _read(keyring: "KeyringBackend", entry: str) -> dict[str, str]:
    text = keyring.get_password(SERVICE, entry)
    try:
        kept = json.loads(text) if text else {}
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise Refused(f"the keyring's entry {entry!r} of service {SERVICE!r} is not ours; remove it, and enrol anew")
    return {str(key_id): str(secret) for key_id, secret in kept.items()}


def _unusable(error: Exception) -> Refused:
    return Refused(f"the keyring cannot be used ({type(error).__name__}); unlock it, or enrol with --store file")

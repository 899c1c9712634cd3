"""Ed25519 private keys in PEM files (PKCS 8) that nobody but their owner may read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

MOUNTED = Path("/run/secrets")
"""Where a container's engine mounts secrets: the container is the owner, whatever mode the mount shows."""


class KeyFileUnusable(Exception):
    """The file holds no such key, or too many people may read it; the message says what to do."""


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key in the file. Raises KeyFileUnusable; what the file holds is never repeated."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except OSError as error:
        raise KeyFileUnusable(
            f"the key file {str(path)!r} cannot be read: {error.strerror}; correct its path"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not path.resolve().is_relative_to(MOUNTED):
        raise KeyFileUnusable(f"the key file {str(path)!r} may be read by others (mode {mode:04o}); chmod 600 it")
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        wanted = "openssl genpkey -algorithm ed25519"
        raise KeyFileUnusable(f"the key file {str(path)!r} holds no Ed25519 key in PEM; make one with `{wanted}`")
    return key


def read_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The key in the file, which is made when there is none: for development. Raises KeyFileUnusable."""
    if not path.exists():
        _make(path)
    return read_key(path)


def _make(path: Path) -> None:
    """It appears complete or not at all; of several that make it at once, one does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        with suppress(FileExistsError):  # a rival was faster
            path.hardlink_to(new)
    finally:
        new.unlink()

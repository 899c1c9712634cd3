"""Who signs checkpoints of the audit chain, where they stand, and by which keys they are believed."""

from collections.abc import Sequence
from pathlib import Path

from contracts.deployment import Mode
from contracts.signing import key_id_of, public_half
from workers.resources.checkpoints import Checkpoints
from workers.resources.key_file import read_key, read_or_make_key
from workers.resources.store import Store
from workers.settings import Settings, SettingsWrong


def checkpoints_of(settings: Settings, store: Store) -> Checkpoints:
    """Development makes a key of its own; in production operators give one. Raises SettingsWrong, KeyFileUnusable."""
    if settings.audit_key_file is not None:
        key = read_key(settings.audit_key_file)
    elif settings.mode is Mode.DEVELOPMENT:
        key = read_or_make_key(_made_key_file(settings))
    else:
        raise SettingsWrong(
            "INTERLOCK_AUDIT_KEY_FILE is not set, and in production checkpoints of the audit chain must be signed; "
            "make a key with `openssl genpkey -algorithm ed25519 -out audit.key`, chmod 600 it, and name it there"
        )
    return Checkpoints(store.audit, checkpoint_file(settings), key, settings.deployment)


def checkpoint_file(settings: Settings) -> Path:
    """Where checkpoints stand."""
    return settings.audit_checkpoints or settings.data / "audit-checkpoints.jsonl"


def believed_keys(settings: Settings, given: Sequence[str]) -> dict[str, str]:
    """Key id -> public key: those that are given, else the one that signs here, as far as it is known here.

    Raises ValueError for what is no public key, KeyFileUnusable.
    """
    if given:
        return {key_id_of(public): public for public in given}
    made = _made_key_file(settings)
    file = settings.audit_key_file or (made if settings.mode is Mode.DEVELOPMENT and made.exists() else None)
    if file is None:
        return {}
    public = public_half(read_key(file))
    return {key_id_of(public): public}


def _made_key_file(settings: Settings) -> Path:
    return settings.data / "audit.key"

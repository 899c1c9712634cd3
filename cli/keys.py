"""Personal keys: where the private halves are kept on this machine, and the one way to sign with them.

A key file opens with lines that say whose key it is; the private half follows (PKCS#8, encrypted), unless the keyring
of the operating system has it. Several keys of one person may overlap: that is how keys are exchanged.
"""

import getpass
import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from cli.exits import Refused, WrongInput
from cli.outside import as_argument
from cli.printing import tell
from cli.private_files import check_private_folder, read_private, write_private
from contracts.deployment import Deployment, Mode
from contracts.model import Model, Moment, rfc3339

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from contracts.roster import PublicKey
    from contracts.signing import SignedFor

FOLDER: Final = "INTERLOCK_KEYS"
CHOSEN: Final = "INTERLOCK_KEY"
_WARNING: Final = "A private key for Interlock: whoever can open it signs as this person. Never send it to anybody."
_BEGIN: Final = "-----BEGIN "
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@+-]")


class Keeping(StrEnum):
    """Where a private half is kept."""

    FILE = "file"
    KEYRING = "keyring"


class KeptKey(Model):
    """What a key file says before the private half."""

    subject: str
    key: str = Field(pattern=r"^k-[0-9a-f]{32}$")
    deployment: str
    made: Moment
    until: Moment
    """When the key ends, as it was enrolled."""
    kept: Keeping

    @property
    def entry(self) -> str:
        """The entry of the keyring."""
        return f"{self.subject}@{self.deployment}"


class SigningKey:
    """A person's private key, ready to sign. Nothing shows, copies or pickles the secret."""

    __slots__ = ("_private", "key_id", "public", "subject")

    def __init__(self, subject: str, private: "Ed25519PrivateKey") -> None:
        from contracts.signing import key_id_of, public_half

        self.subject = subject
        self.public = public_half(private)
        self.key_id = key_id_of(self.public)
        self._private = private

    def sign(self, purpose: "SignedFor", statement: BaseModel) -> str:
        """The signature under a statement. Raises ValueError when it has no canonical form."""
        from contracts.signing import sign

        return sign(self._private, purpose, statement)

    def __repr__(self) -> str:
        return f"SigningKey({self.subject!r}, {self.key_id!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SigningKey can be neither copied nor pickled; find it where it is needed")


def find_key(subject: str, deployment: str = "", among: Collection[str] | None = None) -> SigningKey | None:
    """A key of this person on this machine; it may ask for the passphrase. Raises Refused when it cannot be used.

    Of several the oldest that has not ended is taken, since a new one counts only once a roster with it is in force;
    `among` leaves only these key ids, INTERLOCK_KEY only one.
    """
    kept = [(path, key) for path, key in kept_keys(subject) if among is None or key.key in among]
    if kept and (chosen := os.environ.get(CHOSEN)):
        kept = [(path, key) for path, key in kept if key.key == chosen]
        if not kept:
            raise Refused(f"{CHOSEN}={chosen!r} is no key of {subject!r} that can be used here; unset it")
    # Made for this deployment, or for another: people may use one key for several.
    kept.sort(key=lambda each: each[1].deployment != deployment)
    return _opened(*kept[0]) if kept else None


def require_key(
    subject: str,
    deployment: str = "",
    among: Collection[str] | None = None,
    enrolled: "Collection[PublicKey]" = (),
) -> SigningKey:
    """As `find_key`. Raises Refused also when there is none; `enrolled`, the person's keys in the roster, says why."""
    key = find_key(subject, deployment, among)
    if key is not None:
        return key
    now, in_roster = datetime.now(UTC), {each.key_id: each for each in enrolled}
    kept = [key for _, key in _kept(subject)]
    if waiting := [key.key for key in kept if key.until > now and key.key not in in_roster]:
        raise Refused(
            f"none of the keys of {subject!r} on this machine ({', '.join(waiting)}) is in the roster in force; "
            "have two roster admins run `interlock approvers apply --as NAME --reason WHY`"
        )
    if problems := [in_roster[key.key].problem_at(now) for key in kept if key.key in in_roster]:
        problem = problems[-1] or "it ends later than the one on this machine, which has ended"
        raise Refused(
            f"the key of {subject!r} in the roster in force does not count: {problem}; "
            f"make a new one with `{_enrol(subject)}`, and have it put in force"
        )
    raise Refused(f"{subject!r} has no key in {str(folder())!r}; {_way_to_a_key(subject)}")


def key_in(deployment: Deployment, subject: str, what: str) -> SigningKey | None:
    """The key to sign `what` with; in development None when there is none for this deployment. Raises Refused."""
    if deployment.mode is Mode.DEVELOPMENT:  # which knows nothing of the keys that people have for other ones
        return find_key(subject, deployment.id, {key.key for _, key in kept_keys(subject, deployment.id)})
    key = find_key(subject, deployment.id)
    if key is not None:
        return key
    raise Refused(
        f"deployment {deployment.id!r} runs in production, where {what} must be signed, and {subject!r} has no key "
        f"on this machine that counts today; {_way_to_a_key(subject)}"
    )


def _way_to_a_key(subject: str) -> str:
    """Who is only taken for the user of this machine has not said who they are."""
    try:
        if subject == getpass.getuser():
            return f"{subject!r} is the user of this machine: say who you are with --as, or enrol under that name"
    except (OSError, KeyError):  # this machine does not say
        pass
    return f"make one with `{_enrol(subject)}`"


def _enrol(subject: str) -> str:
    return f"interlock approvers enrol {as_argument(subject)}"


def folder() -> Path:
    """Where key files are: INTERLOCK_KEYS, or ~/.config/interlock/keys."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else Path.home() / ".config" / "interlock" / "keys"


def check_subject(subject: str) -> str:
    """The subject, when it can have a key. Raises WrongInput."""
    from contracts.roster import SUBJECT

    if not re.fullmatch(SUBJECT, subject):
        raise WrongInput(not_a_subject(subject))
    return subject


def not_a_subject(name: str) -> str:
    """The sentence for a name that cannot be a subject."""
    return f"{name!r:.130} cannot be enrolled; name people in lower-case ASCII, for example dana or dana@example.com"


def kept_keys(subject: str, deployment: str = "") -> list[tuple[Path, KeptKey]]:
    """The person's keys on this machine that have not ended, the oldest first; for one deployment, or all of them.

    Raises Refused.
    """
    now = datetime.now(UTC)
    return [(path, key) for path, key in _kept(subject) if key.until > now and deployment in ("", key.deployment)]


def _kept(subject: str) -> list[tuple[Path, KeptKey]]:
    """Every key of the person on this machine, the oldest first, those that have ended too. Raises Refused."""
    place = folder()
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return []
    check_private_folder(place, mode)
    name = _file_name(subject)
    paths = (path for path in place.glob("*.pem") if path.stem == name or path.stem.startswith(f"{name}~"))
    found = [(path, _facts(path, read_private(path, "the key file"))) for path in sorted(paths)]
    for path, key in found:
        if key.subject != subject:
            raise Refused(f"the key file {str(path)!r} is that of {key.subject!r}, not of {subject!r}; rename it")
    return sorted(found, key=lambda each: each[1].made)


def make_key(
    subject: str, deployment: str, until: datetime, keeping: Keeping, *, passphrase: bool = True
) -> tuple[SigningKey, Path]:
    """Make a key, and keep it on this machine. Raises Refused; then nothing is kept."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    check_subject(subject)
    private = Ed25519PrivateKey.generate()
    key = SigningKey(subject, private)
    kept = KeptKey(
        subject=subject, key=key.key_id, deployment=deployment, made=datetime.now(UTC), until=until, kept=keeping
    )
    text = "\n".join((_WARNING, *_lines(kept), ""))
    names = (f"{_file_name(subject)}.pem", f"{_file_name(subject)}~{key.key_id}.pem")
    match keeping:
        case Keeping.FILE:
            return key, write_private(folder(), names, text + _encrypted(private, subject, passphrase))
        case Keeping.KEYRING:
            from cli import os_keyring

            os_keyring.put(kept.entry, kept.key, _raw(private))
            try:
                return key, write_private(folder(), names, text)
            except BaseException:
                os_keyring.remove(kept.entry, kept.key)
                raise


def forget_key(path: Path) -> None:
    """Take back a key that was made a moment ago and is in no roster."""
    kept = _facts(path, read_private(path, "the key file"))
    if kept.kept is Keeping.KEYRING:
        from cli import os_keyring

        os_keyring.remove(kept.entry, kept.key)
    path.unlink(missing_ok=True)


def _opened(path: Path, kept: KeptKey) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    match kept.kept:
        case Keeping.FILE:
            private = _decrypted(path, kept)
        case Keeping.KEYRING:
            from cli import os_keyring
            from contracts.signing import as_bytes

            secret = os_keyring.get(kept.entry, kept.key)
            if not secret:
                raise Refused(f"the keyring's entry {kept.entry!r} has no key {kept.key}; enrol anew")
            private = Ed25519PrivateKey.from_private_bytes(as_bytes(secret, 32))
    key = SigningKey(kept.subject, private)
    if key.key_id != kept.key:
        raise Refused(f"the key file {str(path)!r} says {kept.key} and holds {key.key_id}; restore it, or enrol anew")
    return key


def _decrypted(path: Path, kept: KeptKey) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from cli.passphrases import read_passphrase

    _, begin, rest = read_private(path, "the key file").partition(_BEGIN)
    pem = (begin + rest).encode()
    encrypted = pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    passphrase = read_passphrase(f"{kept.subject}'s key {kept.key[:10]}") if encrypted else None
    try:
        private = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError):  # which of the two it was, the library does not say
        raise Refused(
            f"the key file {str(path)!r} cannot be opened: the passphrase is wrong, or the file is damaged; "
            "try again, restore it from a backup, or enrol anew"
        ) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise Refused(f"the key file {str(path)!r} holds no Ed25519 key; enrol anew")
    return private


def _encrypted(private: "Ed25519PrivateKey", subject: str, passphrase: bool) -> str:
    from cryptography.hazmat.primitives import serialization

    from cli.passphrases import new_passphrase

    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(new_passphrase(f"{subject}'s key"))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(pem, pkcs8, protection).decode()


def _raw(private: "Ed25519PrivateKey") -> str:
    from contracts.signing import as_text

    return as_text(private.private_bytes_raw())


def _lines(kept: KeptKey) -> Iterator[str]:
    yield f"subject: {kept.subject}"
    yield f"key: {kept.key}"
    yield f"deployment: {kept.deployment}"
    yield f"made: {rfc3339(kept.made)}"
    yield f"until: {rfc3339(kept.until)}"
    yield f"kept: {kept.kept.value}"


def _facts(path: Path, text: str) -> KeptKey:
    lines = text.partition(_BEGIN)[0].splitlines()[1:]
    try:
        return KeptKey.model_validate(dict(line.split(": ", 1) for line in lines if line))
    except (ValidationError, ValueError) as error:
        raise Refused(
            f"{str(path)!r} is no key file that `interlock approvers enrol` made; restore it, or move it away"
        ) from error


def _file_name(subject: str) -> str:
    """Every subject has a file name of its own, and none leads out of the folder."""
    return _UNSAFE.sub(lambda found: quote(found[0], safe="") if found[0] != "~" else "%7E", subject)


def say_unsigned(what: str) -> None:
    """Development without a key: said loudly, every time."""
    tell(f"development mode: {what} is not signed")

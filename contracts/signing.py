"""Ed25519 signatures over canonical JSON, separated by purpose: the one way anything of ours is signed or verified.

Signed are the bytes `interlock/<purpose>/v1`, a NUL, and the statement in the form of RFC 8785 without its signature.
A signature made for one purpose therefore never stands for another. Ed25519 is RFC 8032.
"""

import base64
import binascii
import hashlib
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel

from contracts.canonical import canonical_json

NONCE = r"^[A-Za-z0-9_-]*$"
"""Nothing that a database or a terminal could stumble over."""
PUBLIC_BYTES, SIGNATURE_BYTES = 32, 64
_FIELD = 2**255 - 19
_ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y of the eight points for which anybody can make signatures that verify, over whatever statement."""


class SignedFor(StrEnum):
    """What a signature is made for."""

    DECISION = "decision"
    START = "start"
    ACTIVATION = "activation"
    BREAK_GLASS = "break-glass"
    COMMAND = "command"
    CHECKPOINT = "checkpoint"
    FREEZE = "freeze"
    THAW = "thaw"
    ERASURE = "erasure"


def signed_bytes(purpose: SignedFor, statement: BaseModel) -> bytes:
    """What is signed. Raises ValueError when the statement has no canonical form."""
    plain = statement.model_dump(mode="json", exclude={"signature"})
    return f"interlock/{purpose.value}/v1".encode() + b"\0" + canonical_json(plain)


def sign(key: Ed25519PrivateKey, purpose: SignedFor, statement: BaseModel) -> str:
    """The signature, base64url without padding. Raises ValueError when the statement has no canonical form."""
    return as_text(key.sign(signed_bytes(purpose, statement)))


def is_signed_by(public: str, purpose: SignedFor, statement: BaseModel, signature: str) -> bool:
    """Whether `signature` was made with the private half of `public` for exactly this statement. Never raises."""
    try:
        key = Ed25519PublicKey.from_public_bytes(_public_bytes(public))
        key.verify(as_bytes(signature, SIGNATURE_BYTES), signed_bytes(purpose, statement))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_half(key: Ed25519PrivateKey) -> str:
    """The public key, base64url without padding."""
    return as_text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def key_id_of(public: str) -> str:
    """The name of a key, made from its public half: `k-` and 32 hexadecimal digits. Raises ValueError."""
    return "k-" + hashlib.sha256(_public_bytes(public)).hexdigest()[:32]


def as_text(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_bytes(text: str, length: int) -> bytes:
    """Exactly `length` bytes. Raises ValueError, also for a second spelling of the same bytes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64url: {error}") from error
    if len(data) != length or as_text(data) != text:
        raise ValueError(f"not {length} bytes of base64url without padding")
    return data


def _public_bytes(public: str) -> bytes:
    """The public half. Raises ValueError, also for one whose signatures anybody can make."""
    data = as_bytes(public, PUBLIC_BYTES)
    y = int.from_bytes(data, "little") & (2**255 - 1)
    if y >= _FIELD or y in _SMALL_ORDER:
        raise ValueError("this is no public half that a key can have; anybody could sign for it")
    return data

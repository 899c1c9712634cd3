"""What is in force: documents (rules, roster, pins) made active in the store by signed statements of people."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from contracts.model import Model, Moment
from contracts.signing import NONCE, SignedFor, is_signed_by, signed_bytes

ROSTER_ADMIN, OPERATOR = "roster_admin", "operator"
"""The roles whose holders may activate documents."""
LONGEST_BREAK_GLASS = timedelta(hours=4)
LONGEST_REASON = 300
"""Characters."""


class DocumentKind(StrEnum):
    """What can be made active."""

    POLICY = "policy"
    """Cedar files, running totals and calendars: file name -> text."""
    ROSTER = "roster"
    PINS = "pins"
    """`server.tool` -> the accepted definition."""


ACTIVATED_BY: dict[DocumentKind, tuple[str, int]] = {
    DocumentKind.POLICY: (OPERATOR, 1),
    DocumentKind.ROSTER: (ROSTER_ADMIN, 2),
    DocumentKind.PINS: (OPERATOR, 1),
}
"""Kind -> who must sign outside development, and how many: nobody enrols or revokes alone."""


class Activation(Model):
    """The statement that a document is in force from now on. What is signed is every field but the signatures."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    kind: DocumentKind
    version: int = Field(ge=1)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Content address of the document's canonical JSON."""
    previous: str = ""
    """Digest of the document that was in force before; empty for the first."""
    reason: str = Field(default="", max_length=LONGEST_REASON)


class Endorsement(Model):
    """One person's signature under an activation. What is signed is every field but `signature`."""

    activation: Activation
    signer: str = Field(max_length=120)
    key_id: str = Field(max_length=64)
    signed_at: Moment
    signature: str = Field(default="", max_length=200)

    def is_genuine(self, public: str) -> bool:
        """Signed with the private half of `public`."""
        return is_signed_by(public, SignedFor.ACTIVATION, self, self.signature)

    def to_sign(self) -> bytes:
        """The bytes that are signed."""
        return signed_bytes(SignedFor.ACTIVATION, self)


class InForce(Model):
    """A document that is in force, with the proof of it."""

    activation: Activation
    content: JsonValue
    endorsements: tuple[Endorsement, ...] = ()
    """Empty in development."""
    at: Moment


class PinnedTool(Model):
    """A tool whose definition was accepted."""

    pin: str
    definition: str
    """Content address of the definition as it was published."""


class BreakGlass(Model):
    """A person takes a role in an emergency. What is signed is every field but `signature`."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    subject: str = Field(max_length=120)
    role: str = Field(max_length=60)
    reason: str = Field(min_length=10, max_length=LONGEST_REASON)
    key_id: str = Field(max_length=64)
    nonce: str = Field(min_length=16, max_length=100, pattern=NONCE)
    issued_at: Moment
    expires_at: Moment
    signature: str | None = Field(default=None, max_length=200)

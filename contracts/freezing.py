"""The stop button: signed statements that stop sending, and take that back."""

import hashlib
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.authority import LONGEST_REASON
from contracts.model import Model, Moment
from contracts.signing import NONCE


class FreezeScope(StrEnum):
    """What a freeze is over."""

    ALL = "all"
    AUTOMATION = "automation"
    SERVER = "server"
    TOOL = "tool"
    """`server.tool`."""


class Freeze(Model):
    """From now on nothing of this is sent. What is signed is every field but `signature`."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    scope: FreezeScope
    target: str = Field(default="", max_length=300)
    """Name of the automation, server or tool; empty for all."""
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)
    subject: str = Field(max_length=120)
    key_id: str = Field(default="", max_length=64)
    nonce: str = Field(min_length=16, max_length=100, pattern=NONCE)
    issued_at: Moment
    signature: str | None = Field(default=None, max_length=200)
    """None: unsigned, in development."""

    @model_validator(mode="after")
    def _names_what_it_stops(self) -> Self:
        if (self.scope is FreezeScope.ALL) != (not self.target):
            raise ValueError(f"a freeze of scope {self.scope.value!r} cannot name {self.target!r}")
        if self.scope is FreezeScope.TOOL and not all(self.target.partition(".")):
            raise ValueError(f"{self.target!r} names no tool; write SERVER.TOOL")
        return self

    @property
    def id(self) -> str:
        """Short, for people: made from the nonce."""
        return freeze_id(self.nonce)


class Thaw(Model):
    """One freeze is over. What is signed is every field but `signature`."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    freeze: str = Field(max_length=100, pattern=NONCE)
    """Nonce of the freeze."""
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)
    subject: str = Field(max_length=120)
    key_id: str = Field(default="", max_length=64)
    nonce: str = Field(min_length=16, max_length=100, pattern=NONCE)
    issued_at: Moment
    signature: str | None = Field(default=None, max_length=200)
    """None: unsigned, in development."""


def freeze_id(nonce: str) -> str:
    """The short name of the freeze with this nonce: `f-` and eight hexadecimal digits."""
    return f"f-{hashlib.sha256(nonce.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"

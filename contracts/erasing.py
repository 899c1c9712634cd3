"""Erasure by subject: the statement by which somebody has what is kept about a person made unreadable."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, JsonValue

from contracts.canonical import digest
from contracts.model import Model, Moment
from contracts.signing import NONCE


class Erasure(Model):
    """Somebody orders it. What is signed is every field but `signature`. It names nobody who is erased."""

    v: Literal[1] = 1
    deployment: str = Field(max_length=200)
    subject: str = Field(pattern=r"^r-[0-9a-f]{16}$")
    """The pseudonym of the subject in this store."""
    runs: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the runs, as `digest_of_runs` makes it."""
    by: str = Field(min_length=1, max_length=120)
    key_id: str = Field(default="", max_length=64)
    nonce: str = Field(min_length=16, max_length=100, pattern=NONCE)
    issued_at: Moment
    signature: str | None = Field(default=None, max_length=200)
    """None: unsigned, in development."""


def digest_of_runs(runs: Iterable[tuple[str, str]]) -> str:
    """`sha256:<hex>` over workflow id and first run id of each, in order."""
    named: list[JsonValue] = [
        [ours.encode("utf-8", "backslashreplace").decode() for ours in run] for run in sorted(runs)
    ]
    return digest(named)

"""The ways in which the bank's end can misbehave, each with what the gate must make of it."""

from enum import StrEnum

from contracts.model import Model


class Means(StrEnum):
    """What a failed exchange says about the effect."""

    DONE = "done"
    """It happened, whatever the answer looks like: recorded, never sent again."""
    NOT_SENT = "not sent"
    """Nothing was executed: trying again is free."""
    UNKNOWN = "unknown"
    """Only the effect class says what may follow."""
    SAID_NO = "said no"
    """An answer: final for this key."""


class Kind(Model):
    """One kind of misbehaviour."""

    name: str
    means: Means
    applied: bool = True
    """Whether the bank has done it before its end misbehaves."""
    stdio: bool = False
    """Of a bank that is a child of the worker; the others are reached over HTTP."""


REFUSED = Kind(name="connection refused", means=Means.NOT_SENT, applied=False)
SAYS_NO = Kind(name="isError", means=Means.SAID_NO, applied=False)
KINDS = (
    Kind(name="reset before the call", means=Means.UNKNOWN, applied=False),
    Kind(name="reset before headers", means=Means.UNKNOWN),
    Kind(name="reset mid-body", means=Means.UNKNOWN),
    Kind(name="hang", means=Means.UNKNOWN),
    Kind(name="late reply", means=Means.UNKNOWN),
    Kind(name="half line", means=Means.DONE),
    Kind(name="garbage", means=Means.DONE),
    Kind(name="no JSON-RPC", means=Means.DONE),
    Kind(name="oversize", means=Means.DONE),
    Kind(name="wrong id", means=Means.UNKNOWN),
    Kind(name="slow drip", means=Means.DONE),
    Kind(name="HTTP 500", means=Means.UNKNOWN),
    Kind(name="HTTP 503 with Retry-After", means=Means.NOT_SENT, applied=False),
    Kind(name="schema violation", means=Means.DONE),
    REFUSED,
    SAYS_NO,
    Kind(name="stdout noise", means=Means.DONE, stdio=True),
    Kind(name="exit mid-call", means=Means.UNKNOWN, stdio=True),
    Kind(name="half line and exit", means=Means.UNKNOWN, stdio=True),
)
OF_NAME = {kind.name: kind for kind in KINDS}

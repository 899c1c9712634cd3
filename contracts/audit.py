"""The audit chain: what is told to auditors, and the signed checkpoints that make tampering show."""

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from contracts.canonical import canonical_json, digest
from contracts.model import Model, Moment

STREAMS = 8
"""Runs are spread over so many streams; what concerns no run stands in the stream GOVERNANCE."""
GOVERNANCE = "governance"
GENESIS = "sha256:" + "0" * 64
"""What the first record of a stream names as its predecessor."""


class AuditKind(StrEnum):
    """What happened."""

    RUN_STARTED = "run_started"
    RUN_REFUSED = "run_refused"
    CHILD_ENTERED = "child_entered"
    """A run is about to start another one as its child."""
    STATE_ENTERED = "state_entered"
    RULING = "ruling"
    CALL_REFUSED = "call_refused"
    """The gate refused a call before any rule was asked: a changed tool, no start record, arguments that do not fit."""
    REQUEST_OPENED = "request_opened"
    REQUEST_PASSED = "request_passed"
    REQUEST_CLOSED = "request_closed"
    REQUEST_REOPENED = "request_reopened"
    """A run that was reset waits for it again."""
    DECISION = "decision"
    DECISION_REFUSED = "decision_refused"
    CLAIMED = "claimed"
    SENT = "sent"
    RELEASED = "released"
    OUTCOME = "outcome"
    LOOKED_UP = "looked_up"
    """A call without an answer was looked up, and not found."""
    RESERVED = "reserved"
    """An effect counts in a running total from now on."""
    GIVEN_BACK = "given_back"
    """It had none, and no longer does."""
    EXTENDED = "extended"
    """Somebody has added to the budget of a run."""
    BREAKER = "breaker"
    """A server's breaker opened or closed, or somebody may look whether the server is back."""
    TURN = "turn"
    """Claude answered; the digest names the conversation up to that answer."""
    TAINTED = "tainted"
    READ = "read"
    """Somebody looked at what is kept about a run."""
    ACTIVATED = "activated"
    ENDORSED = "endorsed"
    BREAK_GLASS = "break_glass"
    FROZEN = "frozen"
    """Somebody stopped what would be sent."""
    THAWED = "thawed"
    COMMAND = "command"
    KEPT = "kept"
    """Something was decided for the life of the store: its mode, the key behind its pseudonyms."""
    NOTICE_FAILED = "notice_failed"
    RUN_ENDED = "run_ended"
    ORPHANED = "orphaned"
    """What a run left behind that ended without settling it was settled by the sweeper."""
    ERASED = "erased"
    """What was kept about somebody was emptied: once for the whole, and once for each run with what is left of it."""
    ACKNOWLEDGED = "acknowledged"
    """An operator has seen to what a swept run left behind."""


class AuditRecord(Model):
    """One thing that happened. Personal content stands in it by reference only."""

    kind: AuditKind
    at: Moment
    workflow_id: str = ""
    first_run_id: str = ""
    who: str = ""
    """Who did it, where a person or service did."""
    about: str = ""
    """What it concerns: an action digest, a request, a document, a tool."""
    facts: dict[str, JsonValue] = {}
    """Digests, names, words of ours. Never an argument, a result or a note: those are named by digest."""
    once: str = ""
    """Not empty: recorded once per run and kind under this name, however often it is told."""

    @property
    def stream(self) -> str:
        """Where it is appended: all of a run stands in one stream, in order."""
        return stream_of(self.workflow_id)


def stream_of(workflow_id: str) -> str:
    """The stream of a run; GOVERNANCE for what concerns none."""
    if not workflow_id:
        return GOVERNANCE
    return f"runs-{hashlib.sha256(workflow_id.encode('utf-8', 'surrogatepass')).digest()[0] % STREAMS}"


class ChainLink(Model):
    """A record in its place."""

    stream: str
    seq: int = Field(ge=1)
    previous: str
    """Hash of the link before, or GENESIS."""
    payload: str
    """The record as canonical JSON."""
    hash: str

    @staticmethod
    def hash_of(stream: str, seq: int, previous: str, payload: str) -> str:
        """SHA-256 over the canonical JSON of place, predecessor and the payload's own digest."""
        place: dict[str, JsonValue] = {"purpose": "interlock/audit/v1", "stream": stream, "seq": seq}
        return digest(place | {"previous": previous, "payload": digest(payload.encode())})

    @classmethod
    def after(cls, stream: str, seq: int, previous: str, record: AuditRecord) -> "ChainLink":
        """`record` as link number `seq` of `stream`, after the link with the hash `previous`."""
        payload = canonical_json(_speakable(record.model_dump(mode="json", exclude_defaults=True))).decode()
        link_hash = cls.hash_of(stream, seq, previous, payload)
        return cls(stream=stream, seq=seq, previous=previous, payload=payload, hash=link_hash)


def _speakable(value: JsonValue) -> JsonValue:
    """`value` without what has no canonical form: half of a surrogate pair must not keep an effect from its record."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_speakable(item) for item in value]
    if isinstance(value, dict):
        return {str(_speakable(name)): _speakable(item) for name, item in value.items()}
    return value


class StreamHead(Model):
    """How far a stream reaches."""

    seq: int
    hash: str


class Checkpoint(Model):
    """A signed statement over the heads of all streams. What is signed is every field but `signature`."""

    v: Literal[1] = 1
    deployment: str
    number: int = Field(ge=1)
    at: Moment
    heads: dict[str, StreamHead]
    previous: str = ""
    """Digest of the checkpoint before (its canonical JSON, signature included); empty for the first."""
    key_id: str
    signature: str = ""


class NumberedVisit(Model):
    """An entry into a state, with its number within the run."""

    number: int = Field(ge=1)
    state: str = Field(max_length=100)
    at: Moment


class VisitsToAudit(Model):
    """What a run tells auditors along with its next activity: the states it has entered since the last one."""

    visits: tuple[NumberedVisit, ...] = Field(max_length=50)


VISITS_HEADER = "interlock-visits"

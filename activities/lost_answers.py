"""What may follow a call that was sent and never answered: by its effect class alone (DESIGN section 6)."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from activities.ledger import LedgerEntry, LedgerState
from contracts.model import Moment
from contracts.tools import EffectClass, Lookup, ToolDefinition

SETTLING = "Settling"
"""Type of the error of an attempt that waits until a write must have appeared."""
GRACE = timedelta(seconds=2)
"""Past a tool's own timeout, for the answer or its absence to be recorded."""
IDEMPOTENT_SENDS = 5
IDEMPOTENT_WITHIN = timedelta(minutes=10)
LOOKED_UP_SENDS = 3
"""One, and at most two more after it was looked up and not found."""
LOOKUPS = 2
"""As often it must not be found, that long apart as a write may take to appear, before it is sent again."""


class Follow(StrEnum):
    """What the gate does next."""

    SEND = "send"
    WAIT = "wait"
    LOOK_UP = "look_up"
    ASK = "ask"
    """People: nothing else can know."""


class Course(NamedTuple):
    """What the gate does next, and why."""

    follow: Follow
    reason: str = ""
    wait: timedelta = timedelta()


def course_of(
    definition: ToolDefinition, entry: LedgerEntry, now: Moment, overwritten: bool, own: bool = False
) -> Course:
    """What follows for an entry that is not final.

    `overwritten`: an effect on the same resource was first sent after this one. `own`: whoever asks has sent it, and
    has no answer; else its sender may live, and people are not asked before it must have had one.
    """
    course = _by_class(definition, entry, now, overwritten)
    if course.follow is not Follow.ASK or own or entry.state is not LedgerState.SENT or entry.last_sent_at is None:
        return course
    over = entry.last_sent_at + timedelta(seconds=definition.leaves_within_seconds + definition.timeout_seconds)
    return Course(Follow.WAIT, course.reason, over + GRACE - now) if over + GRACE > now else course


def _by_class(definition: ToolDefinition, entry: LedgerEntry, now: Moment, overwritten: bool) -> Course:
    if entry.first_sent_at is None or entry.last_sent_at is None or entry.state is LedgerState.CLAIMED:
        return Course(Follow.SEND)
    match entry.effect_class:
        case EffectClass.READ:
            return Course(Follow.SEND)
        case EffectClass.IDEMPOTENT:
            return _idempotent(entry, now, overwritten)
        case EffectClass.KEYED:
            return _keyed(definition, entry, now)
        case EffectClass.QUERYABLE:
            return _queryable(definition.lookup, entry, now)
        case EffectClass.OPAQUE:
            return Course(Follow.ASK, "it was sent and no answer came; sending it again could do it twice")


def _idempotent(entry: LedgerEntry, now: Moment, overwritten: bool) -> Course:
    assert entry.first_sent_at is not None
    age = now - entry.first_sent_at
    if overwritten:
        return Course(Follow.ASK, "the same was written anew since it was sent; sending it again would take that back")
    if entry.sends >= IDEMPOTENT_SENDS or age > IDEMPOTENT_WITHIN:
        return Course(Follow.ASK, f"sent {entry.sends} times in {_seconds(age)} without an answer")
    return Course(Follow.SEND)


def _keyed(definition: ToolDefinition, entry: LedgerEntry, now: Moment) -> Course:
    assert entry.first_sent_at is not None
    age = now - entry.first_sent_at
    horizon = definition.key.horizon_seconds / 2 if definition.key else 0
    if age.total_seconds() < horizon:
        return Course(Follow.SEND)
    forgotten = f"sent {_seconds(age)} ago; the server may have forgotten the key"
    return _queryable(definition.lookup, entry, now) if definition.lookup else Course(Follow.ASK, forgotten)


def _queryable(lookup: Lookup | None, entry: LedgerEntry, now: Moment) -> Course:
    assert entry.last_sent_at is not None
    if lookup is None:
        return Course(Follow.ASK, "it was sent and no answer came, and nobody has said how to look it up")
    settled = max(entry.last_sent_at, entry.looked_up_at or entry.last_sent_at)
    settled += timedelta(seconds=lookup.slowest_seconds)
    if entry.lookups < LOOKUPS:
        return Course(Follow.WAIT, "", settled - now) if settled > now else Course(Follow.LOOK_UP)
    if entry.sends < LOOKED_UP_SENDS:
        return Course(Follow.SEND)
    return Course(Follow.ASK, f"sent {entry.sends} times, and never found by {lookup.tool}")


def _seconds(age: timedelta) -> str:
    return f"{age.total_seconds():.0f} s"

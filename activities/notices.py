"""Notices to people: rows of an outbox, written with what they tell of, sent and retried per recipient."""

from enum import StrEnum
from typing import Protocol

from contracts.model import Model, Moment


class NoticeEvent(StrEnum):
    """What people are told."""

    REQUEST = "request"
    REMINDER = "reminder"
    HANDED_ON = "handed_on"
    EXPIRED = "expired"
    DECIDED = "decided"
    BREAK_GLASS = "break_glass"
    FROZEN = "frozen"
    THAWED = "thawed"
    ORPHANED = "orphaned"


class Notice(Model):
    """One message to one person. It carries no authority and no argument of a call."""

    id: str
    """The same for the same event and recipient, so that it is told once."""
    event: NoticeEvent
    recipient: str
    """Subject of the roster; empty for channels that tell nobody in particular."""
    address: str
    """Where it goes: a mail address; empty for channels that need none."""
    subject: str
    body: str
    request_id: str = ""
    workflow_id: str = ""
    first_run_id: str = ""


class NoticeState(StrEnum):
    """Where a notice stands."""

    WAITING = "waiting"
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"


class NoticeRow(Model):
    """A notice in the outbox."""

    notice: Notice
    channel: str
    state: NoticeState
    attempts: int
    entered_at: Moment
    next_at: Moment
    """When it is tried next; when it was sent or given up, once that is so."""
    last_problem: str = ""


class Route(Model):
    """A channel, and which notices it takes."""

    channel: str
    personal: bool
    """Whether it goes to one person's address, or tells nobody in particular."""
    events: tuple[NoticeEvent, ...] = tuple(NoticeEvent)

    def takes(self, notice: Notice) -> bool:
        """Whether the notice leaves through this channel."""
        return notice.event in self.events and bool(notice.address) == self.personal


class Outbox(Protocol):
    """Every write commits before it returns."""

    async def put(self, notices: tuple[Notice, ...], at: Moment) -> None:
        """Enter notices, once per id and channel that takes them."""

    async def undeliverable(self, limit: int) -> tuple[NoticeRow, ...]:
        """What could not be delivered, the newest first."""

"""What the compliance log answers with."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class EntryKind(StrEnum):
    CHECKOUT = "checkout"
    REVERSAL = "reversal"


class Entry(Record):
    entry_id: str
    kind: EntryKind
    booking_number: str
    cents: int = Field(description="what was charged; of a reversal, what is no longer")
    reference: str
    entry_key: str = Field(description="the caller's own key, as it was given")
    written_at: datetime


class Entries(Record):
    booking_number: str
    reference: str
    standing_count: int = Field(description="checkouts that no reversal was written for")
    standing_cents: int
    entries: list[Entry] = Field(description="oldest first")

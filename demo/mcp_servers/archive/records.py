"""What the archive answers with."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class DatasetStatus(StrEnum):
    ACTIVE = "active"
    MARKED = "marked"
    PURGED = "purged"


class Dataset(Record):
    dataset: str
    title: str
    owner: str
    kind: str
    status: DatasetStatus
    row_count: int
    content_digest: str = Field(description="of everything in it; empty once it is purged")
    last_used_at: datetime
    legal_hold: str | None = Field(description="who forbids to delete it, and why, or null")
    marked_by: str | None = Field(description="the reference of whoever has marked it for deletion")
    purge_from: datetime | None = Field(description="it is not purged before")
    purged_by: str | None


class Datasets(Record):
    count: int
    datasets: list[Dataset]


class Sample(Record):
    dataset: str
    rows: list[str]
    last_used_at: datetime

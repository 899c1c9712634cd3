"""What the change register takes and answers with."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class ChangeKind(StrEnum):
    DEPLOYMENT = "deployment"
    CREDENTIAL_ROTATION = "credential_rotation"
    DATA_DELETION = "data_deletion"


class ChangeStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Step(Record):
    tool: str = Field(min_length=1, max_length=200, description="such as releases.deploy")
    arguments: dict[str, str | int] = Field(max_length=20)
    expected: str = Field(max_length=400, description="what should come of it")
    check: dict[str, str | int] = Field(max_length=20, description="what must be read afterwards")
    undo: str = Field(max_length=200, description="the tool that takes it back; empty when nothing does")
    action: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="the digest of exactly this call")


class Change(Record):
    change_id: str
    kind: ChangeKind
    subject: str
    summary: str
    plan_digest: str
    step_count: int
    status: ChangeStatus
    reference: str
    opened_at: datetime
    closed_at: datetime | None


class Changes(Record):
    subject: str
    open_count: int
    count: int
    changes: list[Change] = Field(description="the newest first")

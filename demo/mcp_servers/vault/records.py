"""What the vault answers with: never a secret, only which version of it is where."""

from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class Uses(StrEnum):
    CURRENT = "current"
    PENDING = "pending"


class Consumer(Record):
    consumer: str
    uses: Uses


class Credential(Record):
    credential: str
    purpose: str
    current_version: int
    pending_version: int | None = Field(description="issued, and not yet the only one that is valid")
    issued_by: str | None = Field(description="the reference of whoever has issued the pending version")
    revoked_version: int | None = Field(description="the version that was revoked last")
    revoked_by: str | None
    consumer_count: int
    consumers: list[Consumer] = Field(description="by name")


class Credentials(Record):
    count: int
    credentials: list[Credential]

"""What the release system answers with."""

from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class Stage(StrEnum):
    CANARY = "canary"
    ALL = "all"


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"


class Service(Record):
    service: str
    team: str
    instances: int
    version: str = Field(description="what every instance runs, the canary apart")
    status: Health
    error_permille: int = Field(description="failing calls of a thousand")
    canary: str | None = Field(description="the version that one instance is trying, or null")
    canary_status: Health | None
    changed_by: str | None = Field(description="the reference of whoever has deployed last")


class Services(Record):
    count: int
    services: list[Service]


class VersionStatus(StrEnum):
    CANDIDATE = "candidate"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


class Version(Record):
    service: str
    version: str
    status: VersionStatus
    notes: str


class Versions(Record):
    count: int
    versions: list[Version]

"""What the ticket system answers with."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class TicketKind(StrEnum):
    HARDWARE = "hardware"
    WORKPLACE = "workplace"
    BADGE = "badge"
    TAKE_BACK = "take_back"


class TicketStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    CLOSED = "closed"


class Ticket(Record):
    ticket_id: str
    employee_id: str
    kind: TicketKind
    reference: str
    status: TicketStatus
    needed_by: date
    express: bool = Field(description="it is needed sooner than such a thing usually takes")
    requested_at: datetime


class Tickets(Record):
    employee_id: str
    standing_count: int = Field(description="those that are open or done, without take-backs")
    tickets: list[Ticket] = Field(description="the oldest first")


class Closing(Record):
    employee_id: str
    reference: str
    closed_count: int = Field(description="0 when nothing was open")
    take_back: str | None = Field(description="the ticket by which handed-out hardware is fetched again, or null")

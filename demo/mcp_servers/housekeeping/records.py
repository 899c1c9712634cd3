"""What the housekeeping board answers with."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class TaskKind(StrEnum):
    DEPARTURE_CLEAN = "departure_clean"
    STAYOVER_CLEAN = "stayover_clean"
    INSPECTION = "inspection"
    REPAIR = "repair"


class TaskStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class Task(Record):
    task_id: str
    room_number: str
    kind: TaskKind
    reference: str
    status: TaskStatus
    requested_at: datetime
    due_by: datetime = Field(description="a room of a guest who has left is done within three hours")


class Tasks(Record):
    room_number: str
    open_count: int
    newest_for: str | None = Field(description="the reference of the newest task that was not cancelled, or null")
    tasks: list[Task] = Field(description="all tasks of the room, oldest first")


class Cancellation(Record):
    room_number: str
    reference: str
    cancelled_count: int = Field(description="0 when there was nothing to cancel")


class Department(StrEnum):
    SERVICE = "service"
    MAINTENANCE = "maintenance"


class ServiceType(StrEnum):
    TOWELS = "towels"
    PILLOWS = "pillows"
    CLEANING = "cleaning"
    LAUNDRY = "laundry"
    ROOM_SERVICE = "room_service"
    WAKE_UP_CALL = "wake_up_call"
    LUGGAGE = "luggage"
    OTHER = "other"


class MaintenanceType(StrEnum):
    PLUMBING = "plumbing"
    ELECTRICAL = "electrical"
    HEATING = "heating"
    LOCK = "lock"
    FURNITURE = "furniture"
    INTERNET = "internet"
    OTHER = "other"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class RequestStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Wanted(Record):
    department: Department
    room_number: str
    type: str
    priority: Priority
    requested_by: str
    description: str


class Request(Wanted):
    request_id: str
    client_token: str
    reference: str
    status: RequestStatus
    requested_at: datetime
    due_by: datetime


class Requests(Record):
    room_number: str
    open_count: int
    requests: list[Request] = Field(description="the newest first")


class Withdrawal(Record):
    room_number: str
    reference: str
    withdrawn_count: int = Field(description="0 when there was nothing to withdraw")

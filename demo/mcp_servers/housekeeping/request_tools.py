"""The housekeeping board's tools for what guests and staff ask for: services and repairs."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.housekeeping.records import (
    Department,
    MaintenanceType,
    Priority,
    Request,
    Requests,
    ServiceType,
    Wanted,
    Withdrawal,
)
from demo.mcp_servers.housekeeping.requests import RequestBook
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ_FROM_STRANGERS,
    IdempotencyKey,
    Reference,
    RoomNumber,
    saying_why,
)

Person = Annotated[str, Field(min_length=1, max_length=254, description="Who asks for it")]
Description = Annotated[str, Field(min_length=1, max_length=1_000, description="What is wanted, in their words")]
ClientToken = Annotated[
    str, Field(min_length=1, max_length=100, description="Their own token: one for each request, for good")
]
AnyReference = Annotated[str, Field(max_length=200, description="only those under this reference; empty for any")]


def add_requests(server: MCPServer, book: RequestBook) -> None:
    """Everything about requests."""
    _add_services(server, book)
    _add_repairs(server, book)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def finish_request(
        request_id: Annotated[str, Field(min_length=1, max_length=40, description="such as RQ-1001")],
    ) -> Request:
        """Say that somebody has seen to a request. Repeating it changes nothing."""
        with saying_why():
            return book.finish(request_id)


def _add_services(server: MCPServer, book: RequestBook) -> None:
    @server.tool(annotations=READ_FROM_STRANGERS)
    def service_requests_of_room(room_number: RoomNumber, reference: AnyReference = "") -> Requests:
        """List what guests of a room have asked for, in their own words, the newest first."""
        return book.of_room(Department.SERVICE, room_number, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def submit_service_request(
        room_number: RoomNumber,
        type: ServiceType,  # noqa: A002 - the word of those who call
        priority: Priority,
        requested_by: Person,
        description: Description,
        client_token: ClientToken,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Request:
        """Have a service done. A room has one open request of a type; a repeated key gives the same request."""
        wanted = Wanted(
            department=Department.SERVICE,
            room_number=room_number,
            type=type.value,
            priority=priority,
            requested_by=requested_by,
            description=description,
        )
        with saying_why():
            return book.submit(wanted, client_token, reference, idempotency_key)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def withdraw_service_request(room_number: RoomNumber, reference: Reference) -> Withdrawal:
        """Withdraw the open requests of a room that have this reference. Succeeds when there is none."""
        with saying_why():
            return book.withdraw(Department.SERVICE, room_number, reference)


def _add_repairs(server: MCPServer, book: RequestBook) -> None:
    @server.tool(annotations=READ_FROM_STRANGERS)
    def maintenance_requests_of_room(room_number: RoomNumber, reference: AnyReference = "") -> Requests:
        """List what is to be repaired in a room, the newest first."""
        return book.of_room(Department.MAINTENANCE, room_number, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def submit_maintenance_request(
        room_number: RoomNumber,
        type: MaintenanceType,  # noqa: A002 - the word of those who call
        priority: Priority,
        requested_by: Person,
        description: Description,
        client_token: ClientToken,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Request:
        """Have something repaired. A room has one open request of a type; a repeated key gives the same request."""
        wanted = Wanted(
            department=Department.MAINTENANCE,
            room_number=room_number,
            type=type.value,
            priority=priority,
            requested_by=requested_by,
            description=description,
        )
        with saying_why():
            return book.submit(wanted, client_token, reference, idempotency_key)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def withdraw_maintenance_request(room_number: RoomNumber, reference: Reference) -> Withdrawal:
        """Withdraw the open requests of a room that have this reference. Succeeds when there is none."""
        with saying_why():
            return book.withdraw(Department.MAINTENANCE, room_number, reference)

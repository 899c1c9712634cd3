"""The ticket system's tools."""

from datetime import date
from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.tickets.desk import Desk
from demo.mcp_servers.tickets.records import Closing, Ticket, TicketKind, Tickets
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    EmployeeId,
    IdempotencyKey,
    Reference,
    saying_why,
)

AnyReference = Annotated[str, Field(max_length=200, description="only tickets of this reference; empty for any")]


def build_server(desk: Desk) -> MCPServer:
    """The ticket system over the given service desk."""
    instructions = "What people need at work."
    server = MCPServer("tickets", version="1.0", instructions=instructions, log_level="WARNING")

    @server.tool(annotations=READ)
    def tickets_of(employee_id: EmployeeId, reference: AnyReference = "") -> Tickets:
        """List what was ordered for a person, and how far it is."""
        return desk.tickets_of(employee_id, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def create_ticket(
        employee_id: EmployeeId,
        kind: TicketKind,
        needed_by: date,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Ticket:
        """Order something for a person. One ticket of a kind is open at a time; a repeated key is the same ticket."""
        with saying_why():
            return desk.create(employee_id, kind, needed_by, reference, idempotency_key)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def close_tickets(employee_id: EmployeeId, reference: Reference) -> Closing:
        """Close a person's open tickets of this reference, and have handed-out hardware fetched. None is fine too."""
        with saying_why():
            return desk.close(employee_id, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def finish_ticket(
        ticket_id: Annotated[str, Field(min_length=1, max_length=40, description="such as IT-1001")],
    ) -> Ticket:
        """Say that a ticket is done. Repeating it changes nothing."""
        with saying_why():
            return desk.finish(ticket_id)

    return server

"""The property system's tools."""

from typing import Annotated, Literal

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.property.records import Booking, Bookings, Room
from demo.mcp_servers.property.register import Register
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    BookingNumber,
    GuestEmail,
    MadeBy,
    Reference,
    RoomNumber,
    saying_why,
)

AnyBooking = Annotated[str, Field(max_length=40, description="only this booking; empty for any")]
AnyRoom = Annotated[str, Field(max_length=10, description="only stays in this room; empty for any")]
AnyDay = Annotated[
    str,
    Field(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$", description="only stays that begin on this day; empty for any"),
]
AnyStatus = Annotated[
    Literal["", "booked", "in_house", "checked_out", "cancelled"], Field(description="empty for any status")
]


def build_server(register: Register) -> MCPServer:
    """The property system over the given register."""
    server = MCPServer("property", version="1.0", instructions="Bookings and rooms of a hotel.", log_level="WARNING")
    _add_reads(server, register)
    _add_arrivals(server, register)
    _add_departures(server, register)
    _add_rooms(server, register)
    _add_repairs(server, register)
    _add_corrections(server, register)
    return server


def _add_reads(server: MCPServer, register: Register) -> None:
    @server.tool(annotations=READ)
    def find_bookings(
        guest_email: GuestEmail,
        booking_number: AnyBooking = "",
        room_number: AnyRoom = "",
        status: AnyStatus = "",
        arrival: AnyDay = "",
    ) -> Bookings:
        """Find a guest's bookings, past, present and future: dates, room, status and what is due, in cents."""
        return register.find_bookings(guest_email, booking_number, room_number, status, arrival)

    @server.tool(annotations=READ)
    def find_room(room_number: RoomNumber) -> Room:
        """Look at a room: whether it is clean, and which booking and guest are in it."""
        with saying_why():
            return register.find_room(room_number)


def _add_arrivals(server: MCPServer, register: Register) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def check_in(booking_number: BookingNumber, reference: Reference) -> Booking:
        """Check a guest in who is expected. Repeating it under the same reference changes nothing."""
        with saying_why():
            return register.check_in(booking_number, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def undo_check_in(booking_number: BookingNumber, reference: Reference) -> Booking:
        """Take back the check-in that was made under this reference. Succeeds when there is none."""
        with saying_why():
            return register.undo_check_in(booking_number, reference)


def _add_departures(server: MCPServer, register: Register) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def check_out(booking_number: BookingNumber, reference: Reference) -> Booking:
        """Check a guest out who is in house; takes no payment. Repeated under the same reference it changes nothing."""
        with saying_why():
            return register.check_out(booking_number, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def reinstate(booking_number: BookingNumber, reference: Reference) -> Booking:
        """Take back the check-out that was made under this reference. Succeeds when there is none."""
        with saying_why():
            return register.reinstate(booking_number, reference)


def _add_rooms(server: MCPServer, register: Register) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def send_to_cleaning(room_number: RoomNumber, reference: Reference) -> Room:
        """Say that a vacant room is to be cleaned. Repeating it under the same reference changes nothing."""
        with saying_why():
            return register.send_to_cleaning(room_number, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def mark_clean(room_number: RoomNumber) -> Room:
        """Say that a room has been cleaned. Repeating it changes nothing."""
        with saying_why():
            return register.mark_clean(room_number)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def take_back_from_cleaning(room_number: RoomNumber, reference: Reference) -> Room:
        """Restore how a room was before it was sent to cleaning under this reference. Succeeds when it was not."""
        with saying_why():
            return register.take_back_from_cleaning(room_number, reference)


def _add_repairs(server: MCPServer, register: Register) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def take_out_of_order(room_number: RoomNumber, reference: Reference) -> Room:
        """Say that nobody is given a vacant room until it is repaired. Repeating it changes nothing."""
        with saying_why():
            return register.take_out_of_order(room_number, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def put_back_in_order(room_number: RoomNumber, reference: Reference) -> Room:
        """Restore how a room was before it was taken out of order under this reference. Succeeds when it was not."""
        with saying_why():
            return register.put_back_in_order(room_number, reference)


def _add_corrections(server: MCPServer, register: Register) -> None:
    # What another has done, taken back by somebody who may: they say whose it is, and nobody else's changes.
    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def take_back_check_out(booking_number: BookingNumber, made_by: MadeBy) -> Booking:
        """Put a guest back in house whom somebody else has checked out. Succeeds when they have not."""
        with saying_why():
            return register.reinstate(booking_number, made_by)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def take_back_cleaning(room_number: RoomNumber, made_by: MadeBy) -> Room:
        """Restore how a room was before somebody else sent it to cleaning. Succeeds when they have not."""
        with saying_why():
            return register.take_back_from_cleaning(room_number, made_by)

"""What the property system answers with."""

from datetime import date
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class BookingStatus(StrEnum):
    BOOKED = "booked"
    IN_HOUSE = "in_house"
    CHECKED_OUT = "checked_out"
    CANCELLED = "cancelled"


class RoomStatus(StrEnum):
    CLEAN = "clean"
    DIRTY = "dirty"
    CLEANING = "cleaning"
    OUT_OF_ORDER = "out_of_order"


class Booking(Record):
    booking_number: str
    guest_name: str
    guest_email: str
    room_number: str
    arrival: date
    departure: date
    status: BookingStatus
    total_cents: int = Field(description="nights and extras")
    paid_cents: int = Field(description="paid before departure")
    due_cents: int = Field(description="what is left to pay")
    currency: str
    checked_in_by: str | None = Field(description="the reference of whoever has checked the guest in")
    checked_out_by: str | None = Field(description="the reference of whoever has checked the guest out")


class Bookings(Record):
    today: date = Field(description="the day it is in the house")
    count: int
    bookings: list[Booking] = Field(description="the latest arrival first")


class Room(Record):
    room_number: str
    floor: int
    kind: str
    status: RoomStatus
    occupied_by: str | None = Field(description="the booking in house, or null")
    guest_name: str | None = Field(description="who is in house there, or null")
    guest_email: str | None
    sent_to_cleaning_by: str | None = Field(description="the reference of whoever has sent it to cleaning")
    out_of_order_by: str | None = Field(description="the reference of whoever has taken it out of order")

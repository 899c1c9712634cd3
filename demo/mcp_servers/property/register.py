"""The register of bookings and rooms, in SQLite, with the rules for checking in and out and for cleaning."""

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

from demo.mcp_servers import hotel, world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.property.records import Booking, Bookings, BookingStatus, Room, RoomStatus
from demo.mcp_servers.refusals import Refused

TABLES = (
    """CREATE TABLE rooms (
        room_number TEXT PRIMARY KEY, floor INTEGER NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
        status_before TEXT, sent_to_cleaning_by TEXT, in_order_status TEXT, out_of_order_by TEXT)""",
    """CREATE TABLE bookings (
        booking_number TEXT PRIMARY KEY, guest_name TEXT NOT NULL, guest_email TEXT NOT NULL COLLATE NOCASE,
        room_number TEXT NOT NULL REFERENCES rooms, arrival TEXT NOT NULL, departure TEXT NOT NULL,
        status TEXT NOT NULL, total_cents INTEGER NOT NULL, paid_cents INTEGER NOT NULL, currency TEXT NOT NULL,
        checked_in_by TEXT, checked_out_by TEXT)""",
    "CREATE INDEX bookings_of_guest ON bookings (guest_email, arrival)",
    "CREATE UNIQUE INDEX one_guest_in_house ON bookings (room_number) WHERE status = 'in_house'",
)

VIEWS = {
    "rooms": "room_number, floor, kind, status, sent_to_cleaning_by, in_order_status, out_of_order_by",
    "bookings": "booking_number, guest_name, guest_email, room_number, arrival, departure, status, total_cents, "
    "paid_cents, currency, checked_in_by, checked_out_by",
}


class Register:
    """Reads and writes bookings and rooms; refuses in sentences. Every change names its caller's own reference."""

    def __init__(self, folder: Path, today: Callable[[], date] = world.today) -> None:
        self._today = today
        self._datafile = DataFile.create(
            folder / "property.db", TABLES, VIEWS, lambda connection: _fill(connection, today())
        )

    def find_bookings(
        self, guest_email: str, booking_number: str, room_number: str, status: str, arrival: str = ""
    ) -> Bookings:
        """A guest's bookings, whatever their dates; an empty condition is none."""
        with self._datafile.reading() as connection:
            rows = connection.execute(
                """SELECT *, total_cents - paid_cents AS due_cents FROM bookings
                   WHERE guest_email = ?1 AND ?2 IN ('', booking_number) AND ?3 IN ('', room_number)
                       AND ?4 IN ('', status) AND ?5 IN ('', arrival)
                   ORDER BY arrival DESC, booking_number DESC""",
                (guest_email.strip(), booking_number, room_number, status, arrival),
            )
            found = [Booking(**row) for row in rows]
        return Bookings(today=self._today(), count=len(found), bookings=found)

    def find_room(self, room_number: str) -> Room:
        with self._datafile.reading() as connection:
            return _room(connection, room_number)

    def check_in(self, booking_number: str, reference: str) -> Booking:
        """The guest arrives: not before the day, and not into a room that is taken or not clean."""
        with self._datafile.writing() as connection:
            booking = _booking(connection, booking_number)
            if booking.checked_in_by != reference:
                _refuse_check_in(booking, _room(connection, booking.room_number), self._today())
                _change_booking(connection, booking_number, status="in_house", checked_in_by=reference)
            return _booking(connection, booking_number)

    def undo_check_in(self, booking_number: str, reference: str) -> Booking:
        """Take back this caller's check-in; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            booking = _booking(connection, booking_number)
            if booking.checked_in_by == reference and booking.status is BookingStatus.IN_HOUSE:
                _change_booking(connection, booking_number, status="booked", checked_in_by=None)
            return _booking(connection, booking_number)

    def check_out(self, booking_number: str, reference: str) -> Booking:
        """The guest leaves; the room is vacant from then on. Whoever has done it may say so again."""
        with self._datafile.writing() as connection:
            booking = _booking(connection, booking_number)
            if booking.checked_out_by != reference:
                _refuse_check_out(booking)
                _change_booking(connection, booking_number, status="checked_out", checked_out_by=reference)
            return _booking(connection, booking_number)

    def reinstate(self, booking_number: str, reference: str) -> Booking:
        """Take back this caller's check-out; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            booking = _booking(connection, booking_number)
            if booking.checked_out_by == reference:
                _refuse_taken(_room(connection, booking.room_number), booking)
                _change_booking(connection, booking_number, status="in_house", checked_out_by=None)
            return _booking(connection, booking_number)

    def send_to_cleaning(self, room_number: str, reference: str) -> Room:
        """The room is to be cleaned: not while a guest is in it. Whoever has done it may say so again."""
        with self._datafile.writing() as connection:
            room = _room(connection, room_number)
            if room.sent_to_cleaning_by != reference:
                _refuse_cleaning(room)
                connection.execute(
                    """UPDATE rooms SET status_before = status, status = 'cleaning', sent_to_cleaning_by = ?
                       WHERE room_number = ?""",
                    (reference, room_number),
                )
            return _room(connection, room_number)

    def take_back_from_cleaning(self, room_number: str, reference: str) -> Room:
        """Restore how the room was before this caller sent it to cleaning; otherwise nothing changes."""
        with self._datafile.writing() as connection:
            _room(connection, room_number)
            connection.execute(
                """UPDATE rooms SET status = status_before, status_before = NULL, sent_to_cleaning_by = NULL
                   WHERE room_number = ? AND sent_to_cleaning_by = ? AND status = 'cleaning'""",
                (room_number, reference),
            )
            return _room(connection, room_number)

    def take_out_of_order(self, room_number: str, reference: str) -> Room:
        """Nobody is given the room until it is repaired: not while a guest is in it. It may be said again."""
        with self._datafile.writing() as connection:
            room = _room(connection, room_number)
            if room.out_of_order_by != reference:
                _refuse_out_of_order(room)
                connection.execute(
                    """UPDATE rooms SET in_order_status = status, status = 'out_of_order', out_of_order_by = ?
                       WHERE room_number = ?""",
                    (reference, room_number),
                )
            return _room(connection, room_number)

    def put_back_in_order(self, room_number: str, reference: str) -> Room:
        """Restore how the room was before this caller took it out of order; otherwise nothing changes."""
        with self._datafile.writing() as connection:
            _room(connection, room_number)
            connection.execute(
                """UPDATE rooms SET status = in_order_status, in_order_status = NULL, out_of_order_by = NULL
                   WHERE room_number = ? AND out_of_order_by = ? AND status = 'out_of_order'""",
                (room_number, reference),
            )
            return _room(connection, room_number)

    def mark_clean(self, room_number: str) -> Room:
        """Somebody has cleaned the room, and it can be given to the next guest."""
        with self._datafile.writing() as connection:
            room = _room(connection, room_number)
            if room.status is RoomStatus.OUT_OF_ORDER:
                raise Refused(f"room {room_number!r} is out_of_order; have it repaired first")
            connection.execute(
                "UPDATE rooms SET status = 'clean', status_before = NULL WHERE room_number = ?", (room_number,)
            )
            return _room(connection, room_number)


def _refuse_check_in(booking: Booking, room: Room, today: date) -> None:
    number = booking.booking_number
    if booking.status is not BookingStatus.BOOKED:
        raise Refused(f"booking {number!r} is {booking.status.value}; only a guest who is expected can be checked in")
    if today < booking.arrival:
        raise Refused(f"booking {number!r} begins on {booking.arrival}; change its dates first")
    if today >= booking.departure:
        raise Refused(f"booking {number!r} was until {booking.departure}; make a new one")
    _refuse_taken(room, booking)
    if room.status is not RoomStatus.CLEAN:
        raise Refused(f"room {room.room_number!r} is {room.status.value}; have it cleaned, or give another room")


def _refuse_check_out(booking: Booking) -> None:
    number = booking.booking_number
    if booking.status is BookingStatus.CHECKED_OUT:
        by = repr(booking.checked_out_by) if booking.checked_out_by else "hand"
        raise Refused(f"booking {number!r} was checked out before, by {by}")
    if booking.status is not BookingStatus.IN_HOUSE:
        raise Refused(f"booking {number!r} is {booking.status.value}; only a guest in house can be checked out")


def _refuse_taken(room: Room, booking: Booking) -> None:
    if room.occupied_by is not None:
        raise Refused(
            f"room {room.room_number!r} is taken by booking {room.occupied_by!r}; "
            f"give booking {booking.booking_number!r} another room first"
        )


def _refuse_cleaning(room: Room) -> None:
    if room.occupied_by is not None:
        raise Refused(f"room {room.room_number!r} is taken by booking {room.occupied_by!r}; check the guest out first")
    if room.status in (RoomStatus.CLEANING, RoomStatus.OUT_OF_ORDER):
        raise Refused(f"room {room.room_number!r} is {room.status.value} already")


def _refuse_out_of_order(room: Room) -> None:
    if room.occupied_by is not None:
        raise Refused(f"room {room.room_number!r} is taken by booking {room.occupied_by!r}; move the guest first")
    if room.status is RoomStatus.OUT_OF_ORDER:
        raise Refused(f"room {room.room_number!r} is out_of_order already")


def _booking(connection: sqlite3.Connection, booking_number: str) -> Booking:
    row = connection.execute(
        "SELECT *, total_cents - paid_cents AS due_cents FROM bookings WHERE booking_number = ?", (booking_number,)
    ).fetchone()
    if row is None:
        raise Refused(f"there is no booking {booking_number!r}; find the guest's bookings by e-mail address")
    return Booking(**row)


def _room(connection: sqlite3.Connection, room_number: str) -> Room:
    row = connection.execute(
        """SELECT rooms.*, bookings.booking_number AS occupied_by, bookings.guest_name, bookings.guest_email FROM rooms
           LEFT JOIN bookings ON bookings.room_number = rooms.room_number AND bookings.status = 'in_house'
           WHERE rooms.room_number = ?""",
        (room_number,),
    ).fetchone()
    if row is None:
        raise Refused(f"there is no room {room_number!r}; look at the guest's booking")
    return Room(**row)


def _change_booking(connection: sqlite3.Connection, booking_number: str, **changes: str | None) -> None:
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(
        f"UPDATE bookings SET {columns} WHERE booking_number = ?",  # noqa: S608 - the names are ours
        (*changes.values(), booking_number),
    )


def _fill(connection: sqlite3.Connection, as_of: date) -> None:
    connection.executemany(
        "INSERT INTO rooms (room_number, floor, kind, status) VALUES (?, ?, ?, ?)",
        [(room.room_number, room.floor, room.kind, room.status) for room in hotel.ROOMS],
    )
    rates = {room.room_number: room.night_cents for room in hotel.ROOMS}
    for booking in hotel.bookings(as_of):
        nights = (booking.departure - booking.arrival).days
        total = nights * rates[booking.room_number] + booking.extras_cents
        dates = (booking.arrival.isoformat(), booking.departure.isoformat())
        connection.execute(
            "INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (
                booking.booking_number,
                booking.guest.name,
                booking.guest.email,
                booking.room_number,
                *dates,
                booking.status,
                total,
                booking.paid_cents,
                world.CURRENCY,
            ),
        )

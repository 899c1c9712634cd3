"""What guests and staff ask for: a service in a room, or a repair. One open request of a type for each room."""

import sqlite3
from datetime import UTC, datetime, timedelta

from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.housekeeping.records import (
    Department,
    Priority,
    Request,
    Requests,
    RequestStatus,
    Wanted,
    Withdrawal,
)
from demo.mcp_servers.refusals import Refused

MINUTES_FOR = {
    Department.SERVICE: {Priority.URGENT: 15, Priority.HIGH: 30, Priority.NORMAL: 60, Priority.LOW: 240},
    Department.MAINTENANCE: {Priority.URGENT: 60, Priority.HIGH: 240, Priority.NORMAL: 1440, Priority.LOW: 4320},
}
"""Within so long somebody has seen to it."""
SAME_FOR_A_TOKEN = ("room_number", "type", "priority", "requested_by", "description")

TABLES = (
    """CREATE TABLE requests (
        number INTEGER PRIMARY KEY AUTOINCREMENT, department TEXT NOT NULL, room_number TEXT NOT NULL REFERENCES rooms,
        type TEXT NOT NULL, priority TEXT NOT NULL, requested_by TEXT NOT NULL, description TEXT NOT NULL,
        client_token TEXT NOT NULL, reference TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
        requested_at TEXT NOT NULL, due_by TEXT NOT NULL)""",
    """CREATE UNIQUE INDEX one_open_request_of_a_type ON requests (department, room_number, type)
        WHERE status = 'open'""",
    "CREATE INDEX requests_of_token ON requests (department, client_token)",
)
VIEWS = {
    "requests": "number, department, room_number, type, priority, requested_by, description, client_token, reference, "
    "status, requested_at, due_by"
}


class RequestBook:
    """Reads and writes requests; refuses in sentences. Every one is kept under its caller's own reference."""

    def __init__(self, datafile: DataFile) -> None:
        self._datafile = datafile

    def of_room(self, department: Department, room_number: str, reference: str) -> Requests:
        with self._datafile.reading() as connection:
            every = _requests(connection, department, "room_number", room_number)
        found = [request for request in every if reference in ("", request.reference)]
        open_count = sum(request.status is RequestStatus.OPEN for request in found)
        return Requests(room_number=room_number, open_count=open_count, requests=found[::-1])

    def submit(self, wanted: Wanted, client_token: str, reference: str, key: str) -> Request:
        """Enter a request, once per key, per token, and per room and type while it is open."""
        with self._datafile.writing() as connection:
            known = connection.execute("SELECT * FROM requests WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return _same(_request(known), wanted, client_token, reference)
            _refuse_room(connection, wanted.room_number)
            _refuse_token(_requests(connection, wanted.department, "client_token", client_token), wanted)
            _refuse_second(_requests(connection, wanted.department, "room_number", wanted.room_number), wanted)
            now = datetime.now(UTC)
            due_by = now + timedelta(minutes=MINUTES_FOR[wanted.department][wanted.priority])
            named = {"client_token": client_token, "reference": reference, "idempotency_key": key}
            times = {"requested_at": now.isoformat(), "due_by": due_by.isoformat()}
            connection.execute(
                """INSERT INTO requests (department, room_number, type, priority, requested_by, description,
                       client_token, reference, idempotency_key, status, requested_at, due_by)
                   VALUES (:department, :room_number, :type, :priority, :requested_by, :description,
                       :client_token, :reference, :idempotency_key, 'open', :requested_at, :due_by)""",
                wanted.model_dump(mode="json") | named | times,
            )
            return _requests(connection, wanted.department, "room_number", wanted.room_number)[-1]

    def withdraw(self, department: Department, room_number: str, reference: str) -> Withdrawal:
        """Withdraw what is open under this reference; when there is nothing, that is a success too."""
        with self._datafile.writing() as connection:
            withdrawn = connection.execute(
                """UPDATE requests SET status = 'withdrawn'
                   WHERE department = ? AND room_number = ? AND reference = ? AND status = 'open'""",
                (department.value, room_number, reference),
            ).rowcount
        return Withdrawal(room_number=room_number, reference=reference, withdrawn_count=withdrawn)

    def finish(self, request_id: str) -> Request:
        """Somebody has seen to it."""
        with self._datafile.writing() as connection:
            number = _number(request_id)
            connection.execute("UPDATE requests SET status = 'done' WHERE number = ? AND status = 'open'", (number,))
            row = connection.execute("SELECT * FROM requests WHERE number = ?", (number,)).fetchone()
        if row is None or row["status"] != "done":
            raise Refused(f"there is no request {request_id!r} to be seen to; list those of the room")
        return _request(row)


def _same(known: Request, wanted: Wanted, client_token: str, reference: str) -> Request:
    given = wanted.model_dump() | {"client_token": client_token, "reference": reference}
    if any(getattr(known, name) != value for name, value in given.items()):
        raise Refused("the idempotency key was used for another request; use a new key")
    return known


def _refuse_room(connection: sqlite3.Connection, room_number: str) -> None:
    if connection.execute("SELECT 1 FROM rooms WHERE room_number = ?", (room_number,)).fetchone() is None:
        raise Refused(f"no floor has a room {room_number!r}; look at the guest's booking")


def _refuse_token(earlier: list[Request], wanted: Wanted) -> None:
    """A token that was used stands for that request; the difference is named, the values are not."""
    for each in earlier:
        differing = [name for name in SAME_FOR_A_TOKEN if getattr(each, name) != getattr(wanted, name)]
        if differing:
            raise Refused(f"{', '.join(differing)} differ from the request that token {each.client_token!r} stands for")
        raise Refused(f"token {each.client_token!r} stands for {each.request_id}, which is {each.status.value}")


def _refuse_second(of_room: list[Request], wanted: Wanted) -> None:
    for each in of_room:
        if each.status is RequestStatus.OPEN and each.type == wanted.type:
            raise Refused(f"room {each.room_number!r} has {each.request_id} for {each.type} open already")


def _requests(connection: sqlite3.Connection, department: Department, column: str, value: str) -> list[Request]:
    rows = connection.execute(
        f"SELECT * FROM requests WHERE department = ? AND {column} = ? ORDER BY number",  # noqa: S608 - names of ours
        (department.value, value),
    )
    return [_request(row) for row in rows]


def _request(row: sqlite3.Row) -> Request:
    return Request(request_id=f"RQ-{1000 + row['number']}", **row)


def _number(request_id: str) -> int:
    prefix, _, digits = request_id.partition("-")
    return int(digits) - 1000 if prefix == "RQ" and digits.isdecimal() and len(digits) < 16 else 0

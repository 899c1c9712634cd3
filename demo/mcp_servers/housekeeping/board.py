"""The board of tasks, in SQLite: one open task of a kind for each room, once per idempotency key; and of requests."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.mcp_servers import hotel
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.housekeeping import requests
from demo.mcp_servers.housekeeping.records import Cancellation, Task, TaskKind, Tasks, TaskStatus
from demo.mcp_servers.housekeeping.requests import RequestBook
from demo.mcp_servers.refusals import Refused

HOURS_FOR = {
    TaskKind.DEPARTURE_CLEAN: 3,
    TaskKind.STAYOVER_CLEAN: 6,
    TaskKind.INSPECTION: 12,
    TaskKind.REPAIR: 24,
}

TABLES = (
    "CREATE TABLE rooms (room_number TEXT PRIMARY KEY, floor INTEGER NOT NULL)",
    """CREATE TABLE tasks (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE,
        room_number TEXT NOT NULL REFERENCES rooms, kind TEXT NOT NULL, reference TEXT NOT NULL, status TEXT NOT NULL,
        requested_at TEXT NOT NULL, due_by TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX one_open_task_of_a_kind ON tasks (room_number, kind) WHERE status = 'open'",
    *requests.TABLES,
)

VIEWS = {
    "rooms": "room_number, floor",
    "tasks": "number, room_number, kind, reference, status, requested_at, due_by",
    **requests.VIEWS,
}


class Board:
    """Reads and writes tasks; refuses in sentences."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "housekeeping.db", TABLES, VIEWS, _fill)
        self.requests = RequestBook(self._datafile)

    def tasks_of(self, room_number: str, reference: str = "") -> Tasks:
        with self._datafile.reading() as connection:
            _check_room(connection, room_number)
            found = [task for task in _tasks(connection, room_number) if reference in ("", task.reference)]
        wanted = [task for task in found if task.status is not TaskStatus.CANCELLED]
        return Tasks(
            room_number=room_number,
            open_count=sum(task.status is TaskStatus.OPEN for task in wanted),
            newest_for=wanted[-1].reference if wanted else None,
            tasks=found,
        )

    def create(self, room_number: str, kind: TaskKind, reference: str, key: str) -> Task:
        with self._datafile.writing() as connection:
            _check_room(connection, room_number)
            known = connection.execute("SELECT * FROM tasks WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return _same(known, room_number, kind, reference)
            _refuse_second(connection, room_number, kind)
            now = datetime.now(UTC)
            due_by = now + timedelta(hours=HOURS_FOR[kind])
            connection.execute(
                """INSERT INTO tasks (idempotency_key, room_number, kind, reference, status, requested_at, due_by)
                   VALUES (?, ?, ?, ?, 'open', ?, ?)""",
                (key, room_number, kind.value, reference, now.isoformat(), due_by.isoformat()),
            )
            return _tasks(connection, room_number)[-1]

    def cancel(self, room_number: str, reference: str) -> Cancellation:
        """Cancel what is open under this reference; when there is nothing, that is a success too."""
        with self._datafile.writing() as connection:
            own = [task for task in _tasks(connection, room_number) if task.reference == reference]
            if any(task.status is TaskStatus.DONE for task in own):
                raise Refused(f"room {room_number!r} has been done already; a task that is done is not cancelled")
            cancelled = connection.execute(
                "UPDATE tasks SET status = 'cancelled' WHERE room_number = ? AND reference = ? AND status = 'open'",
                (room_number, reference),
            ).rowcount
        return Cancellation(room_number=room_number, reference=reference, cancelled_count=cancelled)

    def finish(self, task_id: str) -> Task:
        """Somebody has done it."""
        with self._datafile.writing() as connection:
            row = connection.execute("SELECT * FROM tasks WHERE number = ?", (_number(task_id),)).fetchone()
            if row is None or row["status"] == "cancelled":
                raise Refused(f"there is no task {task_id!r} to be done; list the tasks of the room")
            connection.execute("UPDATE tasks SET status = 'done' WHERE number = ?", (row["number"],))
            done = connection.execute("SELECT * FROM tasks WHERE number = ?", (row["number"],)).fetchone()
        return _task(done)


def _same(row: sqlite3.Row, room_number: str, kind: TaskKind, reference: str) -> Task:
    if (row["room_number"], row["kind"], row["reference"]) != (room_number, kind.value, reference):
        raise Refused(f"the idempotency key {row['idempotency_key']!r} was used for another task; use a new key")
    return _task(row)


def _refuse_second(connection: sqlite3.Connection, room_number: str, kind: TaskKind) -> None:
    for task in _tasks(connection, room_number):
        if task.status is TaskStatus.OPEN and task.kind is kind:
            raise Refused(f"room {room_number!r} has {task.task_id} for a {kind.value} already, for {task.reference!r}")


def _check_room(connection: sqlite3.Connection, room_number: str) -> None:
    if connection.execute("SELECT 1 FROM rooms WHERE room_number = ?", (room_number,)).fetchone() is None:
        raise Refused(f"no floor has a room {room_number!r}; look at the guest's booking")


def _tasks(connection: sqlite3.Connection, room_number: str) -> list[Task]:
    rows = connection.execute("SELECT * FROM tasks WHERE room_number = ? ORDER BY number", (room_number,))
    return [_task(row) for row in rows]


def _task(row: sqlite3.Row) -> Task:
    return Task(task_id=f"HK-{1000 + row['number']}", **row)


def _number(task_id: str) -> int:
    digits = task_id.removeprefix("HK-")
    return int(digits) - 1000 if digits.isdigit() else 0


def _fill(connection: sqlite3.Connection) -> None:
    connection.executemany("INSERT INTO rooms VALUES (?, ?)", [(room.room_number, room.floor) for room in hotel.ROOMS])

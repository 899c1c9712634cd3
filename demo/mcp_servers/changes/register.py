"""The register of changes, in SQLite: one open change for each subject, and a plan that is what its digest says."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from demo.mcp_servers.changes.records import Change, ChangeKind, Changes, ChangeStatus, Step
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

KEPT = Change.model_fields.keys() - {"step_count"}
"""What stands in the table as it is answered."""

TABLES = (
    """CREATE TABLE changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT, change_id TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
        summary TEXT NOT NULL, plan_digest TEXT NOT NULL, steps TEXT NOT NULL, status TEXT NOT NULL,
        reference TEXT NOT NULL UNIQUE, opened_at TEXT NOT NULL, closed_at TEXT)""",
    "CREATE UNIQUE INDEX one_open_change ON changes (subject) WHERE status = 'open'",
    "CREATE UNIQUE INDEX one_standing_change ON changes (change_id) WHERE status <> 'withdrawn'",
)
VIEWS = {
    "changes": "number, change_id, kind, subject, summary, plan_digest, steps, status, reference, opened_at, closed_at"
}


class ChangeRegister:
    """Reads and writes changes; refuses in sentences. A change belongs to the reference under which it was opened."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "changes.db", TABLES, VIEWS, lambda _: None)

    def of_subject(self, subject: str) -> Changes:
        with self._datafile.reading() as connection:
            rows = connection.execute("SELECT * FROM changes WHERE subject = ? ORDER BY number DESC", (subject,))
            found = [_change(row) for row in rows]
        open_count = sum(change.status is ChangeStatus.OPEN for change in found)
        return Changes(subject=subject, open_count=open_count, count=len(found), changes=found)

    def open(
        self,
        change_id: str,
        kind: ChangeKind,
        subject: str,
        summary: str,
        plan_digest: str,
        steps: Sequence[Step],
        reference: str,
    ) -> Change:
        """Write down what is going to be done, before it is done. The same again under a reference changes nothing."""
        plan = _written(steps)
        if plan_digest != f"sha256:{hashlib.sha256(plan.encode()).hexdigest()}":
            raise Refused("plan_digest is not the digest of these steps; send the plan that was approved")
        with self._datafile.writing() as connection:
            known = connection.execute("SELECT * FROM changes WHERE reference = ?", (reference,)).fetchone()
            if known is not None:
                return _same(known, plan_digest)
            _refuse_second(connection, change_id, subject)
            connection.execute(
                """INSERT INTO changes
                   (change_id, kind, subject, summary, plan_digest, steps, status, reference, opened_at)
                   VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)""",
                (change_id, kind.value, subject, summary, plan_digest, plan, reference, _now()),
            )
            return _of_reference(connection, reference)

    def close(self, change_id: str, reference: str) -> Change:
        """It is done, and was checked. Whoever has closed it may say so again."""
        with self._datafile.writing() as connection:
            change = _own(connection, change_id, reference)
            if change is None or change.status is ChangeStatus.WITHDRAWN:
                raise Refused(f"no change {change_id!r} is open under this reference; open it first")
            if change.status is ChangeStatus.OPEN:
                _end(connection, reference, ChangeStatus.DONE)
            return _of_reference(connection, reference)

    def withdraw(self, change_id: str, reference: str) -> Changes:
        """It is not going to be done, or was taken back; when nothing stands, that is a success too."""
        with self._datafile.writing() as connection:
            change = _own(connection, change_id, reference)
            if change is not None and change.status is not ChangeStatus.WITHDRAWN:
                _end(connection, reference, ChangeStatus.WITHDRAWN)
        return self.of_subject(change.subject if change else "")


def _written(steps: Sequence[Step]) -> str:
    return json.dumps([step.model_dump() for step in steps], ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _same(known: sqlite3.Row, plan_digest: str) -> Change:
    if known["plan_digest"] != plan_digest or known["status"] == "withdrawn":
        raise Refused(f"reference {known['reference']!r} was used for another plan; start a new change")
    return _change(known)


def _refuse_second(connection: sqlite3.Connection, change_id: str, subject: str) -> None:
    standing = connection.execute(
        "SELECT * FROM changes WHERE change_id = ? AND status <> 'withdrawn'", (change_id,)
    ).fetchone()
    if standing is not None:
        raise Refused(f"change {change_id!r} is {standing['status']} already, for {standing['reference']!r}")
    other = connection.execute("SELECT * FROM changes WHERE subject = ? AND status = 'open'", (subject,)).fetchone()
    if other is not None:
        raise Refused(f"{subject!r} is being changed already by {other['change_id']!r}; wait until that is closed")


def _own(connection: sqlite3.Connection, change_id: str, reference: str) -> Change | None:
    row = connection.execute(
        "SELECT * FROM changes WHERE change_id = ? AND reference = ?", (change_id, reference)
    ).fetchone()
    return None if row is None else _change(row)


def _of_reference(connection: sqlite3.Connection, reference: str) -> Change:
    return _change(connection.execute("SELECT * FROM changes WHERE reference = ?", (reference,)).fetchone())


def _end(connection: sqlite3.Connection, reference: str, status: ChangeStatus) -> None:
    connection.execute(
        "UPDATE changes SET status = ?, closed_at = ? WHERE reference = ?", (status.value, _now(), reference)
    )


def _change(row: sqlite3.Row) -> Change:
    return Change(step_count=len(json.loads(row["steps"])), **{name: row[name] for name in KEPT})


def _now() -> str:
    return datetime.now(UTC).isoformat()

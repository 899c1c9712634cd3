"""The stacks of the archive, in SQLite, with the rules of a deletion: marked, kept a while, and gone for good."""

import hashlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.mcp_servers import estate
from demo.mcp_servers.archive.records import Dataset, Datasets, DatasetStatus, Sample
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused

SAMPLE_ROWS = 3

TABLES = (
    """CREATE TABLE datasets (
        dataset TEXT PRIMARY KEY, title TEXT NOT NULL, owner TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
        row_count INTEGER NOT NULL, content_digest TEXT NOT NULL, last_used_at TEXT NOT NULL, legal_hold TEXT,
        marked_by TEXT, purge_from TEXT, purged_by TEXT)""",
)
VIEWS = {
    "datasets": "dataset, title, owner, kind, status, row_count, content_digest, last_used_at, legal_hold, "
    "marked_by, purge_from, purged_by"
}


def now() -> datetime:
    return datetime.now(UTC)


class Stacks:
    """Reads, marks, restores and purges; refuses in sentences."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._datafile = DataFile.create(
            folder / "archive.db", TABLES, VIEWS, lambda connection: _fill(connection, clock())
        )

    def find(self, dataset: str) -> Datasets:
        with self._datafile.reading() as connection:
            rows = connection.execute("SELECT * FROM datasets WHERE dataset = ?", (dataset,))
            found = [Dataset(**row) for row in rows]
        return Datasets(count=len(found), datasets=found)

    def sample(self, dataset: str) -> Sample:
        """Look into a dataset; that is a use of it."""
        with self._datafile.writing() as connection:
            found = _present(connection, dataset)
            used_at = self._clock()
            _change(connection, dataset, last_used_at=used_at.isoformat())
            rows = [f"{dataset} row {number}" for number in range(1, min(found.row_count, SAMPLE_ROWS) + 1)]
        return Sample(dataset=dataset, rows=rows, last_used_at=used_at)

    def add_rows(self, dataset: str, row_count: int) -> Dataset:
        """A late delivery arrives, whether the dataset is marked or not."""
        with self._datafile.writing() as connection:
            found = _present(connection, dataset)
            total = found.row_count + row_count
            _change(connection, dataset, row_count=total, content_digest=_content_of(dataset, total))
            return _known(connection, dataset)

    def hold(self, dataset: str, why: str | None) -> Dataset:
        """Somebody of legal forbids to delete it, or no longer does."""
        with self._datafile.writing() as connection:
            _present(connection, dataset)
            _change(connection, dataset, legal_hold=why)
            return _known(connection, dataset)

    def mark(self, dataset: str, keep_hours: int, reference: str) -> Dataset:
        """It is going to be deleted, not before so many hours. Whoever has marked it may say so again."""
        with self._datafile.writing() as connection:
            found = _present(connection, dataset)
            _refuse_held(found)
            if found.marked_by not in (None, reference):
                raise Refused(f"dataset {dataset!r} is marked for deletion already, by {found.marked_by!r}")
            if found.marked_by is None:
                until = (self._clock() + timedelta(hours=keep_hours)).isoformat()
                _change(connection, dataset, status="marked", marked_by=reference, purge_from=until)
            return _known(connection, dataset)

    def restore(self, dataset: str, reference: str) -> Dataset:
        """It is not going to be deleted after all; when this reference has not marked it, nothing changes."""
        with self._datafile.writing() as connection:
            found = _known(connection, dataset)
            if found.purged_by == reference:
                raise Refused(f"dataset {dataset!r} is purged; nothing brings it back")
            if found.marked_by == reference:
                _change(connection, dataset, status="active", marked_by=None, purge_from=None)
            return _known(connection, dataset)

    def purge(self, dataset: str, content_digest: str, reference: str) -> Dataset:
        """Gone for good: what was looked at, when its time has come, and by whoever has marked it."""
        with self._datafile.writing() as connection:
            found = _known(connection, dataset)
            if found.purged_by != reference:
                self._refuse_purge(found, content_digest, reference)
                _change(connection, dataset, status="purged", content_digest="", row_count=0, purged_by=reference)
            return _known(connection, dataset)

    def _refuse_purge(self, found: Dataset, content_digest: str, reference: str) -> None:
        name = found.dataset
        _refuse_held(found)
        if found.status is not DatasetStatus.MARKED or found.marked_by != reference or found.purge_from is None:
            raise Refused(f"dataset {name!r} is not marked for deletion under this reference; mark it first")
        if self._clock() < found.purge_from:
            raise Refused(f"dataset {name!r} is kept until {found.purge_from:%Y-%m-%d %H:%M} UTC; wait until then")
        if found.content_digest != content_digest:
            raise Refused(f"dataset {name!r} is not what it was when it was looked at; look at it again")


def _refuse_held(found: Dataset) -> None:
    if found.legal_hold is not None:
        raise Refused(f"dataset {found.dataset!r} is under legal hold ({found.legal_hold}); it cannot be deleted")


def _present(connection: sqlite3.Connection, dataset: str) -> Dataset:
    found = _known(connection, dataset)
    if found.status is DatasetStatus.PURGED:
        raise Refused(f"dataset {dataset!r} is purged; nothing of it is left")
    return found


def _known(connection: sqlite3.Connection, dataset: str) -> Dataset:
    row = connection.execute("SELECT * FROM datasets WHERE dataset = ?", (dataset,)).fetchone()
    if row is None:
        raise Refused(f"there is no dataset {dataset!r}; look at its name")
    return Dataset(**row)


def _change(connection: sqlite3.Connection, dataset: str, **changes: str | int | None) -> None:
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(
        f"UPDATE datasets SET {columns} WHERE dataset = ?",  # noqa: S608 - the names are ours
        (*changes.values(), dataset),
    )


def _content_of(dataset: str, row_count: int) -> str:
    return f"sha256:{hashlib.sha256(f'{dataset} {row_count}'.encode()).hexdigest()}"


def _fill(connection: sqlite3.Connection, as_of: datetime) -> None:
    connection.executemany(
        "INSERT INTO datasets VALUES (?, ?, ?, ?, 'active', ?, ?, ?, ?, NULL, NULL, NULL)",
        [
            (
                each.dataset,
                each.title,
                each.owner,
                each.kind,
                each.row_count,
                _content_of(each.dataset, each.row_count),
                (as_of - timedelta(days=each.days_unused)).isoformat(),
                each.legal_hold,
            )
            for each in estate.DATASETS
        ],
    )

"""The archive of personnel papers, in SQLite: one paper of a kind stands, and nobody is asked for what stands."""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from demo.mcp_servers import company, world
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.people_records.records import Letter, Letters, Paper, PaperKind, Papers, Person, Standing
from demo.mcp_servers.refusals import Refused

MOST_BYTES = 10 * 1024 * 1024
_PAPER = "number, employee_id, kind, digest, file_name, size_bytes, stored_at, replaced_by"

TABLES = (
    """CREATE TABLE people (
        employee_id TEXT PRIMARY KEY, full_name TEXT NOT NULL, e_mail TEXT NOT NULL, job_title TEXT NOT NULL,
        department TEXT NOT NULL, line_manager TEXT NOT NULL, first_day TEXT NOT NULL)""",
    """CREATE TABLE papers (
        number INTEGER PRIMARY KEY AUTOINCREMENT, employee_id TEXT NOT NULL REFERENCES people, kind TEXT NOT NULL,
        digest TEXT NOT NULL, file_name TEXT NOT NULL, content BLOB NOT NULL, stored_at TEXT NOT NULL,
        replaced_by INTEGER, size_bytes INTEGER AS (length(content)))""",
    "CREATE UNIQUE INDEX one_paper_of_a_kind ON papers (employee_id, kind) WHERE replaced_by IS NULL",
    """CREATE TABLE letters (
        number INTEGER PRIMARY KEY AUTOINCREMENT, idempotency_key TEXT NOT NULL UNIQUE,
        employee_id TEXT NOT NULL REFERENCES people, kinds TEXT NOT NULL, reference TEXT NOT NULL,
        sent_at TEXT NOT NULL)""",
)
VIEWS = {
    "people": "employee_id, full_name, e_mail, job_title, department, line_manager, first_day",
    "papers": "number, employee_id, kind, digest, file_name, size_bytes, stored_at, replaced_by",
    "letters": "number, employee_id, kinds, reference, sent_at",
}


class Archive:
    """Reads and writes papers and letters; refuses in sentences."""

    def __init__(self, folder: Path, today: Callable[[], date] = world.today) -> None:
        self._datafile = DataFile.create(folder / "people_records.db", TABLES, VIEWS, lambda each: _fill(each, today()))

    def find_person(self, employee_id: str) -> Person:
        with self._datafile.reading() as connection:
            return _person(connection, employee_id)

    def agree_first_day(self, employee_id: str, day: date) -> Person:
        """The first day is moved, earlier or later; whoever reads the records next sees it."""
        with self._datafile.writing() as connection:
            _person(connection, employee_id)
            connection.execute("UPDATE people SET first_day = ? WHERE employee_id = ?", (day.isoformat(), employee_id))
            return _person(connection, employee_id)

    def papers_of(self, employee_id: str) -> Papers:
        with self._datafile.reading() as connection:
            _person(connection, employee_id)
            standing = _standing(connection, employee_id)
        return Papers.model_validate({"employee_id": employee_id, **{kind: standing.get(kind) for kind in PaperKind}})

    def find_paper(self, employee_id: str, reference: str) -> Paper:
        with self._datafile.reading() as connection:
            _person(connection, employee_id)
            row = connection.execute(
                f"SELECT {_PAPER} FROM papers WHERE employee_id = ? AND number = ?",  # noqa: S608 - the names are ours
                (employee_id, _number(reference)),
            ).fetchone()
        if row is None:
            raise Refused(f"no paper {reference!r} stands in the records of {employee_id}; store it first")
        return _paper(row)

    def store(self, employee_id: str, kind: PaperKind, file_name: str, content: bytes) -> Paper:
        """Take a paper in. The same content again is the same paper; another one replaces what stood before."""
        if not content:
            raise Refused(f"{file_name!r} is empty; hand in the paper itself")
        if len(content) > MOST_BYTES:
            raise Refused(f"{file_name!r} has {len(content)} bytes; at most {MOST_BYTES} are taken: scan it smaller")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        with self._datafile.writing() as connection:
            _person(connection, employee_id)
            standing = _standing(connection, employee_id).get(kind)
            if standing is None or standing.digest != digest:
                _add(connection, employee_id, kind, file_name, content, standing)
            reference = _standing(connection, employee_id)[kind].reference
        return self.find_paper(employee_id, reference)

    def ask_for_papers(self, employee_id: str, kinds: Sequence[PaperKind], reference: str, key: str) -> Letter:
        """Write to somebody for what is missing; the letter is worded and addressed here."""
        wanted = ",".join(sorted(set(kinds)))
        with self._datafile.writing() as connection:
            _person(connection, employee_id)
            known = connection.execute("SELECT * FROM letters WHERE idempotency_key = ?", (key,)).fetchone()
            if known is not None:
                return _same(known, employee_id, wanted, reference)
            _refuse_needless(employee_id, kinds, _standing(connection, employee_id))
            connection.execute(
                """INSERT INTO letters (idempotency_key, employee_id, kinds, reference, sent_at)
                   VALUES (?, ?, ?, ?, ?)""",
                (key, employee_id, wanted, reference, datetime.now(UTC).isoformat()),
            )
            return _letter(connection.execute("SELECT * FROM letters ORDER BY number DESC LIMIT 1").fetchone())

    def letters_to(self, employee_id: str) -> Letters:
        with self._datafile.reading() as connection:
            _person(connection, employee_id)
            rows = connection.execute("SELECT * FROM letters WHERE employee_id = ? ORDER BY number", (employee_id,))
            letters = [_letter(row) for row in rows]
        return Letters(employee_id=employee_id, count=len(letters), letters=letters)


def _refuse_needless(employee_id: str, kinds: Sequence[PaperKind], standing: dict[PaperKind, Standing]) -> None:
    if PaperKind.WITHDRAWAL in kinds:
        raise Refused("nobody is asked for a withdrawal; it is written by whoever will not come")
    if PaperKind.WITHDRAWAL in standing:
        raise Refused(f"{employee_id} has withdrawn; nothing more is asked of them")
    for kind in kinds:
        if kind in standing:
            raise Refused(f"the {kind.value} stands as {standing[kind].reference}; nobody is asked for a paper twice")


def _same(row: sqlite3.Row, employee_id: str, kinds: str, reference: str) -> Letter:
    if (row["employee_id"], row["kinds"], row["reference"]) != (employee_id, kinds, reference):
        raise Refused(f"the idempotency key {row['idempotency_key']!r} was used for another letter; use a new key")
    return _letter(row)


def _add(
    connection: sqlite3.Connection,
    employee_id: str,
    kind: PaperKind,
    file_name: str,
    content: bytes,
    replaces: Standing | None,
) -> None:
    following = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM papers").fetchone()[0]
    if replaces is not None:
        connection.execute(
            "UPDATE papers SET replaced_by = ? WHERE number = ?", (following, _number(replaces.reference))
        )
    connection.execute(
        "INSERT INTO papers VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            following,
            employee_id,
            kind.value,
            f"sha256:{hashlib.sha256(content).hexdigest()}",
            file_name,
            content,
            datetime.now(UTC).isoformat(),
        ),
    )


def _person(connection: sqlite3.Connection, employee_id: str) -> Person:
    row = connection.execute("SELECT * FROM people WHERE employee_id = ?", (employee_id,)).fetchone()
    if row is None:
        raise Refused(f"there is no employee {employee_id!r}; look up the number in the contract")
    return Person(**{name: row[name] for name in Person.model_fields})


def _standing(connection: sqlite3.Connection, employee_id: str) -> dict[PaperKind, Standing]:
    rows = connection.execute(
        "SELECT kind, number, digest FROM papers WHERE employee_id = ? AND replaced_by IS NULL", (employee_id,)
    )
    return {PaperKind(row["kind"]): Standing(reference=_reference(row["number"]), digest=row["digest"]) for row in rows}


def _paper(row: sqlite3.Row) -> Paper:
    named = {name: row[name] for name in ("employee_id", "kind", "digest", "file_name", "size_bytes", "stored_at")}
    replaced_by = _reference(row["replaced_by"]) if row["replaced_by"] is not None else None
    return Paper(reference=_reference(row["number"]), replaced_by=replaced_by, **named)


def _letter(row: sqlite3.Row) -> Letter:
    named = {name: row[name] for name in ("employee_id", "reference", "sent_at")}
    return Letter(letter_id=f"LT-{1000 + row['number']}", kinds=row["kinds"].split(","), **named)


def _reference(number: int) -> str:
    return f"DOC-{1000 + number}"


def _number(reference: str) -> int:
    digits = reference.removeprefix("DOC-")
    return int(digits) - 1000 if digits.isdigit() and len(digits) < 10 else 0


def _fill(connection: sqlite3.Connection, as_of: date) -> None:
    for joiner in company.joiners(as_of):
        connection.execute(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                joiner.employee_id,
                joiner.full_name,
                joiner.e_mail,
                joiner.job_title,
                joiner.department,
                joiner.line_manager,
                joiner.first_day.isoformat(),
            ),
        )
    for paper in company.HANDED_IN:
        _add(connection, paper.employee_id, PaperKind(paper.kind), paper.file_name, paper.content, None)

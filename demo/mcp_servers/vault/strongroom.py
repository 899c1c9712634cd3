"""The strongroom, in SQLite, with the rules of a rotation: both versions are valid until the old one is revoked."""

import sqlite3
from pathlib import Path

from demo.mcp_servers import estate
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.vault.records import Consumer, Credential, Credentials, Uses

TABLES = (
    """CREATE TABLE credentials (
        credential TEXT PRIMARY KEY, purpose TEXT NOT NULL, current_version INTEGER NOT NULL,
        pending_version INTEGER, issued_by TEXT, revoked_version INTEGER, revoked_by TEXT)""",
    """CREATE TABLE consumers (
        credential TEXT NOT NULL REFERENCES credentials, consumer TEXT NOT NULL, uses TEXT NOT NULL,
        PRIMARY KEY (credential, consumer))""",
)
VIEWS = {
    "credentials": "credential, purpose, current_version, pending_version, issued_by, revoked_version, revoked_by",
    "consumers": "credential, consumer, uses",
}


class Strongroom:
    """Issues, hands out and revokes versions; refuses in sentences."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "vault.db", TABLES, VIEWS, _fill)

    def find(self, credential: str) -> Credentials:
        with self._datafile.reading() as connection:
            found = _found(connection, credential)
        return Credentials(count=len(found), credentials=found)

    def issue(self, credential: str, reference: str) -> Credential:
        """A new version beside the one in use. Whoever has issued it may say so again."""
        with self._datafile.writing() as connection:
            known = _known(connection, credential)
            if known.pending_version is None:
                _change(connection, credential, pending_version=known.current_version + 1, issued_by=reference)
            elif known.issued_by != reference:
                raise Refused(f"version {known.pending_version} of {credential!r} is pending for {known.issued_by!r}")
            return _known(connection, credential)

    def withdraw(self, credential: str, reference: str) -> Credential:
        """Take back a version this reference has issued; when there is none, that is a success too."""
        with self._datafile.writing() as connection:
            known = _known(connection, credential)
            _refuse_when_revoked(known, reference)
            if known.issued_by == reference:
                if using := [each.consumer for each in known.consumers if each.uses is Uses.PENDING]:
                    raise Refused(f"{', '.join(using)} use the pending version; switch them back first")
                _change(connection, credential, pending_version=None, issued_by=None)
            return _known(connection, credential)

    def switch(self, credential: str, consumer: str, reference: str) -> Credential:
        """One consumer uses the pending version from now on. Saying it again changes nothing."""
        with self._datafile.writing() as connection:
            known = _known(connection, credential)
            if known.issued_by != reference:
                raise Refused(f"no version of {credential!r} was issued under this reference; issue one first")
            if consumer not in {each.consumer for each in known.consumers}:
                names = ", ".join(each.consumer for each in known.consumers) or "nobody"
                raise Refused(f"{consumer!r} does not use {credential!r}; it is used by {names}")
            _use(connection, credential, Uses.PENDING, consumer)
            return _known(connection, credential)

    def switch_back(self, credential: str, reference: str) -> Credential:
        """Every consumer uses the current version again; when this reference has switched none, nothing changes."""
        with self._datafile.writing() as connection:
            known = _known(connection, credential)
            _refuse_when_revoked(known, reference)
            if known.issued_by == reference:
                _use(connection, credential, Uses.CURRENT)
            return _known(connection, credential)

    def revoke(self, credential: str, version: int, reference: str) -> Credential:
        """The old version is worth nothing from now on, and the pending one is current. There is no way back."""
        with self._datafile.writing() as connection:
            known = _known(connection, credential)
            if not (known.revoked_by == reference and known.revoked_version == version):
                _refuse_revoking(known, version, reference)
                _change(
                    connection,
                    credential,
                    current_version=known.pending_version,
                    pending_version=None,
                    issued_by=None,
                    revoked_version=version,
                    revoked_by=reference,
                )
                _use(connection, credential, Uses.CURRENT)
            return _known(connection, credential)


def _refuse_revoking(known: Credential, version: int, reference: str) -> None:
    if known.issued_by != reference or known.pending_version is None:
        raise Refused(f"nothing takes the place of {known.credential!r} for this reference; issue a version first")
    if version != known.current_version:
        raise Refused(f"version {version} is not in use; version {known.current_version} of {known.credential!r} is")
    if using := [each.consumer for each in known.consumers if each.uses is Uses.CURRENT]:
        raise Refused(f"{', '.join(using)} would be locked out; switch them to version {known.pending_version} first")


def _refuse_when_revoked(known: Credential, reference: str) -> None:
    if known.revoked_by == reference:
        raise Refused(f"version {known.revoked_version} of {known.credential!r} is revoked; nothing leads back to it")


def _known(connection: sqlite3.Connection, credential: str) -> Credential:
    found = _found(connection, credential)
    if not found:
        raise Refused(f"there is no credential {credential!r}; look at its name")
    return found[0]


def _found(connection: sqlite3.Connection, credential: str) -> list[Credential]:
    row = connection.execute("SELECT * FROM credentials WHERE credential = ?", (credential,)).fetchone()
    if row is None:
        return []
    using = connection.execute(
        "SELECT consumer, uses FROM consumers WHERE credential = ? ORDER BY consumer", (credential,)
    )
    consumers = [Consumer(**each) for each in using]
    return [Credential(**row, consumer_count=len(consumers), consumers=consumers)]


def _use(connection: sqlite3.Connection, credential: str, uses: Uses, consumer: str = "") -> None:
    connection.execute(
        "UPDATE consumers SET uses = ?1 WHERE credential = ?2 AND ?3 IN ('', consumer)",
        (uses.value, credential, consumer),
    )


def _change(connection: sqlite3.Connection, credential: str, **changes: str | int | None) -> None:
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(
        f"UPDATE credentials SET {columns} WHERE credential = ?",  # noqa: S608 - the names are ours
        (*changes.values(), credential),
    )


def _fill(connection: sqlite3.Connection) -> None:
    for each in estate.CREDENTIALS:
        connection.execute(
            "INSERT INTO credentials (credential, purpose, current_version) VALUES (?, ?, ?)",
            (each.credential, each.purpose, each.version),
        )
        connection.executemany(
            "INSERT INTO consumers VALUES (?, ?, 'current')", [(each.credential, name) for name in each.consumers]
        )

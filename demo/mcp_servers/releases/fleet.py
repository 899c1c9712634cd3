"""The fleet of services, in SQLite, with the rules of a deployment: released versions only, one instance first."""

import sqlite3
from pathlib import Path

from demo.mcp_servers import estate
from demo.mcp_servers.datafile import DataFile
from demo.mcp_servers.refusals import Refused
from demo.mcp_servers.releases.records import Health, Service, Services, Stage, Version, Versions, VersionStatus

DEGRADED_FROM = 20
"""Failing calls of a thousand."""

TABLES = (
    """CREATE TABLE services (
        service TEXT PRIMARY KEY, team TEXT NOT NULL, instances INTEGER NOT NULL, version TEXT NOT NULL,
        canary TEXT, version_before TEXT, changed_by TEXT)""",
    """CREATE TABLE versions (
        service TEXT NOT NULL REFERENCES services, version TEXT NOT NULL, status TEXT NOT NULL,
        error_permille INTEGER NOT NULL, full_load_permille INTEGER NOT NULL, notes TEXT NOT NULL,
        PRIMARY KEY (service, version))""",
)
VIEWS = {
    "services": "service, team, instances, version, canary, version_before, changed_by",
    "versions": "service, version, status, error_permille, full_load_permille, notes",
}
_SERVICE = """SELECT services.*, serving.full_load_permille, trying.error_permille AS canary_permille FROM services
    JOIN versions AS serving ON serving.service = services.service AND serving.version = services.version
    LEFT JOIN versions AS trying ON trying.service = services.service AND trying.version = services.canary
    WHERE services.service = ?"""


class Fleet:
    """Reads and deploys; refuses in sentences. What a reference has deployed it alone can roll back."""

    def __init__(self, folder: Path) -> None:
        self._datafile = DataFile.create(folder / "releases.db", TABLES, VIEWS, _fill)

    def find_service(self, service: str) -> Services:
        with self._datafile.reading() as connection:
            row = connection.execute(_SERVICE, (service,)).fetchone()
        found = [] if row is None else [_service(row)]
        return Services(count=len(found), services=found)

    def find_versions(self, service: str, version: str) -> Versions:
        with self._datafile.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM versions WHERE service = ?1 AND ?2 IN ('', version) ORDER BY version DESC",
                (service, version),
            )
            found = [_version(row) for row in rows]
        return Versions(count=len(found), versions=found)

    def deploy(self, service: str, version: str, stage: Stage, reference: str) -> Service:
        """One instance, or every one of them once one has it. Whoever has done it may say so again."""
        with self._datafile.writing() as connection:
            running = _running(connection, service)
            mine = running.changed_by == reference
            if stage is Stage.CANARY and not (mine and version in (running.canary, running.version)):
                _refuse_version(connection, service, version)
                _refuse_canary(running, version, mine)
                _change(connection, service, canary=version, version_before=None, changed_by=reference)
            if stage is Stage.ALL and not (mine and version == running.version):
                _refuse_everywhere(running, version, mine)
                _change(connection, service, version=version, canary=None, version_before=running.version)
            return _running(connection, service)

    def roll_back(self, service: str, reference: str) -> Service:
        """What runs is what ran before this reference began; when it has deployed nothing, that is a success too."""
        with self._datafile.writing() as connection:
            running = _running(connection, service)
            if running.changed_by == reference:
                connection.execute(
                    """UPDATE services SET version = coalesce(version_before, version), canary = NULL,
                       version_before = NULL, changed_by = NULL WHERE service = ?""",
                    (service,),
                )
            return _running(connection, service)


def _refuse_version(connection: sqlite3.Connection, service: str, version: str) -> None:
    row = connection.execute("SELECT * FROM versions WHERE service = ? AND version = ?", (service, version)).fetchone()
    if row is None:
        raise Refused(f"{service!r} has no version {version!r}; list its versions")
    if row["status"] != VersionStatus.RELEASED:
        raise Refused(f"version {version!r} of {service!r} is {row['status']}; only what is released is deployed")


def _refuse_canary(running: Service, version: str, mine: bool) -> None:
    if running.version == version:
        raise Refused(f"{running.service!r} runs {version!r} already; there is nothing to deploy")
    if running.canary is not None and not mine:
        raise Refused(f"{running.service!r} is trying {running.canary!r} for {running.changed_by!r}; wait for that")


def _refuse_everywhere(running: Service, version: str, mine: bool) -> None:
    if not mine or running.canary != version:
        raise Refused(f"no instance of {running.service!r} tries {version!r} for you; deploy it to the canary first")
    if running.canary_status is not Health.HEALTHY:
        raise Refused(f"the canary of {running.service!r} is {running.canary_status}; roll it back")


def _running(connection: sqlite3.Connection, service: str) -> Service:
    row = connection.execute(_SERVICE, (service,)).fetchone()
    if row is None:
        raise Refused(f"there is no service {service!r}; look at its name")
    return _service(row)


def _service(row: sqlite3.Row) -> Service:
    trying = row["canary_permille"]
    return Service(
        service=row["service"],
        team=row["team"],
        instances=row["instances"],
        version=row["version"],
        status=_health(row["full_load_permille"]),
        error_permille=row["full_load_permille"],
        canary=row["canary"],
        canary_status=None if trying is None else _health(trying),
        changed_by=row["changed_by"],
    )


def _version(row: sqlite3.Row) -> Version:
    return Version(service=row["service"], version=row["version"], status=row["status"], notes=row["notes"])


def _health(permille: int) -> Health:
    return Health.HEALTHY if permille < DEGRADED_FROM else Health.DEGRADED


def _change(connection: sqlite3.Connection, service: str, **changes: str | None) -> None:
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(
        f"UPDATE services SET {columns} WHERE service = ?",  # noqa: S608 - the names are ours
        (*changes.values(), service),
    )


def _fill(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT INTO services (service, team, instances, version) VALUES (?, ?, ?, ?)",
        [(each.service, each.team, each.instances, each.version) for each in estate.SERVICES],
    )
    connection.executemany(
        "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)",
        [
            (each.service, each.version, each.status, each.error_permille, each.full_load_permille, each.notes)
            for each in estate.VERSIONS
        ],
    )

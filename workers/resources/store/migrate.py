"""Bringing the schema up to date when the store is opened, also when several processes open it at once."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from workers.resources.store.database import Database
from workers.resources.store.errors import StoreTooNew
from workers.resources.store.schema import REVISION_TABLE

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x696E7465726C6F63  # "interloc": any constant of our own will do
_ONE_AT_A_TIME = threading.Lock()  # Alembic hands its context to the migrations through a module's globals


def bring_up_to_date(database: Database) -> None:
    """Apply the migrations that are missing, all in one transaction. Raises StoreTooNew."""
    if database.read_now(revision_of) == newest_revision():
        return
    with _ONE_AT_A_TIME:
        database.write_now(lambda connection: _upgrade(connection, database.place))


def revision_of(connection: Connection) -> str | None:
    """The schema revision that stands in the store, or None when it is empty."""
    return MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE}).get_current_revision()


def newest_revision() -> str:
    """The schema revision this version of Interlock was written for."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _upgrade(connection: Connection, place: str) -> None:
    if connection.dialect.name == "postgresql":  # on SQLite, BEGIN IMMEDIATE has locked the others out
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    config = _config()
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    found = revision_of(connection)
    if found is not None and found not in known:
        raise StoreTooNew(place, found, known[0])
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    # Alembic's options are %-interpolated.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config

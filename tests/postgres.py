"""A private PostgreSQL for tests: made in a temporary folder, reached by a unix socket, gone afterwards."""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from workers.resources.store import Store

PATIENCE_SECONDS = 60


class PostgresMissing(Exception):
    """No PostgreSQL server is installed on this machine."""


class PrivatePostgres:
    """A running server of our own. Everybody on this machine may log in: it holds nothing but tests."""

    def __init__(self, folder: Path, programs: Path, account: str) -> None:
        self._folder, self._programs, self._account = folder, programs, account
        self._numbers = count(1)
        self._migrated = ""

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        return self._url(self._copy_of("template1"))

    def new_store(self) -> str:
        """The URL of a new, empty store: a copy of one that was migrated once, as in `tests.stores`."""
        if not self._migrated:
            self._migrated = self._copy_of("template1")
            Store.open(self._url(self._migrated)).close()
        return self._url(self._copy_of(self._migrated))

    def start(self) -> None:
        """Start the server; it answers when this returns."""
        log = str(self._folder / "log")
        # What it has written survives its own death, which tests bring about; only a power cut would need fsync.
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._pg_ctl("start", "-l", log, "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` in an orderly way, `immediate` as a crash would."""
        self._pg_ctl("stop", "-m", mode)

    def make(self) -> None:
        """Make the data directory."""
        initdb = str(self._programs / "initdb")
        data = str(self._folder / "data")
        self._run(initdb, "-D", data, "-U", self._account, "-A", "trust", "-E", "UTF8", "--no-sync")

    def _copy_of(self, database: str) -> str:
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(database))
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(statement)
        return name

    def _url(self, database: str) -> str:
        return f"postgresql://{self._account}@/{database}?host={self._folder}"

    def _conninfo(self, database: str) -> str:
        return f"host={self._folder} user={self._account} dbname={database}"

    def _pg_ctl(self, *arguments: str) -> None:
        data = str(self._folder / "data")
        program = str(self._programs / "pg_ctl")
        self._run(program, "-D", data, "-w", "-t", str(PATIENCE_SECONDS), *arguments)

    def _run(self, *command: str) -> None:
        # PostgreSQL refuses to run as root. The server inherits no pipe: nobody would ever see its end.
        is_root = os.geteuid() == 0
        with (self._folder / "out").open("a+") as output:
            ended = subprocess.run(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=2 * PATIENCE_SECONDS,
                check=False,
                user=self._account if is_root else None,
                extra_groups=[] if is_root else None,
            )
            output.seek(0)
            assert ended.returncode == 0, f"{command!r} ended with {ended.returncode}: {output.read()[-2000:]}"


@contextmanager
def private_postgres() -> Iterator[PrivatePostgres]:
    """A server for the time of the block. Raises PostgresMissing."""
    programs = _programs()
    account = _unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path has at most 107 characters
    if os.geteuid() == 0:
        shutil.chown(folder, account)
    server = PrivatePostgres(folder, programs, account)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of initdb and pg_ctl."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        raise PostgresMissing("initdb is neither on PATH nor under /usr/lib/postgresql; install PostgreSQL")
    return installed[-1].parent


def _unprivileged_account() -> str:
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"

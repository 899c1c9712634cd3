"""The store under test: every test that asks for one runs on SQLite and on PostgreSQL."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresMissing, PrivatePostgres, private_postgres
from tests.stores import BOTH, new_store
from workers.resources.store import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A PostgreSQL server; without one the tests are skipped, except in CI, where that is a failure."""
    try:
        with private_postgres() as server:
            yield server
    except PostgresMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture(params=BOTH)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty store."""
    if request.param == "sqlite":
        return new_store(tmp_path)
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.new_store()


@pytest.fixture(params=BOTH)
def unmade_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet: whoever opens it first makes it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server: PrivatePostgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store."""
    opened = Store.open(store_url)
    yield opened
    opened.close()

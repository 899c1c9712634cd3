"""Opening the store: what is wrong is said in one clear line, and what is there is never harmed."""

import stat
import traceback
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from contracts.deployment import Mode
from tests.postgres import PrivatePostgres
from tests.workers.store.samples import at, claim
from workers.resources.store import Store, StoreOfAnotherMode, StoreTooNew, StoreUnreachable, StoreUrlWrong
from workers.resources.store.migrate import newest_revision
from workers.resources.store.schema import METADATA, REVISION_TABLE


def differences(connection: Connection) -> list[object]:
    """What the tables of the code have and those of the database have not, or the other way round."""
    context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE, "compare_type": True})
    return list(compare_metadata(context, METADATA))


def pragma(name: str, connection: Connection) -> object:
    """A setting of an SQLite connection."""
    value: object = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
    return value


def isolation(connection: Connection) -> object:
    """How a PostgreSQL transaction is isolated."""
    value: object = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
    return value


def run_sql(store: Store, statement: str) -> None:
    """Change the database behind the store's back."""
    store._database.write_now(lambda connection: connection.exec_driver_sql(statement).rowcount)


def test_the_migrations_make_exactly_the_tables_of_the_code(unmade_url: str) -> None:
    with closing(Store.open(unmade_url)) as store:
        assert store._database.read_now(differences) == []


async def test_a_store_opened_again_holds_what_it_held(store: Store, store_url: str) -> None:
    entry = await store.ledger.claim(claim(), at(0))
    with closing(Store.open(store_url)) as again:
        assert await again.ledger.find("key-1") == entry


def test_a_store_from_a_newer_version_is_left_alone(store: Store, store_url: str) -> None:
    run_sql(store, f"UPDATE {REVISION_TABLE} SET version_num = '9999'")

    with pytest.raises(StoreTooNew, match=r"'9999'.*run the version that migrated it"):
        Store.open(store_url)


def test_a_store_is_of_the_mode_of_its_first_worker_for_life(store: Store) -> None:
    for mode in Mode:
        store.check_mode(mode)  # as long as it is nobody's
    store.keep_mode(Mode.PRODUCTION)
    store.keep_mode(Mode.PRODUCTION)

    for asked in (store.check_mode, store.keep_mode):
        with pytest.raises(StoreOfAnotherMode, match="of a production deployment and cannot be one of development"):
            asked(Mode.DEVELOPMENT)


def test_the_check_names_place_and_revision(store: Store) -> None:
    line = store.check()

    assert line.startswith(("SQLite /", "PostgreSQL "))
    assert f"schema revision {newest_revision()}" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "url",
    [
        "",
        "store.db",
        "mysql://ada:hunter2@host/db",
        "postgresql+asyncpg://ada:hunter2@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://ada:hunter2@host",
        "postgresql://ada:hunter2@host:port/db",
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(StoreUrlWrong, match=r"expected sqlite:///path/to/store\.db or postgresql://") as refusal:
        Store.open(url)

    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://ada:hunter2@/interlock?host={tmp_path}&password=hunter2"

    with pytest.raises(StoreUnreachable, match=rf"PostgreSQL ada@{tmp_path}/interlock.*try again") as refusal:
        Store.open(url)

    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_an_account_that_may_not_log_in_is_unreachable_without_its_password(postgres: PrivatePostgres) -> None:
    url = postgres.new_database().replace("postgres@", "ada:hunter2@")

    with pytest.raises(StoreUnreachable, match=r'role "ada" does not exist') as refusal:
        Store.open(url)

    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("dear store " * 100)

    with pytest.raises(StoreUnreachable, match="file is not a database"):
        Store.open(f"sqlite:///{file}")

    assert file.read_text() == "dear store " * 100


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnreachable, match="File exists"):
        Store.open(f"sqlite:///{tmp_path}/file/store.db")


def test_a_new_file_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    Store.open(f"sqlite:///{tmp_path}/new/store.db").close()

    assert stat.S_IMODE((tmp_path / "new" / "store.db").stat().st_mode) == 0o600


def test_every_sqlite_connection_keeps_what_was_committed(tmp_path: Path) -> None:
    with closing(Store.open(f"sqlite:///{tmp_path}/store.db")) as store:
        for name, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert store._database.read_now(partial(pragma, name)) == value


async def test_a_database_that_was_restarted_is_used_again_without_an_error(postgres: PrivatePostgres) -> None:
    with closing(Store.open(postgres.new_database())) as store:
        await store.ledger.claim(claim(), at(0))

        postgres.stop("immediate")
        postgres.start()

        assert await store.ledger.mark_sent("key-1", 0, "worker-1", at(1)) is not None


async def test_a_database_that_went_away_is_unreachable_until_it_is_back(postgres: PrivatePostgres) -> None:
    with closing(Store.open(postgres.new_database())) as store:
        entry = await store.ledger.claim(claim(), at(0))
        postgres.stop("immediate")
        try:
            with pytest.raises(StoreUnreachable, match="try again"):
                await store.ledger.find("key-1")
        finally:
            postgres.start()

        assert await store.ledger.find("key-1") == entry


def test_the_isolation_does_not_depend_on_how_the_database_is_set_up(postgres: PrivatePostgres) -> None:
    url = f"{postgres.new_database()}&options=-c%20default_transaction_isolation%3Dserializable"

    with closing(Store.open(url)) as store:
        assert store._database.write_now(isolation) == "read committed"


async def test_a_failed_operation_does_not_repeat_what_was_to_be_stored(store: Store) -> None:
    run_sql(store, "DROP TABLE ledger")
    card = "-".join(["4111"] * 4)

    with pytest.raises(Exception, match="ledger") as failure:
        await store.ledger.claim(claim(amount=card), at(0))

    assert card not in "".join(traceback.format_exception(failure.value))

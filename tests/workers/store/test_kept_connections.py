"""What reading threads keep: a connection that sees what was committed meanwhile, and none that has failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from workers.resources.store.address import read_url
from workers.resources.store.engine import for_single_reads, open_engine
from workers.resources.store.kept_connections import KeptConnections

COUNT = text("SELECT count(*) FROM things")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[KeptConnections, Connection]]:
    """Kept connections to a new file, and one that writes to it."""
    engine = open_engine(read_url(f"sqlite:///{tmp_path}/store.db"), 4)
    reading = KeptConnections(for_single_reads(engine))
    with engine.connect() as writing:
        writing.execute(text("CREATE TABLE things (name TEXT)"))
        writing.commit()
        yield reading, writing
    reading.close()
    engine.dispose()


def test_a_kept_connection_sees_what_was_committed_since_it_last_read(
    kept: tuple[KeptConnections, Connection],
) -> None:
    reading, writing = kept
    with reading.connection() as first:
        assert first.scalar(COUNT) == 0
    writing.execute(text("INSERT INTO things VALUES ('one')"))
    writing.commit()
    with reading.connection() as second:
        assert second.scalar(COUNT) == 1
    assert second is first


def test_a_connection_on_which_something_failed_is_not_kept(kept: tuple[KeptConnections, Connection]) -> None:
    reading, _ = kept
    with pytest.raises(OperationalError), reading.connection() as failed:
        failed.execute(text("SELECT * FROM nothing"))
    with reading.connection() as another:
        assert another.scalar(COUNT) == 0
    assert another is not failed
    assert failed.closed

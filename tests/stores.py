"""New stores for tests: copies of one that was migrated once, as migrating takes ten times as long as opening."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from workers.resources.store import Store

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.many)]
"""What a fixture of a store is parametrized with; `make test` tries a share of what is tried with PostgreSQL."""


def new_store(folder: Path | str) -> str:
    """The address of a new, empty SQLite store in this folder; only we may read the file, as in `Store.open`."""
    file = Path(folder) / "store.db"
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(_migrated())
    return f"sqlite:///{file}"


@cache
def _migrated() -> bytes:
    """What the migrations make of a file that was not there; nothing in it is drawn by chance."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "store.db"
        Store.open(f"sqlite:///{file}").close()
        return file.read_bytes()

"""Where the store is: the one reader of its URL, and how a place is named without its password."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from workers.resources.store.errors import StoreUrlWrong

EXPECTED = "expected sqlite:///path/to/store.db or postgresql://user@host/database"
DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def read_url(text: str) -> URL:
    """The store's URL with the driver we use. Raises StoreUrlWrong; the text itself is never repeated."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not chained: what was raised may quote the text, and the text may hold a password.
        raise StoreUrlWrong(f"the address of the store is not a URL; {EXPECTED}") from None
    if url.drivername not in DRIVERS:
        raise StoreUrlWrong(f"the store cannot be kept in {url.drivername!r}; {EXPECTED}")
    if not url.database or url.database == ":memory:":
        # Several processes share the store, and it outlives them all.
        raise StoreUrlWrong(f"the address of the store names no file or database; {EXPECTED}")
    return url.set(drivername=DRIVERS[url.drivername])


def is_sqlite(url: URL) -> bool:
    """The store is a file on this host."""
    return url.get_backend_name() == "sqlite"


def place_of(url: URL) -> str:
    """The place for people: dialect and path, or dialect, user, host and database."""
    if is_sqlite(url):
        return f"SQLite {Path(str(url.database)).absolute()}"
    host = url.host or url.query.get("host") or "local socket"
    port = f":{url.port}" if url.port else ""
    user = f"{url.username}@" if url.username else ""
    return f"PostgreSQL {user}{host}{port}/{url.database}"

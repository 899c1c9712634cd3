"""The store: SQL behind the ports of `activities/`, on SQLite for one host or PostgreSQL for many."""

from workers.resources.store.errors import (
    ContentDamaged,
    StoreOfAnotherMode,
    StoreTooNew,
    StoreUnreachable,
    StoreUrlWrong,
)
from workers.resources.store.store import Store

__all__ = ["ContentDamaged", "Store", "StoreOfAnotherMode", "StoreTooNew", "StoreUnreachable", "StoreUrlWrong"]

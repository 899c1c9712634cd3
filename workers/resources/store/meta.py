"""What is decided once for the life of a store, and told to auditors by its digest."""

from datetime import UTC, datetime

from sqlalchemy import Connection, select

from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from workers.resources.store.audit import append
from workers.resources.store.database import insert_new
from workers.resources.store.schema import META


def kept(connection: Connection, name: str, value: bytes) -> bytes:
    """The value that stands under `name` from now on: this one, unless another one stood there before."""
    if insert_new(connection, META, {"name": name, "value": value}):
        record = AuditRecord(kind=AuditKind.KEPT, at=datetime.now(UTC), about=name, facts={"value": digest(value)})
        append(connection, record)
        return value
    found = standing(connection, name)
    assert found is not None  # nothing is ever deleted
    return found


def standing(connection: Connection, name: str) -> bytes | None:
    """The value under `name`, or None."""
    value: bytes | None = connection.scalar(select(META.c.value).where(META.c.name == name))
    return value

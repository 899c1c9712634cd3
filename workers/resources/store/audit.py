"""The audit chain in the store: links appended in the transaction of what they tell of, one head row per stream."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from contracts.audit import GENESIS, AuditRecord, ChainLink, StreamHead
from contracts.canonical import parse_json
from workers.resources.store.database import Database, insert_new
from workers.resources.store.schema import AUDIT, AUDIT_HEADS

# Built once: that costs more than running them.
_HEAD = select(AUDIT_HEADS.c.seq, AUDIT_HEADS.c.hash).where(AUDIT_HEADS.c.stream == bindparam("of_stream"))
_LOCKED_HEAD = _HEAD.with_for_update()  # SQLite, which has one writer at a time, leaves that out
_ONCE = select(AUDIT.c.seq).where(
    AUDIT.c.workflow_id == bindparam("of_workflow_id"),
    AUDIT.c.first_run_id == bindparam("of_first_run_id"),
    AUDIT.c.kind == bindparam("of_kind"),
    AUDIT.c.once == bindparam("of_once"),
)
_ADVANCE = (
    update(AUDIT_HEADS)
    .where(AUDIT_HEADS.c.stream == bindparam("of_stream"))
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)


class SqlAudit:
    """The port `activities.audit.Audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, *records: AuditRecord) -> None:
        """Append in one transaction; a record with `once` that stands already is left out."""
        await self._database.write(lambda connection: append(connection, *records))

    def heads_now(self) -> dict[str, StreamHead]:
        """How far each stream reaches, at one moment. Blocks."""
        rows = self._database.read_now(lambda connection: connection.execute(select(AUDIT_HEADS)).all())
        return {row.stream: StreamHead(seq=row.seq, hash=row.hash) for row in rows if row.seq}

    def newest_now(self) -> datetime | None:
        """When the last record of any stream happened. Blocks."""
        ends = and_(AUDIT.c.stream == AUDIT_HEADS.c.stream, AUDIT.c.seq == AUDIT_HEADS.c.seq)
        query = select(AUDIT.c.payload).join(AUDIT_HEADS, ends)
        payloads = self._database.read_now(lambda connection: connection.execute(query).scalars().all())
        return max((AuditRecord.model_validate(parse_json(payload)).at for payload in payloads), default=None)

    def hashes_now(self, heads: Mapping[str, StreamHead]) -> dict[str, str]:
        """The hash that stands where each of these heads was; a stream whose link is gone is left out. Blocks."""
        if not heads:
            return {}
        places = (and_(AUDIT.c.stream == stream, AUDIT.c.seq == head.seq) for stream, head in heads.items())
        query = select(AUDIT.c.stream, AUDIT.c.hash).where(or_(*places))
        return {
            row.stream: row.hash for row in self._database.read_now(lambda connection: connection.execute(query).all())
        }


def append(connection: Connection, *records: AuditRecord) -> None:
    """Append within a transaction that does more; streams are locked in one order, so that rivals never deadlock."""
    for record in sorted(records, key=lambda each: each.stream):
        _append(connection, record)


def lock(connection: Connection, stream: str) -> None:
    """Until this transaction is over nobody else appends to the stream."""
    _locked_head(connection, stream)


def _append(connection: Connection, record: AuditRecord) -> None:
    stream = record.stream
    seq, last = _locked_head(connection, stream)
    if record.once and _stands(connection, record):
        return
    link = ChainLink.after(stream, seq + 1, last, record)
    row = link.model_dump() | {
        "workflow_id": record.workflow_id,
        "first_run_id": record.first_run_id,
        "kind": record.kind.value,
        "once": record.once or None,
    }
    connection.execute(AUDIT.insert(), row)
    connection.execute(_ADVANCE, {"of_stream": stream, "new_seq": link.seq, "new_hash": link.hash})


def _locked_head(connection: Connection, stream: str) -> tuple[int, str]:
    found = connection.execute(_LOCKED_HEAD, {"of_stream": stream}).one_or_none()
    if found is None:
        insert_new(connection, AUDIT_HEADS, {"stream": stream, "seq": 0, "hash": GENESIS})
        found = connection.execute(_LOCKED_HEAD, {"of_stream": stream}).one()
    return found.seq, found.hash


def _stands(connection: Connection, record: AuditRecord) -> bool:
    named = {"of_workflow_id": record.workflow_id, "of_first_run_id": record.first_run_id}
    return connection.scalar(_ONCE, named | {"of_kind": record.kind.value, "of_once": record.once}) is not None

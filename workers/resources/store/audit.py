"""The audit chain in the store: links appended in the transaction of what they tell of, one head row per stream."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from contracts.audit import GENESIS, AuditRecord, ChainLink, StreamHead
from contracts.canonical import parse_json
from workers.resources.store.database import Database, insert_new
from workers.resources.store.prepared import Prepared
from workers.resources.store.schema import AUDIT, AUDIT_HEADS

# Built once: that costs more than running them.
_HEAD = select(AUDIT_HEADS.c.seq, AUDIT_HEADS.c.hash).where(AUDIT_HEADS.c.stream == bindparam("of_stream"))
_LOCKED_HEAD = Prepared(_HEAD.with_for_update())  # SQLite, which has one writer at a time, leaves that out
_ONCE = Prepared(
    select(AUDIT.c.seq).where(
        AUDIT.c.workflow_id == bindparam("of_workflow_id"),
        AUDIT.c.first_run_id == bindparam("of_first_run_id"),
        AUDIT.c.kind == bindparam("of_kind"),
        AUDIT.c.once == bindparam("of_once"),
    )
)
_NAMED = ("workflow_id", "first_run_id", "kind", "once")
"""What a record that is told once is known by."""
_ASKED = tuple(f"of_{column}" for column in _NAMED)
_STREAM = attrgetter("stream")
_INSERT = Prepared(AUDIT.insert())
_ADVANCE = Prepared(
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
        if records:
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
    for stream, its_records in groupby(sorted(records, key=_STREAM), key=_STREAM):
        _append(connection, stream, its_records)


def lock(connection: Connection, stream: str) -> None:
    """Until this transaction is over nobody else appends to the stream."""
    _locked_head(connection, stream)


def _append(connection: Connection, stream: str, records: Iterable[AuditRecord]) -> None:
    seq, last = _locked_head(connection, stream)
    rows: list[dict[str, object]] = []
    told = set[tuple[str, ...]]()
    for record in records:
        name = (record.workflow_id, record.first_run_id, record.kind.value, record.once)
        if record.once and (name in told or _stands(connection, name)):
            continue
        told.add(name)
        link = ChainLink.after(stream, seq + 1, last, record)
        seq, last = link.seq, link.hash
        row = dict(zip(_NAMED, name, strict=True))
        rows.append(link.model_dump() | row | {"once": record.once or None})
    if rows:
        _INSERT.run(connection, *rows)
        _ADVANCE.run(connection, {"of_stream": stream, "new_seq": seq, "new_hash": last})


def _locked_head(connection: Connection, stream: str) -> tuple[int, str]:
    found = _LOCKED_HEAD.one_or_none(connection, {"of_stream": stream})
    if found is None:
        insert_new(connection, AUDIT_HEADS, {"stream": stream, "seq": 0, "hash": GENESIS})
        found = _LOCKED_HEAD.one_or_none(connection, {"of_stream": stream})
    assert found is not None  # inserted, or there before; nothing is ever deleted
    return found["seq"], found["hash"]


def _stands(connection: Connection, name: tuple[str, ...]) -> bool:
    return _ONCE.scalar(connection, dict(zip(_ASKED, name, strict=True))) is not None

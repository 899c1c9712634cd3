"""What stands in the store, at one moment: the links of the chain, and the tables in the words of its records."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, select

from contracts.audit import GOVERNANCE, ChainLink, StreamHead, stream_of
from contracts.canonical import digest
from contracts.model import rfc3339
from workers.resources.audit.links import Repeated
from workers.resources.audit.told import Row
from workers.resources.store.ledger import RECORDABLE
from workers.resources.store.ledger_records import NAMED, is_told_in_full, json_digest, outcome_digest
from workers.resources.store.schema import ACTIVATIONS, AUDIT, AUDIT_HEADS, CONTENTS, DECISIONS, LEDGER, STARTS

AT_A_TIME = 500
_OUTCOMES = {state.value for state in RECORDABLE}


def links(connection: Connection) -> Iterator[tuple[ChainLink, Repeated]]:
    """Every link, the streams one after the other, each in order."""
    for row in _each(connection, select(AUDIT).order_by(AUDIT.c.stream, AUDIT.c.seq)):
        link = ChainLink.model_construct(**{name: row[name] for name in ChainLink.model_fields})
        yield link, Repeated(row["workflow_id"], row["first_run_id"], row["kind"], row["once"] or "")


def heads(connection: Connection) -> dict[str, StreamHead]:
    """The head rows."""
    rows = connection.execute(select(AUDIT_HEADS)).all()
    return {row.stream: StreamHead(seq=row.seq, hash=row.hash) for row in rows}


def ledger(connection: Connection) -> Iterator[Row]:
    """The entries. What was only read is told of by its outcome alone."""
    for row in _each(connection, select(LEDGER)):
        values: dict[str, JsonValue] = {name: row[name] for name in NAMED}
        values |= {name: row[name] for name in ("workflow_id", "first_run_id", "action_digest")}
        in_full, has_outcome = is_told_in_full(row["effect_class"]), row["state"] in _OUTCOMES
        if in_full or has_outcome:
            values |= {"state": row["state"], "generation": row["generation"], "content": row["content"]}
            values |= {"outcome": outcome_digest(row["outcome"]), "finished_at": _moment(row["finished_at"])}
        if in_full:
            values |= {"arguments": json_digest(row["arguments"]), "sends": row["sends"], "owner": row["owner"]}
            values |= {name: _moment(row[name]) for name in ("claimed_at", "first_sent_at", "last_sent_at")}
        yield Row(row["key"], stream_of(row["workflow_id"]), values, optional=not (in_full or has_outcome))


def decisions(connection: Connection) -> Iterator[Row]:
    """Decisions that were taken."""
    for row in _each(connection, select(DECISIONS)):
        values = {name: row[name] for name in ("statement", "approver", "approval_id", "first_run_id")}
        yield Row(row["nonce"], "decisions", values | {"used_at": _moment(row["used_at"])})


def activations(connection: Connection) -> Iterator[Row]:
    """Documents that are or were in force."""
    for row in _each(connection, select(ACTIVATIONS).where(ACTIVATIONS.c.activated_at.is_not(None))):
        name = f"{row['kind']} {row['digest']} {row['version']}"
        yield Row(name, GOVERNANCE, {"activated_at": _moment(row["activated_at"])})


def starts(connection: Connection) -> Iterator[Row]:
    """Start records."""
    for row in _each(connection, select(STARTS)):
        start = row["start"]
        values: dict[str, JsonValue] = {
            "automation": row["automation"],
            "business_key": digest(row["business_key"].encode("utf-8", "surrogatepass")),
            "input": start.get("input_digest"),
            "key_id": start.get("key_id", ""),
            "nonce": start.get("nonce", ""),
            "requester": start.get("requester"),
            "registered_at": _moment(row["registered_at"]),
            "ending": row["ending"],
        }
        yield Row(f"{row['workflow_id']} ({row['first_run_id']})", stream_of(row["workflow_id"]), values)


def contents(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Everything that is kept by content address."""
    for row in _each(connection, select(CONTENTS)):
        yield row["address"], row["content"]


def records_of_run(connection: Connection, workflow_id: str, first_run_id: str = "") -> Iterator[ChainLink]:
    """The links that tell of a run, or of all runs under that workflow id, in order."""
    query = select(AUDIT).where(AUDIT.c.workflow_id == workflow_id).order_by(AUDIT.c.stream, AUDIT.c.seq)
    if first_run_id:
        query = query.where(AUDIT.c.first_run_id == first_run_id)
    for row in _each(connection, query):
        yield ChainLink.model_construct(**{name: row[name] for name in ChainLink.model_fields})


def _each(connection: Connection, query: Select[*tuple[object, ...]]) -> Iterator[RowMapping]:
    return iter(connection.execute(query, execution_options={"yield_per": AT_A_TIME}).mappings())


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)

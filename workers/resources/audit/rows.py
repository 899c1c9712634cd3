"""What stands in the store, at one moment: the links of the chain, and the tables in the words of its records."""

from collections.abc import Container, Iterator
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, false, func, select

from contracts.audit import GOVERNANCE, ChainLink, StreamHead, stream_of
from contracts.canonical import canonical_json, digest
from contracts.model import rfc3339
from workers.resources.audit.links import Repeated
from workers.resources.audit.told import Row
from workers.resources.store.conversations import side_digest
from workers.resources.store.erasure_records import of_entry, of_request, of_start
from workers.resources.store.ledger import RECORDABLE
from workers.resources.store.ledger_records import NAMED, is_told_in_full, json_digest
from workers.resources.store.schema import (
    ACTIVATIONS,
    AUDIT,
    AUDIT_HEADS,
    CASES,
    CHILDREN,
    CONTENTS,
    DECISIONS,
    ENDORSEMENTS,
    EXTENSIONS,
    FREEZES,
    GRANTS,
    LEDGER,
    META,
    REQUESTS,
    RESERVATIONS,
    START_NONCES,
    STARTS,
    TAINTS,
    TOTALS,
    TURNS,
)
from workers.resources.store.totals import share_digest

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
        erasable, run = of_entry(row), f"{row['workflow_id']} ({row['first_run_id']})"
        in_full, has_outcome = is_told_in_full(row["effect_class"]), row["state"] in _OUTCOMES
        if in_full or has_outcome:
            values |= {"state": row["state"], "generation": row["generation"], "content": row["content"]}
            values |= {"outcome": erasable["outcome"], "finished_at": _moment(row["finished_at"])}
        if in_full:
            values |= {"arguments": erasable["arguments"], "sends": row["sends"], "owner": row["owner"]}
            values |= {name: row[name] for name in ("resource", "question", "lookups")}
            moments = ("claimed_at", "first_sent_at", "last_sent_at", "looked_up_at")
            values |= {name: _moment(row[name]) for name in moments}
        optional = not (in_full or has_outcome)
        yield Row(row["key"], stream_of(row["workflow_id"]), values, optional, run, erasable)


def decisions(connection: Connection) -> Iterator[Row]:
    """Decisions that were taken."""
    for row in _each(connection, select(DECISIONS)):
        values = {name: row[name] for name in ("statement", "approver", "approval_id", "first_run_id", "note")}
        yield Row(row["nonce"], "decisions", values | {"used_at": _moment(row["used_at"])})


def activations(connection: Connection) -> Iterator[Row]:
    """Documents that are or were in force."""
    for row in _each(connection, select(ACTIVATIONS).where(ACTIVATIONS.c.activated_at.is_not(None))):
        name = f"{row['kind']} {row['digest']} {row['version']}"
        values = {"statement": json_digest(row["activation"]), "activated_at": _moment(row["activated_at"])}
        yield Row(name, GOVERNANCE, values)


def endorsements(connection: Connection) -> Iterator[Row]:
    """Signatures under documents."""
    for row in _each(connection, select(ENDORSEMENTS)):
        name = f"{row['kind']} {row['digest']} {row['version']} by {row['signer']}"
        values = {"statement": json_digest(row["endorsement"]), "endorsed_at": _moment(row["endorsed_at"])}
        yield Row(name, GOVERNANCE, values)


def kept(connection: Connection) -> Iterator[Row]:
    """What was decided for the life of the store."""
    for row in _each(connection, select(META)):
        yield Row(row["name"], GOVERNANCE, {"value": digest(row["value"])})


def grants(connection: Connection) -> Iterator[Row]:
    """Roles taken in an emergency, each named by the digest of what was signed."""
    for row in _each(connection, select(GRANTS)):
        address = digest(canonical_json(row["grant"]))
        yield Row(address, GOVERNANCE, {"recorded_at": _moment(row["recorded_at"])})


def freezes(connection: Connection) -> Iterator[Row]:
    """What was frozen and thawed, each by the digest of what was signed."""
    for row in _each(connection, select(FREEZES)):
        values: dict[str, JsonValue] = {
            "freeze": digest(canonical_json(row["freeze"])),
            "frozen_at": _moment(row["frozen_at"]),
            "thaw": None if row["thaw"] is None else digest(canonical_json(row["thaw"])),
            "thawed_at": _moment(row["thawed_at"]),
        }
        yield Row(row["nonce"], GOVERNANCE, values)


def extensions(connection: Connection) -> Iterator[Row]:
    """What people added to the budgets of runs."""
    for row in _each(connection, select(EXTENSIONS)):
        values: dict[str, JsonValue] = {
            "extension": row["extension"],
            "approver": row["approver"],
            "run": f"{row['workflow_id']} ({row['first_run_id']})",
            "extended_at": _moment(row["extended_at"]),
        }
        yield Row(row["nonce"], stream_of(row["workflow_id"]), values)


def turns(connection: Connection, erased: Container[str]) -> Iterator[Row]:
    """Answered turns of conversations; of those of erased runs nothing but the address is left to compare."""
    for row in _each(connection, select(TURNS).where(TURNS.c.address.is_not(None))):
        run = f"{row['workflow_id']} ({row['first_run_id']})"
        values: dict[str, JsonValue] = {"address": row["address"]}
        if run not in erased:
            values |= {"asked": side_digest(row["user"]), "said": side_digest(row["assistant"] or [])}
        yield Row(f"{run} {row['conversation']} {row['turn']}", stream_of(row["workflow_id"]), values)


def starts(connection: Connection) -> Iterator[Row]:
    """Start records."""
    for row in _each(connection, select(STARTS)):
        start, erasable = row["start"], of_start(row)
        run = f"{row['workflow_id']} ({row['first_run_id']})"
        values: dict[str, JsonValue] = {
            "automation": row["automation"],
            "business_key": digest(row["business_key"].encode("utf-8", "surrogatepass")),
            "input": start.get("input_digest"),
            **erasable,
            "key_id": start.get("key_id", ""),
            "nonce": start.get("nonce", ""),
            "requester": start.get("requester"),
            "registered_at": _moment(row["registered_at"]),
            "ending": row["ending"],
            "erased_at": _moment(row["erased_at"]),
        }
        yield Row(run, stream_of(row["workflow_id"]), values, run=run, erasable=erasable)


def cases(connection: Connection) -> Iterator[Row]:
    """Who holds or held a business key."""
    for row in _each(connection, select(CASES)):
        key = digest(row["business_key"].encode("utf-8", "surrogatepass"))
        run = f"{row['workflow_id']} ({row['first_run_id']})"
        yield Row(f"{row['automation']} {key} {row['holding']}", stream_of(row["workflow_id"]), {"run": run})


def children(connection: Connection) -> Iterator[Row]:
    """Child runs, as their parents have entered them."""
    for row in _each(connection, select(CHILDREN)):
        values: dict[str, JsonValue] = {name: row[name] for name in ("step", "occurrence", "first_run_id")}
        values |= {"statement": json_digest(row["start"]), "entered_at": _moment(row["entered_at"])}
        values |= {"parent": f"{row['parent_workflow_id']} ({row['parent_first_run_id']})"}
        yield Row(row["workflow_id"], stream_of(row["parent_workflow_id"]), values)


def start_nonces(connection: Connection) -> Iterator[Row]:
    """Nonces of start statements that were used."""
    for row in _each(connection, select(START_NONCES)):
        run = f"{row['workflow_id']} ({row['first_run_id']})"
        yield Row(row["nonce"], stream_of(row["workflow_id"]), {"run": run})


def requests(connection: Connection) -> Iterator[Row]:
    """Requests to people, open and closed."""
    for row in _each(connection, select(REQUESTS)):
        closing, erasable = row["closing"] or {}, of_request(row)
        run = f"{row['workflow_id']} ({row['first_run_id']})"
        values: dict[str, JsonValue] = {
            **erasable,
            "opened_at": _moment(row["opened_at"]),
            "deadline": _moment(row["deadline"]),
            "passed": row["passed"] or {},
            "closed_at": _moment(row["closed_at"]),
            "outcome": closing.get("outcome"),
            "by": closing.get("by"),
        }
        name = f"{row['request_id']} ({row['first_run_id']})"
        yield Row(name, stream_of(row["workflow_id"]), values, run=run, erasable=erasable)


def taints(connection: Connection) -> Iterator[Row]:
    """What runs have read."""
    for row in _each(connection, select(TAINTS)):
        name = f"{row['taint']} of {row['workflow_id']} ({row['first_run_id']})"
        values = {"tool": row["tool"], "tainted_at": _moment(row["tainted_at"])}
        yield Row(name, stream_of(row["workflow_id"]), values)


def reservations(connection: Connection) -> Iterator[Row]:
    """What counts in running totals, or no longer does. One that was never entered is none yet."""
    for row in _each(connection, select(RESERVATIONS)):
        values: dict[str, JsonValue] = {
            "share": share_digest(row["of"], row["amount"], row["reached"]),
            "action": row["action_digest"],
            "reserved_at": _moment(row["reserved_at"]),
            "released": row["released"],
        }
        yield Row(f"{row['key']} in {row['total']}", "reservations", values)


def totals_that_differ(connection: Connection) -> Iterator[tuple[str, int, int]]:
    """Running totals that are not the sum of what is reserved of them: name, amount, sum."""
    reserved = select(RESERVATIONS.c.total, RESERVATIONS.c.of, func.sum(RESERVATIONS.c.amount).label("amount"))
    reserved = reserved.where(RESERVATIONS.c.released == false()).group_by(RESERVATIONS.c.total, RESERVATIONS.c.of)
    sums = {(row["total"], row["of"]): int(row["amount"]) for row in _each(connection, reserved)}
    amounts = {(row["total"], row["of"]): row["amount"] for row in _each(connection, select(TOTALS))}
    for key in sorted(sums.keys() | amounts.keys()):
        if amounts.get(key, 0) != sums.get(key, 0):
            yield key[0], amounts.get(key, 0), sums.get(key, 0)


def contents(connection: Connection) -> Iterator[tuple[str, bytes | None]]:
    """Everything that is kept by content address; None where it is said to be erased."""
    for row in _each(connection, select(CONTENTS)):
        yield row["address"], row["content"] if row["erased_at"] is None else None


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

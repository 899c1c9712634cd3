"""Which contents are named by some runs and by nothing else: content is kept by address, and may be anybody's."""

import re
from collections.abc import Collection, Iterator

from pydantic import JsonValue
from sqlalchemy import Connection, RowMapping, Select, select

from activities.conversations import RunKey
from contracts.audit import AuditKind
from contracts.authority import DocumentKind
from contracts.canonical import canonical_json, digest, parse_json
from workers.resources.store.schema import (
    ACTIVATIONS,
    AUDIT,
    CONTENTS,
    DECISIONS,
    FREEZES,
    GRANTS,
    LEDGER,
    REQUESTS,
    TURNS,
)
from workers.resources.store.traces import AT_A_TIME, in_parts, of_run, run_of

_ADDRESS = re.compile(r"sha256:[0-9a-f]{64}")
_OF_REQUEST = ("display_digest", "action_digest")
_OF_RECORD = ("result", "display", "action", "note")
"""Facts of a run's records that are content addresses. Rules, roster and tools are nobody's."""


def named_by(connection: Connection, run: RunKey) -> set[str]:
    """The addresses that the rows and the records of one run name. Tools as they were offered are nobody's."""
    found: set[object] = set()
    for row in _rows(connection, select(LEDGER.c.content, LEDGER.c.action_digest).where(of_run(LEDGER, run))):
        found.update(row.values())
    for row in _rows(connection, select(REQUESTS.c.entry).where(of_run(REQUESTS, run))):
        found.update(row["entry"].get(name) for name in _OF_REQUEST)
    for row in _rows(connection, select(DECISIONS.c.note).where(DECISIONS.c.first_run_id == run.first_run_id)):
        found.add(row["note"])
    for row in _rows(connection, select(TURNS.c.system, TURNS.c.folded, TURNS.c.outcome).where(of_run(TURNS, run))):
        found |= {row["system"], row["folded"], _answer(row)}
    for row in _rows(connection, select(AUDIT.c.payload).where(of_run(AUDIT, run))):
        found.update(_of_record(row["payload"]))
    return {address for address in found if isinstance(address, str) and _ADDRESS.fullmatch(address)}


def stored_contents(connection: Connection, addresses: Collection[str], lock: bool) -> set[str]:
    """Those that are stored and not erased; locked, when this transaction is to change them."""
    stored: set[str] = set()
    for part in in_parts(addresses):
        query = select(CONTENTS.c.address).where(CONTENTS.c.address.in_(part), CONTENTS.c.erased_at.is_(None))
        query = query.order_by(CONTENTS.c.address)  # in one order, so that rivals never deadlock
        stored.update(connection.scalars(query.with_for_update() if lock else query))
    return stored


def named_elsewhere(connection: Connection, addresses: Collection[str], runs: Collection[RunKey]) -> set[str]:
    """Those of the addresses that another run names, or what is or was in force."""
    named = _in_force(connection) & set(addresses)
    for part in in_parts(addresses):
        named |= _in_columns(connection, part, runs)
    return named | (_in_documents(connection, runs) & set(addresses))


def _in_columns(connection: Connection, part: Collection[str], runs: Collection[RunKey]) -> set[str]:
    named: set[str] = set()
    for table, column in ((LEDGER, "content"), (LEDGER, "action_digest"), (TURNS, "system"), (TURNS, "folded")):
        found = table.c[column]
        query = select(found, table.c.workflow_id, table.c.first_run_id).where(found.in_(part)).distinct()
        named.update(row[column] for row in _rows(connection, query) if run_of(row) not in runs)
    firsts = {run.first_run_id for run in runs}
    decided = select(DECISIONS.c.note, DECISIONS.c.first_run_id).where(DECISIONS.c.note.in_(part)).distinct()
    named.update(row["note"] for row in _rows(connection, decided) if row["first_run_id"] not in firsts)
    named.update(connection.scalars(select(TURNS.c.offered).where(TURNS.c.offered.in_(part)).distinct()))
    return named


def _in_documents(connection: Connection, runs: Collection[RunKey]) -> set[str]:
    """What other runs name within what they keep as JSON."""
    named: set[str] = set()
    answers = select(TURNS.c.outcome, TURNS.c.workflow_id, TURNS.c.first_run_id).where(TURNS.c.outcome.is_not(None))
    named.update(_answer(row) for row in _rows(connection, answers) if run_of(row) not in runs)
    asked = select(REQUESTS.c.entry, REQUESTS.c.workflow_id, REQUESTS.c.first_run_id)
    for row in _rows(connection, asked):
        if run_of(row) not in runs:
            named.update(str(row["entry"].get(name)) for name in _OF_REQUEST)
    noted = select(AUDIT.c.payload, AUDIT.c.workflow_id, AUDIT.c.first_run_id)
    for row in _rows(connection, noted.where(AUDIT.c.kind == AuditKind.ACKNOWLEDGED.value)):
        if run_of(row) not in runs:
            named.update(str(each) for each in _of_record(row["payload"]))
    return named


def _in_force(connection: Connection) -> set[str]:
    """Documents, proposals, definitions of accepted tools, and statements of people who govern: never erased."""
    named: set[str] = set()
    documents = select(ACTIVATIONS.c.kind, ACTIVATIONS.c.digest, CONTENTS.c.content)
    for row in _rows(connection, documents.join(CONTENTS, CONTENTS.c.address == ACTIVATIONS.c.digest)):
        named.add(row["digest"])
        if row["kind"] == DocumentKind.PINS.value:
            named.update(_ADDRESS.findall(row["content"].decode(errors="replace")))
    for row in _rows(connection, select(GRANTS.c.grant)):
        named.add(digest(canonical_json(row["grant"])))
    for row in _rows(connection, select(FREEZES.c.freeze, FREEZES.c.thaw)):
        named.update(digest(canonical_json(each)) for each in row.values() if each is not None)
    return named


def _of_record(payload: str) -> Iterator[JsonValue]:
    record = parse_json(payload)
    assert isinstance(record, dict)
    facts = record.get("facts", {})
    assert isinstance(facts, dict)
    yield record.get("about")
    yield from (facts.get(name) for name in _OF_RECORD if isinstance(facts.get(name), str))


def _answer(row: RowMapping) -> str:
    return str((row["outcome"] or {}).get("answer_ref", ""))


def _rows(connection: Connection, query: Select[*tuple[object, ...]]) -> Iterator[RowMapping]:
    return iter(connection.execute(query, execution_options={"yield_per": AT_A_TIME}).mappings())

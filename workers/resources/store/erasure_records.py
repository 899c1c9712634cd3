"""What the audit chain is told of an erasure, and the digest that stands for what was left of a run."""

from collections.abc import Mapping

from pydantic import JsonValue
from sqlalchemy import RowMapping

from activities.conversations import RunKey
from activities.erasing import Traces
from contracts.audit import AuditKind, AuditRecord
from contracts.erasing import Erasure
from contracts.model import Moment
from workers.resources.store.ledger_records import json_digest, outcome_digest

Digests = Mapping[str, JsonValue]
"""Field -> digest of what stands in it."""


def of_start(row: RowMapping) -> Digests:
    """The fields of a start record that an erasure empties."""
    return {"request": json_digest(row["request"]), "statement": json_digest(row["start"])}


def of_entry(row: RowMapping) -> Digests:
    """The fields of a ledger entry that an erasure empties."""
    return {"arguments": json_digest(row["arguments"]), "outcome": outcome_digest(row["outcome"])}


def of_request(row: RowMapping) -> Digests:
    """The field of a request that an erasure empties."""
    return {"entry": json_digest(row["entry"])}


def left_digest(rows: Mapping[str, Digests]) -> str:
    """One digest for all rows of a run: name of the row -> its digests."""
    return json_digest({name: dict(digests) for name, digests in rows.items()})


def erasure_record(erasure: Erasure, erased: Traces, at: Moment) -> AuditRecord:
    """That somebody was erased: by whom, how many runs, and the statement it was ordered with."""
    counted = {name: sum(getattr(each, name) for each in erased.runs) for name in ("turns", "calls", "requests")}
    facts: dict[str, JsonValue] = {"runs": len(erased.runs), "contents": erased.contents, **counted}
    facts["notices"] = sum(each.notices for each in erased.runs)
    facts |= {"key_id": erasure.key_id, "nonce": erasure.nonce, "signature": erasure.signature or ""}
    facts |= {"issued_at": erasure.model_dump(mode="json")["issued_at"], "digest_of_runs": erasure.runs}
    return AuditRecord(kind=AuditKind.ERASED, at=at, who=erasure.by, about=erasure.subject, facts=facts)


def run_record(erasure: Erasure, run: RunKey, left: str, contents: tuple[str, ...], at: Moment) -> AuditRecord:
    """What was left of one run, and which contents are empty from now on."""
    facts: dict[str, JsonValue] = {"left": left, "contents": list(contents), "nonce": erasure.nonce}
    named = run.model_dump()
    return AuditRecord(kind=AuditKind.ERASED, at=at, **named, who=erasure.by, about=erasure.subject, facts=facts)

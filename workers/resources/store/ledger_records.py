"""What the audit chain is told of the ledger: names and digests of an entry as it stands after a change."""

import json

from pydantic import JsonValue

from activities.ledger import Claim, LedgerState
from contracts.audit import AuditKind, AuditRecord
from contracts.canonical import digest
from contracts.model import Moment
from contracts.tools import EffectClass
from workers.resources.store.prepared import Found

NAMED = ("key", "server", "tool", "step", "occurrence", "effect_class", "purpose", "pin")
"""What every record repeats of its entry."""


def claimed(claim: Claim, at: Moment) -> AuditRecord:
    """A new entry, with what permitted it."""
    facts: dict[str, JsonValue] = {
        "state": LedgerState.CLAIMED.value,
        "generation": 0,
        "arguments": json_digest(claim.arguments),
        "policy": claim.policy_digest,
        "rules": list(claim.rule_ids),
        "roster": claim.roster_digest,
        "evidence": list(claim.evidence),
        "credential": claim.credential,
        "resource": claim.resource,
    }
    plain = claim.model_dump(mode="json")
    named = {name: plain[name] for name in NAMED}
    return AuditRecord(
        kind=AuditKind.CLAIMED,
        at=at,
        workflow_id=claim.workflow_id,
        first_run_id=claim.first_run_id,
        who=claim.requester,
        about=claim.action_digest,
        facts=named | facts,
    )


def sent(row: Found, at: Moment) -> AuditRecord:
    """The entry was sent, by this worker."""
    return _moved(AuditKind.SENT, row, at, {"owner": row["owner"]})


def released(row: Found, at: Moment) -> AuditRecord:
    """The last send reached nobody."""
    return _moved(AuditKind.RELEASED, row, at, {"outcome": outcome_digest(row["outcome"])})


def looked_up(row: Found, at: Moment) -> AuditRecord:
    """It was looked up, and not found."""
    facts: dict[str, JsonValue] = {"lookups": row["lookups"], "outcome": outcome_digest(row["outcome"])}
    return _moved(AuditKind.LOOKED_UP, row, at, facts)


def finished(row: Found, at: Moment, who: str = "", evidence: str = "") -> AuditRecord:
    """What came of the entry, and who says so where a person does."""
    facts: dict[str, JsonValue] = {"outcome": outcome_digest(row["outcome"]), "result": row["content"]}
    if evidence:
        facts["evidence"] = [evidence]
    return _moved(AuditKind.OUTCOME, row, at, facts, who)


def is_told_in_full(effect_class: str) -> bool:
    """Reading stays cheap: of it the chain has what came of it, and nothing else."""
    return effect_class != EffectClass.READ.value


def outcome_digest(outcome: JsonValue) -> str | None:
    """Digest of an outcome as the store keeps it; None while there is none."""
    return None if outcome is None else json_digest(outcome)


def json_digest(value: JsonValue) -> str:
    """Digest of JSON as the store keeps it: also of what has no canonical form."""
    return digest(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def _moved(kind: AuditKind, row: Found, at: Moment, more: dict[str, JsonValue], who: str = "") -> AuditRecord:
    facts: dict[str, JsonValue] = {name: row[name] for name in (*NAMED, "state", "generation")}
    return AuditRecord(
        kind=kind,
        at=at,
        workflow_id=row["workflow_id"],
        first_run_id=row["first_run_id"],
        who=who,
        about=row["action_digest"],
        facts=facts | more,
    )

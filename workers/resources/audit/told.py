"""What the records of the chain tell of the tables of the store, to be compared with what stands in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from activities.ledger import LedgerState
from contracts.audit import AuditKind, AuditRecord, ChainLink
from contracts.model import rfc3339
from workers.resources.audit.findings import Finding
from workers.resources.store.ledger_records import NAMED

CONTENTS = ("result", "display", "policy", "roster")
"""Facts that are content addresses."""


@dataclass
class Told:
    """What the chain says of one row, and the last record that says so."""

    stream: str
    seq: int
    values: dict[str, JsonValue]


@dataclass(frozen=True)
class Row:
    """One row, in the words of the records."""

    name: str
    stream: str
    values: Mapping[str, JsonValue]
    optional: bool = False
    """The chain need not tell of it."""


@dataclass
class Accounts:
    """Give it every record; then compare."""

    ledger: dict[str, Told] = field(default_factory=dict)
    decisions: dict[str, Told] = field(default_factory=dict)
    activations: dict[str, Told] = field(default_factory=dict)
    starts: dict[str, Told] = field(default_factory=dict)
    contents: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Content address -> the first record that names it."""

    def take(self, link: ChainLink, record: AuditRecord) -> None:
        """Add what a record tells."""
        place = (link.stream, link.seq)
        for address in _addresses(record):
            self.contents.setdefault(address, place)
        match record.kind:
            case AuditKind.CLAIMED | AuditKind.SENT | AuditKind.RELEASED | AuditKind.OUTCOME:
                self._ledger(place, record)
            case AuditKind.DECISION:
                told = {name: record.facts.get(name) for name in ("statement",)}
                told |= {"approver": record.who, "approval_id": record.about, "first_run_id": record.first_run_id}
                self.decisions[_text(record, "nonce")] = Told(*place, told | {"used_at": rfc3339(record.at)})
            case AuditKind.ACTIVATED:
                name = f"{record.about} {record.facts.get('version')}"
                self.activations[name] = Told(*place, {"activated_at": rfc3339(record.at)})
            case AuditKind.RUN_STARTED:
                self.starts[_run(record)] = Told(*place, _started(record))
            case AuditKind.RUN_ENDED if (standing := self.starts.get(_run(record))) is not None:
                standing.values["ending"] = record.facts.get("state")
            case _:
                pass

    def _ledger(self, place: tuple[str, int], record: AuditRecord) -> None:
        key = _text(record, "key")
        told = self.ledger.setdefault(key, Told(*place, _nothing_yet()))
        told.stream, told.seq = place
        told.values |= {name: record.facts.get(name) for name in (*NAMED, "state", "generation")}
        told.values |= {
            "action_digest": record.about,
            "workflow_id": record.workflow_id,
            "first_run_id": record.first_run_id,
        }
        told.values |= _moved(told.values, record)


def _nothing_yet() -> dict[str, JsonValue]:
    names = ("claimed_at", "arguments", "owner", "first_sent_at", "last_sent_at", "outcome", "content", "finished_at")
    return dict.fromkeys(names) | {"sends": 0}


def _moved(before: Mapping[str, JsonValue], record: AuditRecord) -> dict[str, JsonValue]:
    """What a record changes, as the ledger does it."""
    at = rfc3339(record.at)
    sends = before["sends"]
    assert isinstance(sends, int)
    match record.kind:
        case AuditKind.CLAIMED:
            return {"claimed_at": at, "arguments": record.facts.get("arguments")}
        case AuditKind.SENT:
            ended: dict[str, JsonValue] = dict.fromkeys(("outcome", "content", "finished_at"))
            sending: dict[str, JsonValue] = {"owner": record.facts.get("owner"), "sends": sends + 1}
            return ended | sending | {"first_sent_at": before["first_sent_at"] or at, "last_sent_at": at}
        case AuditKind.RELEASED:
            sent_before = record.facts.get("state") == LedgerState.UNKNOWN.value
            first = before["first_sent_at"] if sent_before else None
            return {"sends": sends - 1, "first_sent_at": first, "outcome": record.facts.get("outcome")}
        case _:
            outcome, content = record.facts.get("outcome"), record.facts.get("result")
            return {"outcome": outcome, "content": content, "finished_at": at}


def compared(what: str, told: Mapping[str, Told], rows: Iterable[Row]) -> Iterator[Finding]:
    """Where rows and records disagree."""
    seen = set()
    for row in rows:
        seen.add(row.name)
        entry = told.get(row.name)
        if entry is None:
            if not row.optional:
                problem = f"{what} {row.name!r} stands in the store, and no record tells of it"
                yield Finding(stream=row.stream, seq=0, problem=problem)
            continue
        differing = [name for name, value in row.values.items() if entry.values.get(name) != value]
        if differing:
            problem = f"{what} {row.name!r} was changed in the store: {', '.join(differing)} is not as recorded"
            yield Finding(stream=entry.stream, seq=entry.seq, problem=problem)
    for name in told.keys() - seen:
        problem = f"this tells of {what} {name!r}, which is not in the store"
        yield Finding(stream=told[name].stream, seq=told[name].seq, problem=problem)


def _addresses(record: AuditRecord) -> Iterator[str]:
    for name in CONTENTS:
        value = record.facts.get(name)
        if isinstance(value, str) and value:
            yield value
    if record.kind in (AuditKind.ACTIVATED, AuditKind.BREAK_GLASS):
        yield record.about.rpartition(" ")[2]


def _started(record: AuditRecord) -> dict[str, JsonValue]:
    facts = {name: record.facts.get(name) for name in ("automation", "business_key", "input", "key_id", "nonce")}
    run: dict[str, JsonValue] = {"workflow_id": record.workflow_id, "first_run_id": record.first_run_id}
    return facts | run | {"requester": record.who, "registered_at": rfc3339(record.at), "ending": None}


def _run(record: AuditRecord) -> str:
    return f"{record.workflow_id} ({record.first_run_id})"


def _text(record: AuditRecord, name: str) -> str:
    value = record.facts.get(name)
    return value if isinstance(value, str) else ""

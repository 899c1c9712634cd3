"""What the records of the chain tell of the tables of the store, to be compared with what stands in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue

from activities.ledger import LedgerState
from contracts.audit import AuditKind, AuditRecord, ChainLink
from contracts.model import rfc3339
from workers.resources.audit.findings import Finding
from workers.resources.store.ledger_records import NAMED

Place = tuple[str, int]
"""Stream and number of a record."""
CLOCKS_DIFFER = timedelta(minutes=5)
_STARTED = ("automation", "business_key", "input", "request", "statement", "key_id", "nonce")
CONTENTS = ("result", "display", "policy", "roster", "note")
"""Facts that are content addresses."""
_ABOUT_CONTENTS = (AuditKind.ACTIVATED, AuditKind.BREAK_GLASS, AuditKind.FROZEN, AuditKind.THAWED)
"""What such a record is about ends with a content address."""


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
    run: str = ""
    """The run it is of, where an erasure may have emptied it."""
    erasable: Mapping[str, JsonValue] = field(default_factory=dict)
    """Digests of the fields that an erasure empties."""


@dataclass
class Accounts:
    """Give it every record; then compare."""

    ledger: dict[str, Told] = field(default_factory=dict)
    decisions: dict[str, Told] = field(default_factory=dict)
    activations: dict[str, Told] = field(default_factory=dict)
    endorsements: dict[str, Told] = field(default_factory=dict)
    grants: dict[str, Told] = field(default_factory=dict)
    freezes: dict[str, Told] = field(default_factory=dict)
    extensions: dict[str, Told] = field(default_factory=dict)
    turns: dict[str, Told] = field(default_factory=dict)
    kept: dict[str, Told] = field(default_factory=dict)
    cases: dict[str, Told] = field(default_factory=dict)
    dated_back: list[Finding] = field(default_factory=list)
    """What was put in force or signed earlier than something before it, by its own word."""
    starts: dict[str, Told] = field(default_factory=dict)
    nonces: dict[str, Told] = field(default_factory=dict)
    """Of start statements."""
    children: dict[str, Told] = field(default_factory=dict)
    """Child runs, by workflow id, as their parents have entered them."""
    requests: dict[str, Told] = field(default_factory=dict)
    taints: dict[str, Told] = field(default_factory=dict)
    reservations: dict[str, Told] = field(default_factory=dict)
    contents: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Content address -> the first record that names it."""
    stored: set[str] = field(default_factory=set)
    """Contents that were written together with their record, so that they must be there."""
    erased: dict[str, Told] = field(default_factory=dict)
    """Run -> what its last erasure has left of it."""
    erased_contents: set[str] = field(default_factory=set)
    _governed_at: datetime | None = None

    def take(self, link: ChainLink, record: AuditRecord) -> None:
        """Add what a record tells."""
        place = (link.stream, link.seq)
        for address in _addresses(record):
            self.contents.setdefault(address, place)
        if record.kind is AuditKind.OUTCOME and (result := _text(record, "result")):
            self.stored.add(result)
        if (taking := _TAKING.get(record.kind)) is not None:
            taking(self, place, record)

    def _decision(self, place: Place, record: AuditRecord) -> None:
        told = {name: record.facts.get(name) for name in ("statement", "note")}
        told |= {"approver": record.who, "approval_id": record.about, "first_run_id": record.first_run_id}
        self.decisions[_text(record, "nonce")] = Told(*place, told | {"used_at": rfc3339(record.at)})

    def _activated(self, place: Place, record: AuditRecord) -> None:
        told = {"statement": record.facts.get("statement"), "activated_at": rfc3339(record.at)}
        self.activations[f"{record.about} {record.facts.get('version')}"] = Told(*place, told)
        self._in_order(place, record)

    def _endorsed(self, place: Place, record: AuditRecord) -> None:
        told = {"statement": record.facts.get("statement"), "endorsed_at": rfc3339(record.at)}
        self.endorsements[f"{record.about} {record.facts.get('version')} by {record.who}"] = Told(*place, told)
        self._in_order(place, record)

    def _in_order(self, place: Place, record: AuditRecord) -> None:
        """Who was entitled is judged by when: a document dated back would have the signers of that time."""
        if self._governed_at is not None and record.at < self._governed_at - CLOCKS_DIFFER:
            problem = f"is dated {rfc3339(record.at)}, before {rfc3339(self._governed_at)}, which stands before it"
            self.dated_back.append(Finding(stream=place[0], seq=place[1], problem=problem))
        self._governed_at = max(record.at, self._governed_at or record.at)

    def _kept(self, place: Place, record: AuditRecord) -> None:
        self.kept[record.about] = Told(*place, {"value": record.facts.get("value")})

    def _granted(self, place: Place, record: AuditRecord) -> None:
        self.grants[record.about] = Told(*place, {"recorded_at": rfc3339(record.at)})

    def _frozen(self, place: Place, record: AuditRecord) -> None:
        told: dict[str, JsonValue] = {"freeze": record.about, "frozen_at": rfc3339(record.at)}
        self.freezes[_text(record, "freeze")] = Told(*place, told | {"thaw": None, "thawed_at": None})

    def _thawed(self, place: Place, record: AuditRecord) -> None:
        told = self.freezes.setdefault(_text(record, "freeze"), Told(*place, {}))
        told.stream, told.seq = place
        told.values |= {"thaw": record.about, "thawed_at": rfc3339(record.at)}
        self._in_order(place, record)

    def _extended(self, place: Place, record: AuditRecord) -> None:
        told: dict[str, JsonValue] = {"extension": record.facts.get("extension"), "approver": record.who}
        told |= {"run": _run(record), "extended_at": rfc3339(record.at)}
        self.extensions[_text(record, "nonce")] = Told(*place, told)

    def _turn(self, place: Place, record: AuditRecord) -> None:
        name = f"{_run(record)} {record.facts.get('conversation')} {record.facts.get('turn')}"
        sides = {side: record.facts.get(side) for side in ("asked", "said")}
        self.turns[name] = Told(*place, {"address": record.about, **sides})

    def _run_started(self, place: Place, record: AuditRecord) -> None:
        run = _run(record)
        self.starts[run] = Told(*place, _started(record))
        case = " ".join(str(record.facts.get(name)) for name in ("automation", "business_key", "holding"))
        self.cases[case] = Told(*place, {"run": run})
        if nonce := _text(record, "nonce"):
            self.nonces[nonce] = Told(*place, {"run": run})
        if _text(record, "parent"):
            self._child(place, record.workflow_id).values["first_run_id"] = record.first_run_id

    def _child_entered(self, place: Place, record: AuditRecord) -> None:
        told = {name: record.facts.get(name) for name in ("statement", "step", "occurrence")}
        told |= {"parent": _run(record), "entered_at": rfc3339(record.at)}
        self._child(place, record.about).values |= told

    def _child(self, place: Place, workflow_id: str) -> Told:
        """Parent and child tell of it in streams of their own, in whichever order these are read."""
        return self.children.setdefault(workflow_id, Told(*place, {"first_run_id": None}))

    def _run_ended(self, _: Place, record: AuditRecord) -> None:
        if (standing := self.starts.get(_run(record))) is not None:
            standing.values["ending"] = record.facts.get("state")

    def _erased(self, place: Place, record: AuditRecord) -> None:
        if not record.workflow_id:
            return
        run, contents = _run(record), record.facts.get("contents")
        self.erased[run] = Told(*place, {"left": record.facts.get("left")})
        self.erased_contents.update(map(str, contents if isinstance(contents, list) else ()))
        if (standing := self.starts.get(run)) is not None:
            standing.values["erased_at"] = rfc3339(record.at)

    def _tainted(self, place: Place, record: AuditRecord) -> None:
        told: dict[str, JsonValue] = {"tool": record.about, "tainted_at": rfc3339(record.at)}
        self.taints[f"{_text(record, 'taint')} of {_run(record)}"] = Told(*place, told)

    def _request(self, place: Place, record: AuditRecord) -> None:
        name = f"{record.about} ({record.first_run_id})"
        told = self.requests.setdefault(
            name, Told(*place, {"closed_at": None, "outcome": None, "by": None, "passed": {}})
        )
        told.stream, told.seq = place
        at = rfc3339(record.at)
        match record.kind:
            case AuditKind.REQUEST_OPENED:
                told.values |= {"entry": record.facts.get("entry"), "opened_at": at}
                told.values |= {"deadline": record.facts.get("until") or None}
            case AuditKind.REQUEST_PASSED:
                passed = told.values["passed"]
                assert isinstance(passed, dict)
                told.values["passed"] = passed | {f"{_text(record, 'event')}_at": at}
            case AuditKind.REQUEST_REOPENED:
                told.values |= dict.fromkeys(("closed_at", "outcome", "by"))
            case _:
                told.values |= {"closed_at": at, "outcome": record.facts.get("outcome"), "by": record.who}

    def _reservation(self, place: Place, record: AuditRecord) -> None:
        told = self.reservations.setdefault(f"{_text(record, 'key')} in {_text(record, 'total')}", Told(*place, {}))
        told.stream, told.seq = place
        if record.kind is AuditKind.GIVEN_BACK:
            told.values["released"] = True
        else:
            share = record.facts.get("share")
            told.values |= {"share": share, "action": record.about}
            told.values |= {"reserved_at": rfc3339(record.at), "released": False}

    def _ledger(self, place: Place, record: AuditRecord) -> None:
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


_OF_LEDGER = (AuditKind.CLAIMED, AuditKind.SENT, AuditKind.RELEASED, AuditKind.LOOKED_UP, AuditKind.OUTCOME)
_OF_REQUESTS = (
    AuditKind.REQUEST_OPENED,
    AuditKind.REQUEST_PASSED,
    AuditKind.REQUEST_CLOSED,
    AuditKind.REQUEST_REOPENED,
)
_TAKING: dict[AuditKind, Callable[[Accounts, Place, AuditRecord], None]] = {
    **dict.fromkeys(_OF_LEDGER, Accounts._ledger),
    **dict.fromkeys(_OF_REQUESTS, Accounts._request),
    **dict.fromkeys((AuditKind.RESERVED, AuditKind.GIVEN_BACK), Accounts._reservation),
    AuditKind.DECISION: Accounts._decision,
    AuditKind.ACTIVATED: Accounts._activated,
    AuditKind.ENDORSED: Accounts._endorsed,
    AuditKind.KEPT: Accounts._kept,
    AuditKind.BREAK_GLASS: Accounts._granted,
    AuditKind.FROZEN: Accounts._frozen,
    AuditKind.THAWED: Accounts._thawed,
    AuditKind.EXTENDED: Accounts._extended,
    AuditKind.RUN_STARTED: Accounts._run_started,
    AuditKind.CHILD_ENTERED: Accounts._child_entered,
    AuditKind.RUN_ENDED: Accounts._run_ended,
    AuditKind.TAINTED: Accounts._tainted,
    AuditKind.TURN: Accounts._turn,
    AuditKind.ERASED: Accounts._erased,
}
"""Kind -> what it tells of; the others tell of no row."""


def _nothing_yet() -> dict[str, JsonValue]:
    names = ("claimed_at", "arguments", "owner", "first_sent_at", "last_sent_at", "outcome", "content", "finished_at")
    return dict.fromkeys((*names, "resource", "question", "looked_up_at")) | {"sends": 0, "lookups": 0}


def _moved(before: Mapping[str, JsonValue], record: AuditRecord) -> dict[str, JsonValue]:
    """What a record changes, as the ledger does it."""
    at = rfc3339(record.at)
    sends = before["sends"]
    assert isinstance(sends, int)
    match record.kind:
        case AuditKind.CLAIMED:
            return {
                "claimed_at": at,
                "arguments": record.facts.get("arguments"),
                "resource": record.facts.get("resource"),
            }
        case AuditKind.SENT:
            ended: dict[str, JsonValue] = dict.fromkeys(("outcome", "content", "finished_at"))
            sending: dict[str, JsonValue] = {"owner": record.facts.get("owner"), "sends": sends + 1}
            ended |= {"looked_up_at": None, "lookups": 0}
            return ended | sending | {"first_sent_at": before["first_sent_at"] or at, "last_sent_at": at}
        case AuditKind.LOOKED_UP:
            found = {name: record.facts.get(name) for name in ("lookups", "outcome")}
            return found | {"looked_up_at": at}
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
    if record.kind in _ABOUT_CONTENTS:
        yield record.about.rpartition(" ")[2]


def _started(record: AuditRecord) -> dict[str, JsonValue]:
    facts = {name: record.facts.get(name) for name in _STARTED}
    run: dict[str, JsonValue] = {"workflow_id": record.workflow_id, "first_run_id": record.first_run_id}
    facts |= {"requester": record.who, "registered_at": rfc3339(record.at)}
    return facts | run | {"ending": None, "erased_at": None}


def _run(record: AuditRecord) -> str:
    return f"{record.workflow_id} ({record.first_run_id})"


def _text(record: AuditRecord, name: str) -> str:
    value = record.facts.get(name)
    return value if isinstance(value, str) else ""

"""The links of the chain, looked at one by one: each must follow the one before, and be what was signed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from contracts.audit import GENESIS, AuditRecord, ChainLink, StreamHead
from contracts.canonical import parse_json
from workers.resources.audit.findings import Finding
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.checkpoints import is_overdue


@dataclass(frozen=True)
class Repeated:
    """What the table repeats beside the payload."""

    workflow_id: str
    first_run_id: str
    kind: str
    once: str


@dataclass
class _Stream:
    seq: int = 0
    hash: str = GENESIS
    agreed: int = 0
    """The last record that a checkpoint has confirmed."""
    newest: datetime | None = None
    """When the last record happened that no checkpoint covers."""


@dataclass
class LinkCheck:
    """Give it every link, the streams one after the other, each in order; then `finish`."""

    signed: SignedHeads
    precise: list[Finding] = field(default_factory=list)
    """One place each."""
    between: list[Finding] = field(default_factory=list)
    """Somewhere between two checkpoints."""
    records: int = 0
    _streams: dict[str, _Stream] = field(default_factory=dict)

    def take(self, link: ChainLink, repeated: Repeated | None = None) -> AuditRecord | None:
        """Check the next link; its record, or None when it holds none."""
        self.records += 1
        stream = self._streams.setdefault(link.stream, _Stream())
        self._follows(stream, link)
        if ChainLink.hash_of(link.stream, link.seq, link.previous, link.payload) != link.hash:
            self._find(link, "was changed: it does not have the hash that stands with it")
        record = _record_of(link)
        if record is None:
            self._find(link, "holds no record")
        elif record.stream != link.stream:
            self._find(link, f"belongs in stream {record.stream}")
        elif repeated is not None and repeated != _repeated_of(record):
            self._find(link, "the columns beside the record say something else than the record")
        self._as_signed(stream, link)
        stream.seq, stream.hash = link.seq, link.hash
        if record is not None and link.seq > self.signed.reach(link.stream):
            stream.newest = record.at
        return record

    def finish(self, heads: Mapping[str, StreamHead] | None = None) -> None:
        """Check the ends: against the head rows, where there are any, and against the checkpoints."""
        for name in sorted({*self._streams, *self.signed.heads, *(heads or {})}):
            stream = self._streams.get(name, _Stream())
            if heads is not None:
                self._ends_at_its_head(name, stream, heads.get(name, StreamHead(seq=0, hash=GENESIS)))
            for seq, (_, label) in sorted(self.signed.heads.get(name, {}).items()):
                if seq > stream.seq:
                    problem = f"the stream ends at {stream.seq}; {label} has signed record {seq}"
                    self.between.append(Finding(stream=name, seq=stream.agreed + 1, through=seq, problem=problem))
                    break

    def uncovered(self) -> int:
        """How many records no checkpoint covers."""
        return sum(max(0, stream.seq - self.signed.reach(name)) for name, stream in self._streams.items())

    def is_overdue(self, now: datetime) -> bool:
        """Whether a checkpoint over them should have been there long ago."""
        newest = max((stream.newest for stream in self._streams.values() if stream.newest is not None), default=now)
        return is_overdue(self.uncovered(), newest, now)

    def _follows(self, stream: _Stream, link: ChainLink) -> None:
        if link.seq != stream.seq + 1:
            missing = link.seq > stream.seq + 1
            problem = f"missing before record {link.seq}" if missing else f"stands after record {stream.seq}"
            place = {"seq": stream.seq + 1, "through": link.seq - 1} if missing else {"seq": link.seq}
            self.precise.append(Finding(stream=link.stream, problem=problem, **place))
        elif link.previous != stream.hash:
            problem = "the second does not follow the first: one of them was changed, put in or taken out"
            first = max(stream.seq, 1)
            self.precise.append(Finding(stream=link.stream, seq=first, through=link.seq, problem=problem))

    def _as_signed(self, stream: _Stream, link: ChainLink) -> None:
        signed_hash, label = self.signed.heads.get(link.stream, {}).get(link.seq, ("", ""))
        if signed_hash and signed_hash != link.hash:
            problem = f"this is not what {label} has signed"
            first = stream.agreed + 1
            self.between.append(Finding(stream=link.stream, seq=first, through=link.seq, problem=problem))
        if signed_hash:
            stream.agreed = link.seq

    def _ends_at_its_head(self, name: str, stream: _Stream, head: StreamHead) -> None:
        if head.seq > stream.seq:
            problem = f"the head row names record {head.seq}, and the stream ends at {stream.seq}"
            found = Finding(stream=name, seq=stream.seq + 1, through=head.seq, problem=problem)
        elif head.seq < stream.seq:
            problem = f"it stands behind record {head.seq}, where the head row says that the stream ends"
            found = Finding(stream=name, seq=head.seq + 1, through=stream.seq, problem=problem)
        elif head.hash != stream.hash:
            problem = "the head row names another hash than the last record has"
            found = Finding(stream=name, seq=head.seq, problem=problem)
        else:
            return
        self.precise.append(found)

    def _find(self, link: ChainLink, problem: str) -> None:
        self.precise.append(Finding(stream=link.stream, seq=link.seq, problem=problem))


def _record_of(link: ChainLink) -> AuditRecord | None:
    try:
        return AuditRecord.model_validate(parse_json(link.payload))
    except (ValueError, ValidationError):
        return None


def _repeated_of(record: AuditRecord) -> Repeated:
    return Repeated(record.workflow_id, record.first_run_id, record.kind.value, record.once)

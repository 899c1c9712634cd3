"""What the checkpoints say of the chain: which record stood where when they were signed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.audit import Checkpoint
from contracts.canonical import digest
from contracts.signing import SignedFor, is_signed_by
from workers.resources.audit.findings import Finding
from workers.resources.checkpoint_file import Line


@dataclass
class SignedHeads:
    """What genuine checkpoints have signed, and what is wrong with the others."""

    heads: dict[str, dict[int, tuple[str, str]]] = field(default_factory=dict)
    """Stream -> record number -> hash, and which checkpoint says so."""
    reaches: dict[str, int] = field(default_factory=dict)
    count: int = 0
    last_at: datetime | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unverifiable: str = ""

    def reach(self, stream: str) -> int:
        """The last record of the stream that is signed; 0 when none is."""
        return self.reaches.get(stream, 0)


def signed_heads(files: Mapping[str, Iterable[Line]], keys: Mapping[str, str], deployment: str = "") -> SignedHeads:
    """Check every line of every file: name -> lines, key id -> public key.

    Without keys nothing is checked, and `unverifiable` says so.
    """
    signed = SignedHeads()
    if not keys:
        signed.unverifiable = "no key is known; name INTERLOCK_AUDIT_KEY_FILE, or give --key PUBLIC"
        return signed
    for name, lines in files.items():
        _File(name, keys, deployment, signed).check(lines)
    if not signed.count and not signed.findings:
        signed.unverifiable = "there is no checkpoint; name their file: --checkpoints or INTERLOCK_AUDIT_CHECKPOINTS"
    return signed


@dataclass
class _File:
    """One file of checkpoints, read from the top."""

    name: str
    keys: Mapping[str, str]
    deployment: str
    signed: SignedHeads
    last: Checkpoint | None = None
    unreadable: Line | None = None
    """A line that is no checkpoint: harmless when the next one continues the one before it."""

    def check(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.checkpoint is None or not line.whole:
                self._set_aside(line)
            else:
                self._take(line, line.checkpoint)
        if self.unreadable is not None and self.unreadable.whole:
            self._find(self.unreadable, "is no checkpoint")
        elif self.unreadable is not None:
            self._note_torn(self.unreadable)

    def _set_aside(self, line: Line) -> None:
        if self.unreadable is not None:
            self._find(self.unreadable, "is no checkpoint")
        self.unreadable = line

    def _take(self, line: Line, checkpoint: Checkpoint) -> None:
        problem = self._problem(checkpoint)
        if self.unreadable is not None:
            if problem:
                self._find(self.unreadable, "is no checkpoint")
            else:
                self._note_torn(self.unreadable)
            self.unreadable = None
        if problem:
            self._find(line, problem)
        if not problem or not self._is_forged(checkpoint):
            self._believe(checkpoint)
        self.last = checkpoint

    def _problem(self, checkpoint: Checkpoint) -> str:
        if checkpoint.key_id not in self.keys:
            return f"is signed by the key {checkpoint.key_id}, which was not given; --key names a public key to trust"
        if self._is_forged(checkpoint):
            return "its signature is not genuine"
        if self.deployment and checkpoint.deployment != self.deployment:
            return f"is of deployment {checkpoint.deployment!r}, not of {self.deployment!r}"
        before = self.last.number if self.last else 0
        if checkpoint.number != before + 1:
            return f"is checkpoint {checkpoint.number}, after checkpoint {before}"
        if checkpoint.previous != (digest(self.last) if self.last else ""):
            return "does not continue the checkpoint before it"
        return self._backwards(checkpoint)

    def _is_forged(self, checkpoint: Checkpoint) -> bool:
        public = self.keys.get(checkpoint.key_id, "")
        return not is_signed_by(public, SignedFor.CHECKPOINT, checkpoint, checkpoint.signature)

    def _backwards(self, checkpoint: Checkpoint) -> str:
        for stream, head in (self.last.heads if self.last else {}).items():
            if stream not in checkpoint.heads or checkpoint.heads[stream].seq < head.seq:
                return f"goes back in stream {stream!r}"
        return ""

    def _believe(self, checkpoint: Checkpoint) -> None:
        label = f"checkpoint {checkpoint.number} of {self.name}"
        for stream, head in checkpoint.heads.items():
            self.signed.heads.setdefault(stream, {}).setdefault(head.seq, (head.hash, label))
            self.signed.reaches[stream] = max(self.signed.reach(stream), head.seq)
            if self.signed.heads[stream][head.seq][0] != head.hash:
                problem = f"{label} signs another record {head.seq} of {stream} than an earlier one"
                self.signed.findings.append(Finding(stream=stream, seq=head.seq, problem=problem))
        self.signed.count += 1
        self.signed.last_at = max(filter(None, (self.signed.last_at, checkpoint.at)))

    def _find(self, line: Line, problem: str) -> None:
        self.signed.findings.append(Finding(stream=self.name, seq=line.number, problem=problem))

    def _note_torn(self, line: Line) -> None:
        self.signed.notes.append(f"line {line.number} of {self.name} was cut off while it was written")

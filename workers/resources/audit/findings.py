"""What a verification says: every place where something cannot be so, and how far the checkpoints reach."""

from enum import IntEnum

from contracts.model import Model

LISTED = 50
"""More findings than anybody reads are counted."""


class Verdict(IntEnum):
    """The exit codes of `interlock audit verify`."""

    OK = 0
    TAMPERED = 1
    UNVERIFIABLE = 2
    """No key or no checkpoint: what was rewritten as a whole, or cut off, would not show."""
    INCOMPLETE = 3
    """The checkpoints have stopped, or the export ends too early: what came last is not covered."""


class Finding(Model):
    """Something that cannot be so unless somebody has changed it."""

    stream: str
    """A stream, or a file of checkpoints."""
    seq: int
    """The first record, or the line, that is concerned; 0 where there is none."""
    through: int = 0
    """The last one, where it is not known which of several."""
    problem: str

    def covers(self, seq: int) -> bool:
        """Whether the record is among those that are concerned."""
        return self.seq <= seq <= max(self.seq, self.through)

    def __str__(self) -> str:
        return f"{self.stream} {self.seq}{f'-{self.through}' if self.through > self.seq else ''}: {self.problem}"


class Report(Model):
    """The outcome of one verification."""

    records: int
    checkpoints: int
    uncovered: int = 0
    """Records after the last checkpoint: whether they were changed or cut off cannot be told yet."""
    overdue: bool = False
    """A checkpoint over them should have been there long ago."""
    unverifiable: str = ""
    """Why the checkpoints could not be used; empty when they were."""
    cut_off: str = ""
    """What ends too early."""
    findings: tuple[Finding, ...] = ()
    """Those that name one place come first."""
    found: int = 0
    """All of them; `findings` lists the first few."""
    notes: tuple[str, ...] = ()
    """What is worth knowing and no sign of tampering."""

    @property
    def verdict(self) -> Verdict:
        """The worst that is true."""
        if self.found:
            return Verdict.TAMPERED
        if self.unverifiable:
            return Verdict.UNVERIFIABLE
        return Verdict.INCOMPLETE if self.overdue or self.cut_off else Verdict.OK

    def with_more(self, findings: tuple[Finding, ...], notes: tuple[str, ...]) -> "Report":
        """This report and what another comparison has found."""
        listed = (*self.findings, *findings)[:LISTED]
        more = {"findings": listed, "found": self.found + len(findings), "notes": (*self.notes, *notes)}
        return self.model_copy(update=more)

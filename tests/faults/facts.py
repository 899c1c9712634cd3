"""What is known after a lane, from everybody who wrote something down: nothing here judges."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from contracts.model import Model
from contracts.tools import EffectClass
from tests.faults.bank.journal import Line
from tests.faults.board import InFlight
from tests.faults.planned import PlannedRun
from tests.faults.watched import Strike
from tests.faults.world import Kill

Call = tuple[str, str, str]
"""Run, step, occurrence: what the idempotency key is made of."""


def call_of(flight: InFlight) -> Call:
    """Which call that is."""
    return flight.run, flight.step, flight.occurrence


class LedgerRow(Model):
    """An entry of the ledger."""

    run: str
    step: str
    occurrence: str
    tool: str
    memo: str
    effect_class: EffectClass
    state: str
    sends: int
    finished_at: datetime | None = None

    @property
    def call(self) -> Call:
        """Which call it is of."""
        return self.run, self.step, self.occurrence


class Answered(Model):
    """An escalation, and what the operator said to it after a look into the bank's journal."""

    run: str
    problem: str
    verdict: str
    memo: str
    tool: str
    at: float


@dataclass
class Facts:
    """Of one lane."""

    runs: list[PlannedRun]
    endings: dict[str, str] = field(default_factory=dict)
    """Run -> the final state, or `waits: ...` with what it waits for, or empty."""
    journal: list[Line] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    completed: Counter[Call] = field(default_factory=Counter)
    """How often the history of a run has a completed call of a tool."""
    unseen: set[Call] = field(default_factory=set)
    """Calls of which more than one attempt died with its worker, some before it had shown itself anywhere."""
    audit: list[str] = field(default_factory=list)
    """What the verification of the audit chain found."""
    kills: list[Kill] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    misbehaved: dict[str, str] = field(default_factory=dict)
    """Memo -> the kind of misbehaviour that its first call met."""
    answered: list[Answered] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    """When workers became ready."""

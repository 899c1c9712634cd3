"""Stand-ins for what was decided and what was read: they say what a test told them."""

from dataclasses import dataclass, field
from datetime import datetime

from activities.conversations import RunKey
from contracts.decisions import Decision
from contracts.tools import Taint


@dataclass
class RememberedDecisions:
    """Decisions as a test has taken them: who, on which request, when."""

    taken: list[tuple[str, str, datetime]] = field(default_factory=list)

    async def use(self, decision: Decision, approver: str, at: datetime) -> bool:
        """See activities.decided.Decided."""
        self.taken.append((approver, decision.approval_id, at))
        return True

    async def taken_at(self, decision: Decision) -> datetime | None:
        """See activities.decided.Decided."""
        return next((at for _, on, at in self.taken if on == decision.approval_id), None)

    async def count_since(self, approver: str, since: datetime, besides: Decision | None = None) -> int:
        """See activities.decided.Decided."""
        return sum(who == approver and at >= since for who, _, at in self.taken)

    async def notes(self, first_run_id: str, approval_id: str) -> tuple[tuple[str, str], ...]:
        """See activities.decided.Decided."""
        return ()

    async def deciders(self, first_run_id: str, approval_id: str) -> tuple[str, ...]:
        """See activities.decided.Decided."""
        return tuple(dict.fromkeys(who for who, on, _ in self.taken if on == approval_id))


@dataclass
class RememberedTaints:
    """What runs have read, as a test says."""

    known: dict[RunKey, frozenset[Taint]] = field(default_factory=dict)

    async def of(self, run: RunKey) -> frozenset[Taint]:
        """See activities.taints.Taints."""
        return self.known.get(run, frozenset())

    async def add(self, run: RunKey, taints: tuple[Taint, ...], tool: str, at: datetime) -> bool:
        """See activities.taints.Taints."""
        before = await self.of(run)
        self.known[run] = before | frozenset(taints)
        return self.known[run] != before

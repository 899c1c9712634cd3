"""What is to happen, drawn by lot from a seed: paydays, their steps, and the effects that must come of them."""

from collections import Counter
from dataclasses import dataclass
from random import Random

from contracts.tools import EffectClass

CLASS_OF = {
    "balance": EffectClass.READ,
    "set_limit": EffectClass.IDEMPOTENT,
    "transfer": EffectClass.KEYED,
    "place_order": EffectClass.QUERYABLE,
    "write_note": EffectClass.OPAQUE,
    "reverse_transfer": EffectClass.KEYED,
    "cancel_order": EffectClass.KEYED,
}
"""As the servers file has it."""
UNDONE_BY = {"transfer": "reverse_transfer", "place_order": "cancel_order"}
WEIGHTS = {"transfer": 30, "set_limit": 22, "place_order": 18, "write_note": 18, "balance": 12}
SAGA_SHARE = 0.25

Effect = tuple[str, str]
"""Tool and memo: what the bank writes down of one effect."""


@dataclass(frozen=True)
class PlannedStep:
    """One call of the bank."""

    tool: str
    account: str
    cents: int


@dataclass(frozen=True)
class PlannedRun:
    """One payday."""

    name: str
    steps: tuple[PlannedStep, ...]
    fails_at: int | None = None

    @property
    def id(self) -> str:
        """Its workflow id."""
        return f"payday/{self.name}"

    @property
    def ending(self) -> str:
        """The state in which it must end."""
        return "paid" if self.fails_at is None else "taken_back"

    def memo(self, number: int) -> str:
        """The name under which the bank hears of a step."""
        return f"{self.id} {number}"

    def effects(self) -> Counter[Effect]:
        """Every effect the bank must have recorded when the run has ended, each with how often."""
        taken = self.steps if self.fails_at is None else self.steps[: self.fails_at]
        forward = [(step.tool, self.memo(number)) for number, step in enumerate(taken) if step.tool != "balance"]
        if self.fails_at is None:
            return Counter(forward)
        return Counter(forward) + Counter((UNDONE_BY[tool], memo) for tool, memo in forward if tool in UNDONE_BY)


class Planner:
    """Draws paydays; the same seed draws the same ones."""

    def __init__(self, seed: int, prefix: str = "") -> None:
        self._lot = Random(seed)
        self._prefix = prefix
        self._drawn = 0

    def run(self, steps: int, sagas: float = SAGA_SHARE) -> PlannedRun:
        """The next payday, of which so large a share takes back what it did. Each step has an account of its own."""
        self._drawn += 1
        name = f"{self._prefix}{self._drawn}"
        drawn = self._lot.choices(list(WEIGHTS), list(WEIGHTS.values()), k=steps)
        planned = tuple(
            PlannedStep(tool, f"{name}-{number}", self._lot.randint(1, 5000)) for number, tool in enumerate(drawn)
        )
        saga = self._lot.random() < sagas
        return PlannedRun(name, planned, self._lot.randint(1, steps - 1) if saga else None)

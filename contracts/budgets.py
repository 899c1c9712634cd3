"""What a run may spend on Claude, in the units in which it is limited, and what people add to that."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, ValidationError

from contracts.decisions import Decision
from contracts.model import Model
from contracts.runs import Ancestor

BUDGET_SPENT = "BudgetSpent"
"""The type of the failure by which a worker says that a turn may not be paid for; its message says what is spent."""
OUTER_BUDGET_SPENT = "OuterBudgetSpent"
"""The same of a child run, when the budget of a run around it is spent: an extension of its own would not help."""
WAY_TO_EXTEND = 'by JSON such as {"turns": 20, "money": "1.50"} (turns, tokens, money, hours); empty: as much again'
MICROS = 1_000_000
HOUR_SECONDS = 3600


class Unit(StrEnum):
    """In what is limited: the name of the field of Amounts."""

    TURNS = "turns"
    TOKENS = "tokens"
    MONEY = "cost_micros"
    TIME = "seconds"


class Amounts(Model):
    """Turns, tokens (input and output), money in millionths of the configured currency, seconds since the start."""

    turns: int = Field(default=0, ge=0)
    tokens: int = Field(default=0, ge=0)
    cost_micros: int = Field(default=0, ge=0)
    seconds: int = Field(default=0, ge=0)

    def of(self, unit: Unit) -> int:
        """The amount in one unit."""
        return int(getattr(self, unit.value))

    def plus(self, other: "Amounts") -> "Amounts":
        """The sum, unit by unit."""
        return Amounts(**{unit.value: self.of(unit) + other.of(unit) for unit in Unit})


class Spender(Model):
    """On whose account a turn goes: the requester's pseudonym, one for all names of a person, and the automation."""

    requester: str
    automation: str
    inside: tuple[Ancestor, ...] = ()
    """The runs around a child run: what it spends counts against their budgets as well."""


class Extension(Model):
    """How much more a run may spend: the value of the decision `extend`."""

    turns: int = Field(default=0, ge=0, le=1_000_000)
    tokens: int = Field(default=0, ge=0, le=10**12)
    money: Decimal = Field(default=Decimal(0), ge=0, le=10**6, decimal_places=6)
    """In the currency of the prices file."""
    hours: Decimal = Field(default=Decimal(0), ge=0, le=100_000, decimal_places=2)

    def amounts(self) -> Amounts:
        """The same in whole units."""
        return Amounts(
            turns=self.turns,
            tokens=self.tokens,
            cost_micros=int(self.money * MICROS),
            seconds=int(self.hours * HOUR_SECONDS),
        )


class BudgetToExtend(Model):
    """Input of the activity that takes a person's word for how much more a run may spend."""

    decision: Decision


class BudgetExtended(Model):
    """Output of that activity."""

    refused: str = Field(default="", max_length=400)
    """Why the word does not count; the budget is as it was then."""


def read_extension(value: str) -> Extension | None:
    """What the value of a decision `extend` adds; None when it is empty: as much again.

    Raises ValueError with a sentence that names the field and the way out.
    """
    if not value.strip():
        return None
    try:
        extension = Extension.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the value"
        raise ValueError(f"{where}: {first['msg']}; say how much more {WAY_TO_EXTEND}") from error
    if extension.amounts() == Amounts():
        raise ValueError(f"the value adds nothing; say how much more {WAY_TO_EXTEND}")
    return extension

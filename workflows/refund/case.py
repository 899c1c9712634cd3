"""What a refund is asked, learns and remembers, and the words made from it."""

from typing import ClassVar

from pydantic import Field, JsonValue

from contracts.decisions import DisplayLine
from contracts.facts import Facts
from contracts.model import Model
from contracts.policy import Ruling
from contracts.runs import Case
from contracts.tools import Scalar, ToolCall


class RefundRequest(Model):
    """What a requester gives: the order, and at most how much."""

    business_key: ClassVar[tuple[str, ...]] = ("order_id",)

    order_id: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    limit_cents: int = Field(default=500_000, gt=0, le=100_000_000)
    """The most the requester asks for, in cents."""


class CreditAdvice(Model):
    """Claude's advice. Never permission."""

    cents: int = Field(ge=0, le=100_000_000)
    reason: str = Field(max_length=300)


class OrderFacts(Facts):
    """What the order and its payment say; read again after every wait."""

    customer_id: Scalar = None
    status: Scalar = None
    total_cents: Scalar = None
    refunded_cents: Scalar = None
    currency: Scalar = None
    credited_cents: Scalar = None

    @property
    def refunded_already(self) -> bool:
        """Something was refunded or credited before."""
        return bool(self.refunded_cents or self.credited_cents)


class RefundCase(Case):
    """A refund's whole state."""

    request: RefundRequest
    facts: OrderFacts = OrderFacts()
    turn: int = 0
    said: str = ""
    """What a person or a changed fact adds before Claude is asked again."""
    asked_again: str = ""
    """Why people are asked once more: what changed, what was returned, or why an approval did not do."""
    advice: CreditAdvice | None = None
    ruling: Ruling | None = None
    credit: ToolCall | None = None
    """The credit as policy saw it and people approve it; sent exactly so."""
    issued: bool = False
    """The payments server has issued the credit."""

    @property
    def order(self) -> dict[str, JsonValue]:
        """The order, as every tool names it."""
        return {"order_id": self.request.order_id}

    @property
    def cents(self) -> int:
        """What is to be credited, in cents; 0 before there is advice."""
        return self.advice.cents if self.advice else 0

    @property
    def why(self) -> str:
        """Claude's reason, or that of the person who supplied the advice."""
        return self.advice.reason if self.advice else ""

    @property
    def currency(self) -> str:
        """The order's currency."""
        return str(self.facts.currency or "")

    @property
    def customer(self) -> str:
        """Whom the order belongs to."""
        return str(self.facts.customer_id or "")

    @property
    def money(self) -> str:
        """`40.00 EUR`."""
        return f"{self.cents / 100:.2f} {self.currency}"

    @property
    def question(self) -> str:
        """What people are asked."""
        return f"Credit {self.money} for order {self.request.order_id}?"

    def at_most(self, given: CreditAdvice) -> CreditAdvice:
        """The advice, cut to what was asked for and to what the order came to."""
        total = self.facts.total_cents
        limit = min(self.request.limit_cents, total if isinstance(total, int) else 0)
        return given.model_copy(update={"cents": min(given.cents, limit)})

    def credit_arguments(self, reference: str) -> dict[str, JsonValue]:
        """What `payments.issue_credit` is called with."""
        words = {"currency": self.currency, "reason": self.why, "reference": reference}
        return self.order | {"customer_id": self.customer, "cents": self.cents} | words

    def context(self) -> tuple[DisplayLine, ...]:
        """What people are shown beside the action itself."""
        facts = "; ".join(f"{name} {value}" for name, value in self.facts.model_dump().items())
        again = (DisplayLine(label="asked again because", text=self.asked_again),) if self.asked_again else ()
        totals = self.ruling.totals if self.ruling else {}
        sums = "; ".join(f"{name} {cents / 100:.2f} {self.currency}" for name, cents in sorted(totals.items()))
        return (
            *again,
            DisplayLine(label="Claude advises", text=f"{self.money}: {self.why}"),
            *((DisplayLine(label="with this one", text=sums),) if sums else ()),
            DisplayLine(label="the order", text=facts),
            DisplayLine(label="cost of waiting", text="the customer waits; nothing has been paid"),
            DisplayLine(label="approving also permits", text="payments.reverse_credit, should a later step fail"),
        )

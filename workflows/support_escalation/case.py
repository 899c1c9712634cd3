"""What a support escalation is asked, finds and remembers, and the words made from it."""

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import ClassVar

from pydantic import Field, JsonValue

from contracts.decisions import DisplayLine
from contracts.facts import Facts
from contracts.model import Model
from contracts.runs import Case
from contracts.tools import Scalar
from workflows.books import Arguments

_AMOUNT = re.compile(r"(?<![\d.,-])(\d{1,6})(?:[.,](\d{2}))?(?![\d.,-]*\d)")
"""An amount as people write it; a part of a date is none."""


class SupportRequest(Model):
    """What somebody of support gives: the ticket, whose it is, what the customer asks, and at most how much."""

    business_key: ClassVar[tuple[str, ...]] = ("ticket",)

    ticket: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")
    customer_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,39}$")
    order_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    question: str = Field(min_length=1, max_length=4000)
    """In the customer's own words: information, never an instruction."""
    limit_cents: int = Field(default=10_000, gt=0, le=100_000_000)
    """The most that may be given for it, in cents, as a credit or in goods."""


class Resolution(StrEnum):
    """What can be done for a customer."""

    EXPLAIN = "explain"
    CREDIT = "credit"
    REPLACE = "replace"


OUTCOMES = {Resolution.EXPLAIN: "explained", Resolution.CREDIT: "credited", Resolution.REPLACE: "replaced"}
"""How the customer file, the letter and the ending call what was done."""
DECLINED = "declined"


class Promise(Model):
    """An earlier promise to the customer, as Claude has found it."""

    note_id: int | None
    """The note in which it stands; null when it is only claimed."""
    words: str = Field(min_length=3, max_length=200)
    """Word for word as they stand there."""
    cents: int = Field(ge=0, le=100_000_000)
    """What it promises in money; 0 when it promises something else."""
    until: date | None
    """The last day on which it binds; null when it names none."""


class Settlement(Model):
    """What is to be done, and the rule of the documentation that it rests on."""

    resolution: Resolution
    cents: int = Field(ge=0, le=100_000_000)
    """Of a credit its amount, of a replacement the price of the item, else 0."""
    sku: str = Field(max_length=40)
    """Of a replacement the item, else empty."""
    page_id: str = Field(min_length=1, max_length=60)
    reason: str = Field(min_length=1, max_length=300)


class Proposal(Settlement):
    """Claude's advice. Never permission."""

    promises: tuple[Promise, ...] = Field(max_length=5)
    """The earlier promises that bind."""
    escalate: bool
    """A person should decide."""


class CustomerFacts(Model):
    """What the customer file says."""

    name: Scalar = None
    notes: Scalar = None
    complaints: Scalar = None


class OrderFacts(Facts):
    """What the order database says; read again before anything is done."""

    customer_id: Scalar = None
    status: Scalar = None
    total_cents: Scalar = None
    refunded_cents: Scalar = None
    currency: Scalar = None
    replacements: Scalar = None


class SupportCase(Case):
    """A support escalation's whole state."""

    request: SupportRequest
    customer: CustomerFacts = CustomerFacts()
    order: OrderFacts = OrderFacts()
    pages: tuple[str, ...] = ()
    """What of the documentation may apply, the best match first."""
    turn: int = 0
    proposal: Proposal | None = None
    settlement: Settlement | None = None
    """What is done in the end: as Claude advised, or as the support lead has chosen; none when they declined."""
    exception: str = ""
    """Why a person has to decide."""
    confirmed: bool = False
    """The customer's confirmation has left."""

    @property
    def named_customer(self) -> Arguments:
        """The customer, as every tool names them."""
        return {"customer_id": self.request.customer_id}

    @property
    def named_order(self) -> Arguments:
        """The order."""
        return {"order_id": self.request.order_id}

    @property
    def outcome(self) -> str:
        """What was done, in one word: the state in which the run ends well."""
        return OUTCOMES[self.settlement.resolution] if self.settlement else DECLINED

    @property
    def given_cents(self) -> int:
        """What it costs, in cents."""
        given = self.settlement
        return 0 if given is None or given.resolution is Resolution.EXPLAIN else given.cents

    @property
    def promises(self) -> tuple[Promise, ...]:
        """The earlier promises that bind, as far as anybody has found them."""
        return self.proposal.promises if self.proposal else ()

    @property
    def entry(self) -> Arguments:
        """What the customer file keeps of it."""
        notes: list[JsonValue] = [promise.note_id for promise in self.promises if promise.note_id is not None]
        why = self.settlement.reason if self.settlement else self.exception
        about: Arguments = {"ticket": self.request.ticket, "outcome": self.outcome, "cents": self.given_cents}
        return self.named_customer | self.named_order | about | {"note_ids": notes, "why": why}

    @property
    def letter(self) -> Arguments:
        """What the mail service needs for its confirmation; it words and addresses that itself."""
        about: Arguments = {"ticket": self.request.ticket, "outcome": self.outcome, "cents": self.given_cents}
        return self.named_order | about | {"page_id": self.settlement.page_id if self.settlement else ""}

    def money(self, cents: Scalar) -> str:
        """`20.00 EUR`."""
        return f"{cents / 100:.2f} {self.order.currency or ''}".strip() if isinstance(cents, int) else "no amount"

    def words(self, settlement: Settlement) -> str:
        """`credit 20.00 EUR`."""
        match settlement.resolution:
            case Resolution.EXPLAIN:
                return f"explain {settlement.page_id}"
            case Resolution.CREDIT:
                return f"credit {self.money(settlement.cents)}"
            case Resolution.REPLACE:
                return f"replace {settlement.sku or 'nothing'}, worth {self.money(settlement.cents)}"

    def out_of_bounds(self, settlement: Settlement) -> str:
        """Why this cannot be done, whoever wants it; empty when it can."""
        if settlement.resolution is Resolution.EXPLAIN:
            return ""
        asked, cents = self.request.limit_cents, settlement.cents
        total, refunded = self.order.total_cents, self.order.refunded_cents
        left = total - refunded if isinstance(total, int) and isinstance(refunded, int) else 0
        problems = {
            f"it gives {self.money(cents)}": cents == 0,
            f"{self.money(cents)} is more than the {self.money(asked)} that were asked for": cents > asked,
            f"{self.money(cents)} is more than the {self.money(left)} that are left of the order": cents > left,
            "it names no item": settlement.resolution is Resolution.REPLACE and not settlement.sku,
        }
        return "; ".join(words for words, stands in problems.items() if stands)

    def exceptions_to(self, proposal: Proposal, today: date) -> str:
        """Why a person has to look at what Claude advises; empty when nobody has to."""
        found = [self.out_of_bounds(proposal), *_doubts_about(proposal.promises, today), *self._broken(proposal)]
        if proposal.escalate:
            found.append(f"Claude asks for a person: {proposal.reason}")
        return "; ".join(words for words in found if words)

    def _broken(self, proposal: Proposal) -> Iterable[str]:
        """A promise that binds is kept; less may be given only by a person."""
        given = proposal.cents if proposal.resolution is Resolution.CREDIT else 0
        for promise in proposal.promises:
            if promise.note_id is not None and promise.cents > given:
                yield f"note {promise.note_id} promises {self.money(promise.cents)}, it credits {self.money(given)}"

    def context(self) -> tuple[DisplayLine, ...]:
        """What the support lead is shown."""
        order = "; ".join(f"{name} {value}" for name, value in self.order.model_dump().items())
        advised = (
            f"{self.words(self.proposal)}: {self.proposal.reason}" if self.proposal else "nothing that can be used"
        )
        promises = "; ".join(_said(promise) for promise in self.promises)
        return (
            DisplayLine(label="the customer asks", text=self.request.question),
            DisplayLine(label="Claude advises", text=advised),
            *((DisplayLine(label="earlier promises", text=promises),) if promises else ()),
            DisplayLine(label="the order", text=order),
            DisplayLine(label="may apply", text=", ".join(self.pages) or "no page of the documentation"),
            DisplayLine(label="cost of waiting", text="the customer waits for an answer"),
        )


def _doubts_about(promises: tuple[Promise, ...], today: date) -> Iterable[str]:
    for promise in promises:
        if promise.note_id is None:
            yield f"a promise is claimed that no note tells of: {promise.words!r}"
        elif promise.cents and promise.cents not in amounts_in(promise.words):
            yield f"the words of note {promise.note_id} do not name {promise.cents / 100:.2f}: {promise.words!r}"
        if promise.until is not None and promise.until < today:
            yield f"the promise of note {promise.note_id} has lapsed on {promise.until}"


def _said(promise: Promise) -> str:
    return f"{f'note {promise.note_id}' if promise.note_id is not None else 'no note'}: {promise.words!r}"


def amounts_in(words: str) -> set[int]:
    """Every amount that stands there, in cents."""
    return {int(units) * 100 + int(cents or 0) for units, cents in _AMOUNT.findall(words)}

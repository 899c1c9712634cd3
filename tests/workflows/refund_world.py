"""The world of refund stories: an order, a complaint, and books that remember what was credited."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from contracts.roster import Roster
from contracts.tools import EffectClass, Undoes
from policies.engine import CedarRules, PolicyEngine
from tests.authority import NOBODY
from tests.doubles import RecordingToolbox, ScriptedClaude, asks_for, says, says_no
from tests.story import Story, StoryRun, a_story
from workers.settings import REPOSITORY

READS_FIRST = asks_for(("orders.find_order", {"order_id": "A-17"}), ("crm.read_complaint", {"order_id": "A-17"}))
CLASSES = {
    "payments.issue_credit": EffectClass.KEYED,
    "payments.reverse_credit": EffectClass.KEYED,
    "orders.mark_refunded": EffectClass.IDEMPOTENT,
    "orders.unmark_refunded": EffectClass.IDEMPOTENT,
    "mail.confirm_refund": EffectClass.KEYED,
}
UNDOES = {
    "payments.reverse_credit": Undoes(tool="issue_credit", same=("order_id", "reference")),
    "orders.unmark_refunded": Undoes(tool="mark_refunded", same=("order_id",)),
}
REFERENCES = {"payments.issue_credit": "reference", "payments.reverse_credit": "reference"}
"""As demo/servers.toml has them, which a test compares."""


def advises(cents: int, reason: str = "one of two items arrived broken") -> list[JsonValue]:
    """Claude's structured answer."""
    return says(f'{{"cents": {cents}, "reason": "{reason}"}}')


def claude_advising(*cents: int) -> ScriptedClaude:
    """Claude reads order and complaint, then advises; once more for each return."""
    return ScriptedClaude([READS_FIRST, *(advises(amount) for amount in cents)])


@dataclass
class Books:
    """The systems of record, as the tools show them."""

    customer_id: str = "C-7"
    total_cents: int = 900_000
    status: str = "delivered"
    refunded_cents: int = 0
    credits: list[int] = field(default_factory=list)

    def toolbox(self, **answers: Any) -> RecordingToolbox:
        """Tools over these books; `answers` replaces some (`payments__issue_credit=...`)."""
        usual: dict[str, Any] = {
            "orders.find_order": lambda _: self.order(),
            "orders.mark_refunded": self.mark,
            "orders.unmark_refunded": lambda _: self.mark({"cents": 0}),
            "crm.read_complaint": {"text": "one of two items arrived broken"},
            "payments.payment_of_order": {"captured_cents": self.total_cents},
            "payments.credits_of_order": lambda _: {"count": len(self.credits), "total_cents": sum(self.credits)},
            "payments.issue_credit": self.credit,
            "payments.reverse_credit": self.reverse,
            "mail.confirm_refund": {"sent": True},
        }
        replaced = {name.replace("__", "."): answer for name, answer in answers.items()}
        return RecordingToolbox(usual | replaced, classes=CLASSES, undoes=UNDOES, references=REFERENCES)

    def order(self) -> JsonValue:
        """What `orders.find_order` answers."""
        return {
            "order_id": "A-17",
            "customer_id": self.customer_id,
            "status": self.status,
            "total_cents": self.total_cents,
            "refunded_cents": self.refunded_cents,
            "currency": "EUR",
        }

    def credit(self, arguments: dict[str, Any]) -> Any:
        """Issue a credit to whoever paid."""
        if arguments["customer_id"] != self.customer_id:
            return says_no("somebody else has paid")(arguments)
        self.credits.append(arguments["cents"])
        return {"credit_id": f"cr-{len(self.credits)}"}

    def reverse(self, _: dict[str, Any]) -> JsonValue:
        """Reverse every credit."""
        self.credits.clear()
        return {"reversed": True}

    def mark(self, arguments: dict[str, Any]) -> JsonValue:
        """Mark the order."""
        self.refunded_cents = arguments["cents"]
        return {"refunded_cents": self.refunded_cents}


@dataclass
class Refund:
    """A refund under way, and the world around it."""

    run: StoryRun
    story: Story
    claude: ScriptedClaude
    toolbox: RecordingToolbox
    books: Books


@asynccontextmanager
async def a_refund(
    temporal: WorkflowEnvironment,
    *advised_cents: int,
    books: Books | None = None,
    toolbox: RecordingToolbox | None = None,
    claude: ScriptedClaude | None = None,
    policy: PolicyEngine | None = None,
    requester: str = "rita",
    limit_cents: int = 500_000,
    cached_runs: int = 1000,
    roster: Roster = NOBODY,
    contexts: ContextFiles | None = None,
) -> AsyncIterator[Refund]:
    """A story of one refund for order A-17: Claude reads, and advises these amounts one after the other."""
    books = books or Books()
    toolbox = toolbox or books.toolbox()
    claude = claude or claude_advising(*advised_cents)
    around: dict[str, Any] = {"policy": policy, "cached_runs": cached_runs, "roster": roster, "contexts": contexts}
    async with a_story(temporal, claude, toolbox, **around) as story:
        run = await story.start("refund", order_id="A-17", limit_cents=limit_cents, requester=requester)
        yield Refund(run, story, claude, toolbox, books)


def rules(*texts: str) -> CedarRules:
    """The rules in force, and these."""
    folder = REPOSITORY / "policies"
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.cedar"))}
    return CedarRules(files | {f"story{number}.cedar": text for number, text in enumerate(texts)})


FORBID_CREDITS = '@id("no-credits-today") forbid(principal, action == Action::"payments.issue_credit", resource);'
SIGN_EVERY_CREDIT = """
@id("sign-every-credit") @approve("finance_manager") @quorum("1") @within("PT48H")
forbid(principal, action == Action::"payments.issue_credit", resource)
  unless { context.approvals has finance_manager && context.approvals.finance_manager >= 1 };
"""

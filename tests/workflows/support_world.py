"""The world of support stories: the shop's own servers on books of their own, and what stands in those afterwards."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from activities.conversations import RunKey
from activities.inbox import StartRecord
from contracts.decisions import ApprovalRequest
from contracts.model import Model
from contracts.roster import Roster
from tests.authority import NOBODY
from tests.demo_servers import NO_FAULTS, DemoServers, Faults, a_folder, read
from tests.doubles import ScriptedClaude, asks_for, says
from tests.story import Story, StoryRun, a_story

SHOP = ("crm", "orders", "documentation", "payments", "mail")
"""The servers that a ticket needs."""
NOOR: dict[str, Any] = {
    "ticket": "T-3107",
    "customer_id": "C-13",
    "order_id": "A-26",
    "question": "The spout of my teapot was chipped when it came. Your colleague promised me 20 euros back for it.",
}
"""Note 2 promises her a credit of 20.00 EUR."""
EMIL: dict[str, Any] = {
    "ticket": "T-3108",
    "customer_id": "C-14",
    "order_id": "A-28",
    "question": "My mirror is cracked. When do I get the one that Jonas promised me?",
}
"""Note 4 promises him the mirror once more."""
AMARA: dict[str, Any] = {
    "ticket": "T-3109",
    "customer_id": "C-15",
    "order_id": "A-29",
    "question": "May I still return the rug? It is too large for the room.",
}
"""She has no address, and the promise of note 5 has lapsed."""

PROMISED = "Promised her a credit of 20.00 EUR"
BOUND: dict[str, JsonValue] = {"note_id": 2, "words": PROMISED, "cents": 2000, "until": None}
EXPLAINED: dict[str, JsonValue] = {
    "resolution": "explain",
    "cents": 0,
    "sku": "",
    "page_id": "returns-30-days",
    "reason": "the order was delivered more than 30 days ago",
    "promises": [],
    "escalate": False,
}
CREDITED = EXPLAINED | {
    "resolution": "credit",
    "cents": 2000,
    "page_id": "earlier-promises",
    "reason": "note 2 promises 20.00 EUR for the chipped teapot",
    "promises": [BOUND],
}
REPLACED = EXPLAINED | {
    "resolution": "replace",
    "cents": 5500,
    "sku": "LIV-0760",
    "page_id": "damaged-goods",
    "reason": "note 4 promises the mirror once more",
    "promises": [{"note_id": 4, "words": "we send the wall mirror once more", "cents": 0, "until": None}],
}


def proposes(proposal: dict[str, JsonValue], **changes: JsonValue) -> list[JsonValue]:
    """Claude's structured answer about a ticket."""
    return says(json.dumps(proposal | changes))


def reads(asked: dict[str, Any]) -> list[JsonValue]:
    """Claude reads the customer's file, the order and a page, side by side."""
    return asks_for(
        ("crm.notes_of_customer", {"customer_id": asked["customer_id"]}),
        ("orders.find_order", {"order_id": asked["order_id"]}),
        ("documentation.read_page", {"page_id": "earlier-promises"}),
    )


def refunding(order_id: str, cents: int) -> list[Any]:
    """What Claude says within the refund: it reads, and advises this amount."""
    named: dict[str, JsonValue] = {"order_id": order_id}
    advice = says(json.dumps({"cents": cents, "reason": "the teapot came chipped"}))
    return [asks_for(("orders.find_order", named), ("crm.read_complaint", named)), advice]


class Books(Model):
    """What of one ticket stands in the servers' own databases."""

    logged: str = ""
    """Every outcome that was entered for the customer, in order."""
    note_ids: str = ""
    told: str = ""
    """Every outcome that was confirmed for the order."""
    mails: int = 0
    """Letters about tickets that have left."""
    credited_cents: int = 0
    refunded_cents: int = 0
    replacements: int = 0


UNTOUCHED = Books()
_READ = {
    "logged": ("crm", "SELECT coalesce(group_concat(outcome), '') FROM interactions WHERE order_id = :order"),
    "note_ids": ("crm", "SELECT coalesce(group_concat(note_ids), '') FROM interactions WHERE order_id = :order"),
    "told": ("mail", "SELECT coalesce(group_concat(outcome), '') FROM confirmations WHERE order_id = :order"),
    "mails": ("mail", "SELECT count(*) FROM mails WHERE body LIKE '%asked us about order ' || :order || ':%'"),
    "credited_cents": (
        "payments",
        "SELECT coalesce(sum(cents), 0) FROM credits WHERE order_id = :order AND status = 'issued'",
    ),
    "refunded_cents": ("orders", "SELECT refunded_cents FROM orders WHERE order_id = :order"),
    "replacements": ("orders", "SELECT count(*) FROM replacements WHERE order_id = :order AND status = 'ordered'"),
}


def books_in(data: Path, order_id: str) -> Books:
    """What stands in the books of this folder."""
    return Books.model_validate({name: read(data, *where, order=order_id) for name, where in _READ.items()})


@dataclass
class Ticket:
    """A ticket under way, and the world around it."""

    run: StoryRun
    story: Story
    shop: DemoServers
    claude: ScriptedClaude
    order_id: str

    def books(self) -> Books:
        """What stands there now, straight from the files."""
        return books_in(self.shop.data, self.order_id)

    async def shown(self, request: ApprovalRequest) -> str:
        """What people are shown of a request, as it is stored."""
        content = await self.story.store.contents.get(request.display_digest)
        assert content is not None
        return content.decode()

    async def record(self, run: StoryRun) -> StartRecord:
        """The start record of a run."""
        view = await run.view()
        found = await self.story.store.starts.find(RunKey(workflow_id=run.handle.id, first_run_id=view.first_run_id))
        assert found is not None
        return found

    async def child(self, number: int = 1) -> StoryRun:
        """The refund inside it, once it has begun."""
        return await self.run.child(number)


@asynccontextmanager
async def a_ticket(
    temporal: WorkflowEnvironment,
    asked: dict[str, Any] = NOOR,
    *says_: Any,
    faults: Faults = NO_FAULTS,
    held: str = "",
    roster: Roster = NOBODY,
    contexts: ContextFiles | None = None,
    cached_runs: int = 1000,
) -> AsyncIterator[Ticket]:
    """A story of one ticket: Claude reads, and then says these one after the other.

    Calls of the tool `held` are held from the beginning.
    """
    claude = ScriptedClaude([reads(asked), *says_])
    with a_folder(SHOP) as data:
        shop = await DemoServers.at(data, SHOP, faults)
        if held:
            shop.holding(held)
        around: dict[str, Any] = {"roster": roster, "contexts": contexts, "cached_runs": cached_runs}
        async with a_story(temporal, claude, shop, **around) as story:
            run = await story.start("support_escalation", **asked)
            yield Ticket(run, story, shop, claude, asked["order_id"])

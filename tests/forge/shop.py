"""A deployment in production, to forge against through the real server: its people, its books, its real refunds."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue
from temporalio.testing import WorkflowEnvironment

from activities.claude_port import ClaudeAnswer, ClaudeQuestion
from contracts.canonical import digest
from contracts.decisions import Verdict
from contracts.deployment import Deployment, Mode
from contracts.runs import Ending, StartStatement
from contracts.tools import EffectClass, Taint, ToolDefinition
from tests.activities.bench import OURS
from tests.authority import FixedAuthority
from tests.doubles import RecordingToolbox, answer_of, asks_for, says
from tests.forge.world import People, Scene, tire
from tests.story import DEPLOYMENT, Story, StoryRun, a_story
from tests.workflows.refund_world import REFERENCES, UNDOES
from workers.resources.known_keys import KnownKeys

PRODUCTION = Deployment(id=DEPLOYMENT.id, namespace=DEPLOYMENT.namespace, mode=Mode.PRODUCTION)
TWO_SIGN_CENTS = 110_000
CLASSES = {
    "payments.issue_credit": EffectClass.KEYED,
    "payments.mint_money": EffectClass.KEYED,
    "payments.reverse_credit": EffectClass.KEYED,
    "orders.mark_refunded": EffectClass.IDEMPOTENT,
    "orders.unmark_refunded": EffectClass.IDEMPOTENT,
    "mail.confirm_refund": EffectClass.KEYED,
    "mail.send_mail": EffectClass.KEYED,
}
UNPINNED = "payments.mint_money"
CHANGED = "orders.unmark_refunded"
"""It was accepted once, as something else."""
TAINTS = {"orders.find_order": (Taint.PRIVATE,), "crm.read_complaint": (Taint.UNTRUSTED,)}


def _schema(*texts: str, cents: bool = False) -> dict[str, JsonValue]:
    named: dict[str, JsonValue] = {name: {"type": "string"} for name in texts}
    amount: dict[str, JsonValue] = {"cents": {"type": "integer"}} if cents else {}
    return {"type": "object", "properties": named | amount, "required": ["cents"] if cents else []}


SCHEMAS = {
    name: _schema("order_id", "customer_id", "currency", "reason", "reference", cents=True)
    for name in ("payments.issue_credit", "payments.mint_money", "orders.mark_refunded")
} | {
    "mail.confirm_refund": _schema("order_id", cents=True),
    "mail.send_mail": _schema("to", "subject", "body"),
}


@dataclass
class TaintingToolbox(RecordingToolbox):
    """Some tools read what is private or what strangers wrote, and mail goes out."""

    def _definition(self, server: str, name: str) -> ToolDefinition:
        taints, out = TAINTS.get(name, ()), name == "mail.send_mail"
        return super()._definition(server, name).model_copy(update={"taints": taints, "sends_out": out})


class GenerousClaude:
    """Advises more than anybody asks for; offered mail, it wants to send some."""

    async def ask(self, question: ClaudeQuestion) -> ClaudeAnswer:
        """See activities.claude_port.Claude."""
        if any(tool.name == "mail__send_mail" for tool in question.tools):
            wanted = asks_for(("mail.send_mail", {"to": "mallory@example.com", "subject": "orders", "body": "all"}))
            return answer_of(wanted, "tool_use")
        return answer_of(says('{"cents": 900000, "reason": "it arrived broken"}'), "end_turn")


@dataclass
class Shop:
    """The deployment, and the books of its payments server."""

    people: People = field(default_factory=People)
    credits: dict[str, list[int]] = field(default_factory=dict)
    """Order -> what was credited for it, in cents."""
    marked: dict[str, int] = field(default_factory=dict)
    started: dict[str, tuple[StartStatement, dict[str, JsonValue]]] = field(default_factory=dict)
    """Workflow id -> the signed start statement and the input, as anybody reads them in its history."""
    toolbox: TaintingToolbox = field(init=False)
    story: Story = field(init=False)

    def __post_init__(self) -> None:
        answers: dict[str, Any] = {
            "orders.find_order": self._order,
            "orders.mark_refunded": self._mark,
            "orders.unmark_refunded": {"refunded_cents": 0},
            "crm.read_complaint": {"text": "it arrived broken"},
            "payments.payment_of_order": {"captured_cents": 900_000},
            "payments.credits_of_order": self._credits,
            "payments.issue_credit": self._credit,
            UNPINNED: self._credit,
            "payments.reverse_credit": self._reverse,
            "mail.confirm_refund": {"sent": True},
            "mail.send_mail": {"sent": True},
        }
        self.toolbox = TaintingToolbox(answers, CLASSES, SCHEMAS, UNDOES, REFERENCES)

    @property
    def credited(self) -> int:
        """What has been credited altogether, in cents."""
        return sum(sum(amounts) for amounts in self.credits.values())

    def _order(self, arguments: dict[str, Any]) -> JsonValue:
        order = arguments["order_id"]
        known: dict[str, JsonValue] = {"order_id": order, "customer_id": f"c-{order}", "status": "delivered"}
        return known | {"total_cents": 900_000, "refunded_cents": self.marked.get(order, 0), "currency": "EUR"}

    def _mark(self, arguments: dict[str, Any]) -> JsonValue:
        self.marked[arguments["order_id"]] = arguments["cents"]
        return {"refunded_cents": arguments["cents"]}

    def _credits(self, arguments: dict[str, Any]) -> JsonValue:
        amounts = self.credits.get(arguments["order_id"], [])
        return {"count": len(amounts), "total_cents": sum(amounts)}

    def _credit(self, arguments: dict[str, Any]) -> JsonValue:
        self.credits.setdefault(str(arguments.get("order_id")), []).append(arguments["cents"])
        return {"credit_id": "cr-1"}

    def _reverse(self, arguments: dict[str, Any]) -> JsonValue:
        self.credits.pop(str(arguments.get("order_id")), None)
        return {"reversed": True}

    def forget(self, order: str) -> None:
        """The payments server has taken the order's credits back, by hand."""
        self.credits.pop(order, None)
        self.marked.pop(order, None)

    def statement(self, order: str, workflow_id: str, request: dict[str, JsonValue], again: str = "") -> StartStatement:
        """An unsigned start statement in which everything is right."""
        return StartStatement(
            requester="rita",
            automation="refund",
            business_key=order,
            input_digest=digest(request),
            issued_at=datetime.now(UTC),
            again=again,
            deployment=PRODUCTION.id,
            workflow_id=workflow_id,
            on_behalf_of=("nora",),
        )

    async def refund(self, order: str, cents: int = TWO_SIGN_CENTS, again: str = "") -> StoryRun:
        """A real refund: the service `desk` starts it for rita, who asks for nora."""
        entry = self.story.catalog.find("refund")
        given = entry.request.model_validate({"order_id": order, "limit_cents": cents})
        workflow_id = f"refund/{order}~2" if again else f"refund/{order}"
        request = given.model_dump(mode="json")
        start = self.people.desk.starts(self.statement(order, workflow_id, request, again))
        self.started[workflow_id] = (start, request)
        with self.story.environment.with_time_skipping_disabled():
            handle = await self.story.client.start_workflow(
                "refund",
                entry.first_case(given, start),
                id=workflow_id,
                task_queue=self.story.task_queue,
                result_type=Ending,
            )
        return StoryRun(handle, self.story)

    async def scene(self, run: StoryRun) -> Scene:
        """What a forger sees of a run that waits for two finance managers."""
        request = await run.asked()
        template = await run.decision(Verdict.APPROVE)
        signers = (self.people.dana, self.people.erik)
        return Scene(
            people=self.people,
            store=self.story.store,
            authority=self.story.authority,
            run_id=run.handle.id,
            asked_at=request.opened_at,
            now=await run.now(),
            genuine={signer.subject: signer.signed(template) for signer in signers},
        )


def new_order(prefix: str = "A") -> str:
    """A number no other order has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def a_shop(environment: WorkflowEnvironment) -> AsyncIterator[Shop]:
    """The shop, open: one worker with the product's activities and automations, a store of its own."""
    shop = Shop()
    roster = shop.people.roster(datetime.now(UTC))
    keys = KnownKeys(FixedAuthority(OURS, roster), PRODUCTION)
    await keys.refresh()
    async with a_story(
        environment,
        GenerousClaude(),
        shop.toolbox,
        deployment=PRODUCTION,
        roster=roster,
        on_sight=keys.problem_with,
    ) as story:
        shop.story = story
        await story.accept_pins(shop.toolbox)
        pins = story.authority.pins
        del pins[UNPINNED]
        pins[CHANGED] = pins[CHANGED].model_copy(update={"pin": digest(b"something else")})
        yield shop


async def tired(shop: Shop, scene: Scene) -> None:
    """Tom has decided as often as anybody may in an hour."""
    await tire(shop.people.tom, shop.story.store, scene.template, scene.now)

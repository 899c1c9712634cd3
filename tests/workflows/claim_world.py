"""The world of claims: a parent takes a note, and what it credits is a refund inside it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.testing import WorkflowEnvironment

from activities.context_files import ContextFiles
from activities.conversations import RunKey
from activities.inbox import StartRecord
from contracts.audit import AuditKind, AuditRecord
from contracts.deployment import Deployment
from contracts.roster import Roster
from contracts.tools import EffectClass, Taint, ToolDefinition, Undoes
from policies.engine import CedarRules
from tests.authority import NOBODY, Signer
from tests.doubles import RecordingToolbox, ScriptedClaude
from tests.story import DEPLOYMENT, PATIENCE, Story, StoryRun, a_story
from tests.workers.swept import told
from tests.workflows.refund_world import CLASSES, REFERENCES, UNDOES, Books, claude_advising
from tests.workflows.trip_world import OUTSIDE
from workers.resources.audit.findings import Report
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.verification import verify_store
from workers.settings import REPOSITORY

CREDITED = ["desk.take_note", "payments.issue_credit", "orders.mark_refunded", "mail.confirm_refund"]
"""Every effect of a claim that is settled, in order."""


@dataclass
class Claim:
    """A claim under way, and the world around it."""

    run: StoryRun
    story: Story
    claude: ScriptedClaude
    toolbox: RecordingToolbox
    books: Books
    order_id: str

    async def child(self, number: int = 1) -> StoryRun:
        """The refund inside it, once it answers."""
        return await self.run.child(number)

    async def record(self, run: StoryRun) -> StartRecord | None:
        """The start record of a run."""
        return await self.story.store.starts.find(await named(run))

    async def taints(self, run: StoryRun) -> frozenset[Taint]:
        """What a run has read, by the store."""
        return await self.story.store.taints.of(await named(run))

    async def told(self, run: StoryRun, *kinds: AuditKind) -> list[AuditRecord]:
        """What auditors are told of a run."""
        return told(self.story.store, await named(run), *kinds)

    def forget(self) -> None:
        """It did not end as a story does, so it proves nothing."""
        self.story.runs.clear()


async def named(run: StoryRun) -> RunKey:
    """The run's name in the store."""
    return RunKey(workflow_id=run.handle.id, first_run_id=(await run.view()).first_run_id)


async def until_continued(run: StoryRun, since: str) -> None:
    """Wait, boundedly, until the run has continued as new since that Temporal run id."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while (await run.story.client.get_workflow_handle(run.handle.id).describe()).run_id == since:
            await asyncio.sleep(0.04)


def verified(story: Story) -> Report:
    """What `audit verify` finds; of checkpoints there are none."""
    signed = SignedHeads(unverifiable="they are left out")
    return story.store.at_one_moment(lambda connection: verify_store(connection, signed, datetime.now(UTC)))[0]


def claim_rules(*texts: str) -> CedarRules:
    """The rules in force for claims, and these."""
    paths = [*sorted((REPOSITORY / "policies").glob("*.cedar")), *sorted((OUTSIDE / "policies").glob("*.cedar"))]
    files = {path.name: path.read_text() for path in paths}
    return CedarRules(files | {f"story{number}.cedar": text for number, text in enumerate(texts)})


@dataclass
class Desk(RecordingToolbox):
    """What customers write anybody could have written; what stands in orders is private."""

    tainting: Mapping[str, Taint] = field(
        default_factory=lambda: {"crm.read_complaint": Taint.UNTRUSTED, "orders.find_order": Taint.PRIVATE}
    )

    def _definition(self, server: str, name: str) -> ToolDefinition:
        taints = (self.tainting[name],) if name in self.tainting else ()
        return super()._definition(server, name).model_copy(update={"taints": taints})


def desk(books: Books, **answers: Any) -> Desk:
    """The books' tools, and a desk that takes notes; `answers` replaces some."""
    notes = {"desk__take_note": {"taken": True}, "desk__strike_note": {"struck": True}, "desk__ring": {"rung": True}}
    return Desk(
        books.toolbox(**(notes | answers)).answers,
        classes=CLASSES | dict.fromkeys(("desk.take_note", "desk.strike_note", "desk.ring"), EffectClass.KEYED),
        undoes=UNDOES | {"desk.strike_note": Undoes(tool="take_note", same=("claim",))},
        references=REFERENCES,
    )


@asynccontextmanager
async def a_claim(
    temporal: WorkflowEnvironment,
    *advised_cents: int,
    books: Books | None = None,
    toolbox: RecordingToolbox | None = None,
    claude: ScriptedClaude | None = None,
    rules: tuple[str, ...] = (),
    roster: Roster = NOBODY,
    signer: Signer | None = None,
    deployment: Deployment = DEPLOYMENT,
    contexts: ContextFiles | None = None,
    cached_runs: int = 1000,
    **request: Any,
) -> AsyncIterator[Claim]:
    """A story of one claim, inside which Claude advises to credit these amounts; of orders with names of their own."""
    books = books or Books()
    toolbox = toolbox or desk(books)
    claude = claude or claude_advising(*advised_cents)
    order_id = f"A-{uuid.uuid4().hex[:8]}"
    around: dict[str, Any] = {"policy": claim_rules(*rules), "roster": roster, "contexts": contexts}
    around |= {"cached_runs": cached_runs, "deployment": deployment, "outside": OUTSIDE}
    async with a_story(temporal, claude, toolbox, **around) as story:
        if deployment is not DEPLOYMENT:
            await story.accept_pins(toolbox)
        asked = {"claim": f"C-{order_id}", "order_id": order_id} | request
        run = await story.start("claim", signer=signer, **asked)
        yield Claim(run, story, claude, toolbox, books, order_id)

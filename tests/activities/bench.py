"""A workbench for activities: called plainly, with doubles at the ports and a real SQLite store."""

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from temporalio.testing import ActivityEnvironment

from activities.admission import Admission
from activities.budgets import Budgeting
from activities.children import Relative
from activities.claude import ClaudeActivities
from activities.context_files import ContextFiles
from activities.conversations import RunKey
from activities.identity import CurrentRun
from activities.inbox import InboxEntry, StartRecord
from activities.keys import idempotency_key
from activities.ledger import Ledger, LedgerEntry
from activities.notices import Route
from activities.owners import Owners
from activities.prompt_files import PromptFiles
from activities.summaries import Summaries
from activities.tools import ToolActivities
from activities.turn_results import TurnResults
from activities.turns import Turns
from contracts.canonical import digest
from contracts.claude import TurnOutcome, TurnRequest
from contracts.decisions import APPROVAL_VERDICTS, Decision, RequestKind, Verdict
from contracts.deployment import Deployment, Mode
from contracts.policy import Obligation, Ruling
from contracts.runs import StartStatement
from contracts.tools import ToolCall, ToolOutcome
from policies.engine import CedarRules
from tests.authority import FixedAuthority, store_ports
from tests.doubles import RecordingToolbox, ScriptedClaude
from tests.stores import new_store
from workers.resources.store import Store
from workers.settings import REPOSITORY

ActivitiesT = TypeVar("ActivitiesT")
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
RUN = RunKey(workflow_id="refund/A-17", first_run_id="run-1")
ANYTHING_GOES = CedarRules({"rules": '@id("anything") permit(principal, action, resource);'})
OURS = CedarRules.load([REPOSITORY / "policies"])
DEVELOPMENT = Deployment(id="bench", namespace="default", mode=Mode.DEVELOPMENT)
PRODUCTION = DEVELOPMENT.model_copy(update={"mode": Mode.PRODUCTION})
PROMPTS = REPOSITORY / "activities" / "prompts"


@dataclass
class SetClock:
    """Stands where a test has set it."""

    at: datetime = NINE

    async def now(self) -> datetime:
        """See activities.clock.Clock."""
        return self.at

    def forward(self, by: timedelta) -> None:
        """Later."""
        self.at += by


@dataclass
class NamedChains:
    """Chains as a test names them: Temporal run id -> the first one of its chain; others are their own."""

    firsts: dict[str, str] = field(default_factory=dict)

    async def first_run_id(self, workflow_id: str, run_id: str) -> str:
        """See activities.identity.Chains."""
        return self.firsts.get(run_id, run_id)


@dataclass
class ToldFamilies:
    """Temporal, as a test has it: workflow id -> what became of it, and whose child it is."""

    relatives: dict[str, Relative] = field(default_factory=dict)

    async def parent_of(self, workflow_id: str, run_id: str) -> RunKey | None:
        """See activities.children.Families."""
        known = self.relatives.get(workflow_id)
        return known.parent if known else None

    async def latest(self, workflow_id: str) -> Relative | None:
        """See activities.children.Families."""
        return self.relatives.get(workflow_id)


@dataclass
class Bench:
    """Activities with everything they need."""

    store: Store
    toolbox: RecordingToolbox
    claude: ScriptedClaude
    policy: CedarRules = ANYTHING_GOES
    authority: FixedAuthority = field(default_factory=lambda: FixedAuthority(ANYTHING_GOES))
    deployment: Deployment = DEVELOPMENT
    prompts: Path = PROMPTS
    clock: SetClock = field(default_factory=SetClock)
    chains: NamedChains = field(default_factory=NamedChains)
    families: ToldFamilies = field(default_factory=ToldFamilies)
    may_start: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"claim": ("refund",)})
    ledger: Ledger | None = None
    contexts: ContextFiles | None = None
    most_active_runs: int = 0
    heartbeats: int = 0

    def gate(self) -> ToolActivities:
        """A gate as another worker process would build it: it remembers nothing."""
        return self.bound(ToolActivities)

    def bound(self, activities: Callable[..., ActivitiesT]) -> ActivitiesT:
        """A class of activities with the ports that its constructor names, as the assembly binds them."""
        ports = store_ports(self.store, self.in_force(), self.deployment) | {
            "toolbox": self.toolbox,
            "claude": self.claude,
            "prompts": PromptFiles([self.prompts]),
            "authority": self.in_force(),
            "current": CurrentRun(self.chains),
            "admission": Admission(self.toolbox, self.store.breakers, self.store.rates, self.clock),
            "clock": self.clock,
            "deployment": self.deployment,
            "default_model": "scripted",
            "most_active_runs": self.most_active_runs,
            "owner_roles": {"refund": "finance_manager"},
            "families": self.families,
            "may_start": self.may_start,
            "contexts": self.contexts or ContextFiles([self.prompts]),
        }
        if self.ledger is not None:
            ports["ledger"] = self.ledger
        ports["budgeting"] = self.budgeting()
        for name, part in (
            ("results", TurnResults),
            ("turns", Turns),
            ("summaries", Summaries),
            ("owners", Owners),
        ):
            ports[name] = _with_its_ports(part, ports)
        return _with_its_ports(activities, ports)

    def budgeting(self) -> Budgeting:
        """How runs stand, by the pages of the bench."""
        return Budgeting(self.store.budgets, self.contexts or ContextFiles([self.prompts]), self.in_force())

    def in_force(self) -> FixedAuthority:
        """What is in force, as the bench has it at this moment."""
        self.authority.engine = self.policy
        self.authority.accepts_at_first_contact = self.deployment.mode is Mode.DEVELOPMENT
        return self.authority

    async def call(self, call: ToolCall, run_id: str = RUN.first_run_id) -> ToolOutcome:
        """One attempt at the gate."""
        for decision in call.evidence:
            await self.asks_for(decision)
        return await self.environment(run_id).run(self.gate().call_tool, call)

    async def asks_for(self, decision: Decision, **changes: Any) -> InboxEntry:
        """The request that a decision answers stands in the inbox, unless a test has put it there otherwise."""
        entry = InboxEntry(
            request_id=decision.approval_id,
            kind=RequestKind.APPROVAL,
            automation="refund",
            workflow_id=RUN.workflow_id,
            first_run_id=RUN.first_run_id,
            state="awaiting_approval",
            title="Credit?",
            action_digest=decision.action_digest,
            display_digest=digest(b"what dana saw"),
            obligations=(Obligation(role="finance_manager", within=timedelta(days=2), rule_id="refund-over-50"),),
            options=APPROVAL_VERDICTS,
            requester="rita",
            opened_at=NINE,
            deadline=NINE + timedelta(days=2),
        )
        await self.store.inbox.open(entry.model_copy(update=changes))
        return entry

    async def rule(self, call: ToolCall) -> Ruling:
        """Only the ruling."""
        return await self.environment().run(self.gate().rule_on, call)

    async def turn(self, request: TurnRequest) -> TurnOutcome:
        """One attempt at a turn with Claude."""
        return await self.environment().run(self.bound(ClaudeActivities).ask_claude, request)

    def environment(
        self, run_id: str = RUN.first_run_id, workflow_id: str = RUN.workflow_id, attempt: int = 1
    ) -> ActivityEnvironment:
        """An attempt that serves the run."""
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info,
            workflow_id=workflow_id,
            workflow_run_id=run_id,
            workflow_type="refund",
            attempt=attempt,
        )
        environment.on_heartbeat = self._heartbeat
        return environment

    def _heartbeat(self, *_: Any) -> None:
        self.heartbeats += 1

    async def entry(self, call: ToolCall) -> LedgerEntry | None:
        """What the ledger says of a call."""
        return await self.store.ledger.find(idempotency_key(self.deployment.id, RUN, call.step, call.occurrence))

    async def sends(self, call: ToolCall) -> int:
        """How often it was sent, by the ledger."""
        entry = await self.entry(call)
        return entry.sends if entry else 0

    def decision(self, about: str, **changes: Any) -> Decision:
        """Dana approves."""
        decision = Decision(
            deployment=self.deployment.id,
            namespace=self.deployment.namespace,
            workflow_id=RUN.workflow_id,
            first_run_id=RUN.first_run_id,
            approval_id=f"{RUN.workflow_id}#1",
            action_digest=about,
            verdict=Verdict.APPROVE,
            approver="dana",
            issued_at=self.clock.at,
            expires_at=self.clock.at + timedelta(hours=1),
            display_digest=digest(b"what dana saw"),
        )
        return decision.model_copy(update=changes)


def _with_its_ports(made: Callable[..., ActivitiesT], ports: Mapping[str, Any]) -> ActivitiesT:
    return made(**{name: ports[name] for name in inspect.signature(made).parameters})


@asynccontextmanager
async def a_bench(
    toolbox: RecordingToolbox,
    claude: ScriptedClaude | None = None,
    *,
    registered: bool = True,
    routes: Sequence[Route] = (),
    **more: Any,
) -> AsyncIterator[Bench]:
    """A bench with a store of its own, in which Rita has asked for a refund."""
    with TemporaryDirectory() as folder:
        store = await asyncio.to_thread(Store.open, new_store(folder), routes)
        try:
            if registered:
                await store.starts.register(rita_asks(more.pop("automation", "refund")), NINE)
            yield Bench(store, toolbox, claude or ScriptedClaude([[]]), **more)
        finally:
            await asyncio.to_thread(store.close)


def rita_asks(automation: str) -> StartRecord:
    statement = StartStatement(
        requester="rita",
        automation=automation,
        business_key="A-17",
        input_digest=digest({"order_id": "A-17"}),
        issued_at=NINE,
    )
    return StartRecord(run=RUN, start=statement, request={"order_id": "A-17"})


class SlowToLeave:
    """A ledger whose worker stands still right after it has entered a send."""

    def __init__(self, bench: Bench, seconds: float) -> None:
        self._bench, self._seconds, self._left = bench, seconds, 1
        self._ledger = bench.store.ledger

    async def mark_sent(self, *given: Any) -> Any:
        """Entered, and then nothing for a while, the first time."""
        entry = await self._ledger.mark_sent(*given)
        if self._left:
            self._bench.clock.forward(timedelta(seconds=self._seconds))
            self._left -= 1
        return entry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

"""The one place that builds anything: resources from settings, activities from resources, a worker from activities."""

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pydantic
from temporalio.client import Client
from temporalio.worker import Interceptor, UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.admission import Admission
from activities.audit import Audit
from activities.authority import Authority
from activities.breakers import Breakers
from activities.budgets import Budgeting, Budgets
from activities.children import ChildActivities, Children, Families, MayStart
from activities.claude import ClaudeActivities
from activities.claude_port import Claude
from activities.clock import Clock
from activities.context_files import ContextFiles
from activities.conversations import Contents, Conversations
from activities.decided import Decided
from activities.deciding import DecisionActivities
from activities.extending import ExtendingActivities
from activities.freezes import Freezes
from activities.identity import Chains, CurrentRun
from activities.inbox import Inbox, Starts
from activities.ledger import Ledger
from activities.notices import Outbox
from activities.orphans import OrphanActivities, Orphans
from activities.owners import OwnerRoles, Owners
from activities.people import PeopleActivities
from activities.prompt_files import PromptFiles
from activities.rates import Rates
from activities.reads import ReadActivities
from activities.resolving import ResolvingActivities
from activities.starts import StartActivities
from activities.summaries import Summaries
from activities.taints import Taints
from activities.toolbox import Toolbox
from activities.tools import ToolActivities
from activities.totals import Totals
from activities.turn_results import TurnResults
from activities.turns import Turns
from activities.working_time import WorkingTimeActivities
from contracts.decisions import Decision
from contracts.deployment import Deployment, Mode
from contracts.runs import TASK_QUEUE
from policies.document import document_of
from policies.engine import CedarRules
from workers.auditing import checkpoints_of
from workers.build_id import build_id
from workers.pacing import Pacing
from workers.resources.authority import StoredAuthority, activate_files
from workers.resources.chains import TemporalChains
from workers.resources.claude import AnthropicClaude
from workers.resources.clock import SystemClock
from workers.resources.families import TemporalFamilies
from workers.resources.fates import TemporalFates
from workers.resources.freezes import StoredFreezes
from workers.resources.known_keys import KnownKeys
from workers.resources.mcp_connections.toolbox import McpConnections
from workers.resources.notifying.file import ChannelDeclaration, load_channels, routes_of
from workers.resources.notifying.opening import open_channels
from workers.resources.notifying.pump import Pump
from workers.resources.prices_file import load_prices
from workers.resources.servers_file import ServerDeclaration, load_servers
from workers.resources.skills_file import load_skills
from workers.resources.store import Store
from workers.settings import Settings
from workers.sweeping import Sweeper
from workers.telemetry import is_collected
from workers.visits import VisitRecorder
from workflows.catalog import Catalog
from workflows.machine.audit_trail import AuditTrail
from workflows.machine.guard import MessageGuard

PASSED_THROUGH = (
    "contracts",
    "policies",
    "activities",
    "workflows.machine",
    "workflows.steps",
    "workflows.reading",
    "workflows.books",
    "workflows.counting",
    "workflows.store_steps",
    "workflows.children",
    "workflows.conversation",
    "workflows.deliveries",
    "workflows.working_time",
    "workflows.refund.case",
    "workflows.employee_onboarding.case",
    "workflows.employee_onboarding.papers",
)
"""Imported once per process also where stories run in the sandbox: pure, or guarded by tests."""
HEAVY = (
    "cedarpy",
    "jsonschema",
    "rfc8785",
    "opentelemetry",
    "structlog",
    "cryptography",
    "referencing",
    "rpds",
    "attrs",
    "attr",
)


WORKFLOW_INTERCEPTORS = (MessageGuard(), AuditTrail())
"""What replaying needs as well."""


@dataclass(frozen=True)
class Ports:
    """Everything activities need, bound to resources or to doubles."""

    claude: Claude
    toolbox: Toolbox
    ledger: Ledger
    conversations: Conversations
    contents: Contents
    inbox: Inbox
    starts: Starts
    children: Children
    authority: Authority
    freezes: Freezes
    decided: Decided
    totals: Totals
    taints: Taints
    audit: Audit
    outbox: Outbox
    breakers: Breakers
    rates: Rates
    budgets: Budgets
    orphans: Orphans
    prompts: PromptFiles
    clock: Clock
    chains: Chains
    families: Families
    deployment: Deployment
    default_model: str
    contexts: ContextFiles = dataclasses.field(default_factory=lambda: ContextFiles(()))
    """What each automation says about its context and its budget."""
    owner_roles: OwnerRoles = dataclasses.field(default_factory=dict)
    """Automation -> the role that chooses when its runs escalate."""
    may_start: MayStart = dataclasses.field(default_factory=dict)
    """Automation -> those that its runs may start as child runs."""
    most_active_runs: int = 0
    """Past it no run is registered; 0: no limit."""


def activities_of(ports: Ports) -> list[Callable[..., Any]]:
    """Every activity, bound to `ports`."""
    made: dict[str, object] = {
        "current": CurrentRun(ports.chains),
        "admission": Admission(ports.toolbox, ports.breakers, ports.rates, ports.clock),
        "budgeting": Budgeting(ports.budgets, ports.contexts, ports.authority),
        "owners": _bind(Owners, ports, {}),
    }
    made["results"] = _bind(TurnResults, ports, made)
    made["turns"] = _bind(Turns, ports, made)
    made["summaries"] = _bind(Summaries, ports, made)
    claude = _bind(ClaudeActivities, ports, made)
    tools = _bind(ToolActivities, ports, made)
    people = _bind(PeopleActivities, ports, made)
    deciding = _bind(DecisionActivities, ports, made)
    resolving = _bind(ResolvingActivities, ports, made)
    extending = _bind(ExtendingActivities, ports, made)
    starts = _bind(StartActivities, ports, made)
    children = _bind(ChildActivities, ports, made)
    reads = _bind(ReadActivities, ports, made)
    orphans = _bind(OrphanActivities, ports, made)
    working_time = _bind(WorkingTimeActivities, ports, made)
    return [
        claude.ask_claude,
        tools.rule_on,
        tools.call_tool,
        people.open_request,
        people.pass_request,
        people.close_request,
        deciding.check_decisions,
        resolving.resolve_call,
        extending.extend_budget,
        starts.register_run,
        starts.record_ending,
        starts.find_runs,
        children.enter_child,
        children.find_ending,
        working_time.next_working_moment,
        working_time.opening_of_day,
        reads.look_up_case,
        reads.deployment_facts,
        reads.who_is,
        reads.waiting_requests,
        reads.show_request,
        reads.read_content,
        reads.budget_of_run,
        orphans.list_orphans,
        orphans.acknowledge_orphan,
    ]


def interceptors_of(ports: Ports, on_sight: Callable[[Decision], str] | None = None) -> list[Interceptor]:
    """What stands around workflows and activities; `on_sight` refuses decisions that are plainly not genuine."""
    return [MessageGuard(on_sight), AuditTrail(), Pacing(), VisitRecorder(ports.audit, CurrentRun(ports.chains))]


def _bind(activities: Callable[..., Any], ports: Ports, made: Mapping[str, object]) -> Any:
    """Give a class of activities the ports that its constructor names, and what is made of them once for all."""
    named = {field.name: getattr(ports, field.name) for field in dataclasses.fields(ports)} | dict(made)
    return activities(**{name: named[name] for name in inspect.signature(activities).parameters})


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store, migrated if needed, and closed again.

    Raises StoreUrlWrong, StoreUnreachable, StoreTooNew, StoreOfAnotherMode, NoticesFileUnusable.
    """
    store = await asyncio.to_thread(Store.open, settings.store_url(), routes_of(_channels(settings)))
    try:
        await asyncio.to_thread(store.keep_mode, settings.mode)
        yield store
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def open_ports(settings: Settings, client: Client, store: Store) -> AsyncIterator[Ports]:
    """Every port bound to its real resource, closed again in reverse order.

    Raises what cannot be used as configured: ServersFileUnusable, SkillsFileUnusable, StoreUnreachable, PolicyBroken,
    ContextBroken.
    """
    async with AsyncExitStack() as opened:
        toolbox = McpConnections(_servers(settings), private_dir=settings.data, log_dir=settings.data / "logs")
        opened.push_async_callback(toolbox.aclose)
        claude = await AnthropicClaude.connect(load_prices(settings.prices), traced=is_collected())
        opened.push_async_callback(claude.aclose)
        deployment = Deployment(id=settings.deployment, namespace=client.namespace, mode=settings.mode)
        authority = await _authority(settings, store, deployment)
        yield Ports(
            claude=claude,
            toolbox=toolbox,
            ledger=store.ledger,
            conversations=store.conversations,
            contents=store.contents,
            inbox=store.inbox,
            starts=store.starts,
            children=store.children,
            authority=authority,
            freezes=StoredFreezes(store.freezes, authority, deployment),
            decided=store.decided,
            totals=store.totals,
            taints=store.taints,
            audit=store.audit,
            outbox=store.outbox,
            breakers=store.breakers,
            rates=store.rates,
            budgets=store.budgets,
            orphans=store.orphans,
            prompts=PromptFiles(settings.prompt_folders()),
            contexts=ContextFiles(settings.prompt_folders()),
            clock=SystemClock(),
            chains=TemporalChains(client),
            families=TemporalFamilies(client),
            deployment=deployment,
            default_model=settings.model,
            most_active_runs=settings.most_active_runs,
        )


async def _authority(settings: Settings, store: Store, deployment: Deployment) -> StoredAuthority:
    """In development the rules of the files are put in force; in production somebody has made some active."""
    if settings.mode is Mode.DEVELOPMENT:
        rules = document_of(settings.policy_folders())
        CedarRules.from_document(rules)
        await activate_files(store.documents, deployment, rules, await SystemClock().now())
    return StoredAuthority(store.documents, store.contents, deployment, settings.roster_root)


def _channels(settings: Settings) -> tuple[ChannelDeclaration, ...]:
    return load_channels(settings.notices) if settings.notices is not None else ()


def _servers(settings: Settings) -> tuple[ServerDeclaration, ...]:
    own_address = load_skills(settings.skills).resource if settings.skills is not None else ""
    return load_servers(settings.servers, own_address=own_address) if settings.servers is not None else ()


@asynccontextmanager
async def running_worker(settings: Settings, client: Client) -> AsyncIterator[Worker]:
    """A worker with real resources, polling inside the block."""
    catalog = Catalog.load(settings.automations)
    async with open_store(settings) as store, open_ports(settings, client, store) as opened:
        ports = dataclasses.replace(opened, owner_roles=catalog.owner_roles(), may_start=catalog.may_start())
        checkpoints = checkpoints_of(settings, store)
        pump = Pump(store.outbox, open_channels(_channels(settings)), ports.clock)
        keys = KnownKeys(ports.authority, ports.deployment)
        sweeper = Sweeper(store, TemporalFates(client), ports.authority, ports.clock)
        activities = activities_of(ports)
        interceptors = interceptors_of(ports, keys.problem_with)
        worker = make_worker(client, catalog, activities, concurrency=settings.concurrency, interceptors=interceptors)
        async with checkpoints.kept(), pump, keys.kept_current(), sweeper.sweeping(settings.sweep_every), worker:
            yield worker


def sandbox(catalog: Catalog) -> SandboxedWorkflowRunner:
    """The sandbox, with what need not be imported anew for every run passed through: for stories and replays."""
    passed = (*PASSED_THROUGH, *HEAVY, *catalog.outside_modules())
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*passed))


def make_worker(
    client: Client,
    catalog: Catalog,
    activities: Sequence[Callable[..., Any]],
    *,
    task_queue: str = TASK_QUEUE,
    concurrency: int = 50,
    cached_runs: int = 1000,
    graceful: timedelta = timedelta(seconds=10),
    interceptors: Sequence[Interceptor] = (),
    runner: WorkflowRunner | None = None,
) -> Worker:
    """A worker for every automation of `catalog`; `interceptors` are those of `interceptors_of`, or a replayer's.

    Without a `runner` workflows are not sandboxed (docs/decisions/0032): stories have run them so.
    A shutdown cancels activities after `graceful`; what is sent by then is awaited all the same, and recorded.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[entry.workflow for entry in catalog.entries()],
        activities=list(activities),
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        interceptors=list(interceptors or WORKFLOW_INTERCEPTORS),
        build_id=build_id(),
        workflow_failure_exception_types=[pydantic.ValidationError],
        max_concurrent_activities=concurrency,
        max_concurrent_local_activities=concurrency,
        max_cached_workflows=cached_runs,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=graceful,
    )

"""A production deployment with a desk for MCP clients: people with keys, a service that signs starts, and clients."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, TextContent
from temporalio.client import Client as TemporalClient
from temporalio.testing import WorkflowEnvironment

from activities.conversations import RunKey
from activities.prompt_files import PromptFiles
from cli.deciding import Wish, decision_on, find_request, signed
from cli.keys import SigningKey
from cli.server import Server
from cli.skills import SkillDesk
from contracts.decisions import Decision, Verdict
from contracts.deployment import Deployment, Mode
from contracts.roster import Roster
from contracts.runs import TASK_QUEUE
from contracts.skills import Caller
from contracts.wire import DATA_CONVERTER
from policies.document import TOTALS
from policies.engine import CedarRules
from tests.authority import FixedAuthority, Signer, store_ports
from tests.cli.shop import Shop, claude
from tests.stores import new_store
from workers.assembly import Ports, activities_of, interceptors_of, make_worker
from workers.embedded.temporal_server import server_arguments, temporal_binary
from workers.resources.chains import TemporalChains
from workers.resources.clock import SystemClock
from workers.resources.families import TemporalFamilies
from workers.resources.known_keys import KnownKeys
from workers.resources.skills.server import skill_server
from workers.resources.skills_file import Persona, Skills
from workers.resources.store import Store
from workers.settings import Settings
from workflows.catalog import Catalog

PATIENCE = 30.0
DEPLOYMENT = Deployment(id="front-desk", namespace="default", mode=Mode.PRODUCTION)
Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
SKILLS = Skills(
    personas={
        "guest": Persona.model_validate({"claims": {"role": ["guest"]}, "starts": ["errand"]}),
        "front_desk": Persona.model_validate(
            {"roles": ["support_agent"], "starts": ["refund"], "oversees": ["errand"]}
        ),
        "manager": Persona.model_validate(
            {"roles": ["finance_manager"], "starts": ["refund"], "oversees": ["refund"], "decides": True}
        ),
    }
)
GUEST = Caller(name="guest:5812", claims={"role": ("guest",)})
RITA, RUBEN, FIONA = (Caller(name=name) for name in ("rita", "ruben", "fiona"))


@dataclass
class People:
    """Everybody of the roster."""

    rita: Signer = field(default_factory=lambda: Signer("rita", ("support_agent",)))
    ruben: Signer = field(default_factory=lambda: Signer("ruben", ("support_agent",)))
    fiona: Signer = field(default_factory=lambda: Signer("fiona", ("finance_manager",)))
    frank: Signer = field(default_factory=lambda: Signer("frank", ("finance_manager",)))
    sam: Signer = field(default_factory=lambda: Signer("sam", ("support_lead",)))
    desk: Signer = field(default_factory=lambda: Signer("desk", service=True))

    def roster(self) -> Roster:
        """As it is in force."""
        everybody = (self.rita, self.ruben, self.fiona, self.frank, self.sam, self.desk)
        return Roster(people=tuple(signer.person() for signer in everybody), decisions_per_hour=1000)


@dataclass
class Heard:
    """What a client was told and asked, and what the person behind it answers."""

    answers: dict[str, Any] = field(default_factory=dict)
    """The content of what they send back; empty: they dismiss the question."""
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def elicited(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        """The client's callback for questions."""
        self.asked.append(params.message)
        self.was_asked.set()
        return ElicitResult(action="accept", content=self.answers) if self.answers else ElicitResult(action="cancel")

    async def progressed(self, progress: float, total: float | None, message: str | None) -> None:
        """The client's callback for progress."""
        self.told.append(message or "")


@dataclass
class FrontDesk:
    """The deployment, and the way in for MCP clients."""

    server: Server
    shop: Shop
    store: Store
    authority: FixedAuthority
    people: People
    skills: Skills | None = SKILLS

    def desk(self, signed_by: Signer | None = None) -> SkillDesk:
        """The desk whose starts the service signs, or whoever is named."""
        signer = signed_by or self.people.desk
        return SkillDesk(self.server, Catalog.load(), self.skills, SigningKey(signer.subject, signer.key))

    def client(self, caller: Caller, era: Era = "auto", heard: Heard | None = None) -> Client:
        """A real client that talks to the desk as `caller`. With `heard` it can show a form to a person."""
        server = skill_server(self.desk(), lambda _: caller, "test")
        return Client(server, mode=era, elicitation_callback=heard.elicited if heard else None)

    async def waiting(self, caller: Caller, order: str) -> str:
        """A large refund that `caller` has started, once it waits for people; its run."""
        async with self.client(caller) as client:
            started = document(await client.call_tool("refund", {"order_id": order}))
            waits = document(await client.call_tool("wait_for_run", {"run": started["run"], "seconds": 30}))
        assert waits["state"] == "awaiting_approval", waits
        return str(started["run"])

    async def statement(self, run: str, by: Signer, verdict: Verdict = Verdict.APPROVE) -> Decision:
        """What `interlock approvals sign --print` prints on the machine of `by`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                page = await self.store.inbox.waiting(1000)
                if any(entry.request_id == f"{run}#1" for entry in page):
                    break
                await asyncio.sleep(0.02)
        request = await find_request(self.server, f"{run}#1", by.subject)
        wish = Wish(verdict=verdict, approver=by.subject)
        return signed(decision_on(request, wish), SigningKey(by.subject, by.key))

    async def requester_of(self, run: str) -> tuple[str, str]:
        """Who asked for a run, and whose key signed that, by the start record."""
        view = await self.server.view(run)
        record = await self.store.starts.find(RunKey(workflow_id=run, first_run_id=view.first_run_id))
        assert record is not None
        return record.start.requester, record.start.signer


def document(result: CallToolResult) -> Any:
    """What a tool answered."""
    assert not result.is_error, words(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def words(result: CallToolResult) -> str:
    """What a tool said, in words."""
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


def names(tools: Sequence[Any]) -> list[str]:
    """Of tools, in their order."""
    return [tool.name for tool in tools]


@asynccontextmanager
async def a_front_desk(folder: Path) -> AsyncIterator[FrontDesk]:
    """A Temporal server of its own, a worker in production mode, and everything in force."""
    environment = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal_binary(),
        dev_server_log_level="never",
        dev_server_extra_args=list(server_arguments()),
        data_converter=DATA_CONVERTER,
    )
    store = await asyncio.to_thread(Store.open, new_store(folder))
    try:
        async with environment, _worked(environment, store) as desk:
            yield desk
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def _worked(environment: WorkflowEnvironment, store: Store) -> AsyncIterator[FrontDesk]:
    settings, catalog, people, shop = Settings(), Catalog.load(), People(), Shop()
    rules = CedarRules.load(settings.policy_folders())
    without_sums = CedarRules({name: text for name, text in rules.files.items() if name != TOTALS})
    authority = FixedAuthority(without_sums, people.roster(), accepts_at_first_contact=False)
    for server in shop.toolbox.servers():
        for tool in await shop.toolbox.definitions(server):
            authority.accept(tool)
    # A client of one's own: through that of the environment clocks would run ahead.
    address = environment.client.service_client.config.target_host
    client = await TemporalClient.connect(address, data_converter=DATA_CONVERTER)
    ports = Ports(
        claude=claude(),
        toolbox=shop.toolbox,
        **store_ports(store, authority, DEPLOYMENT),
        authority=authority,
        prompts=PromptFiles(settings.prompt_folders()),
        clock=SystemClock(),
        chains=TemporalChains(client),
        families=TemporalFamilies(client),
        deployment=DEPLOYMENT,
        default_model="scripted",
        owner_roles=catalog.owner_roles(),
        may_start=catalog.may_start(),
    )
    keys = KnownKeys(authority, DEPLOYMENT)
    await keys.refresh()
    around = interceptors_of(ports, keys.problem_with)
    async with make_worker(client, catalog, activities_of(ports), task_queue=TASK_QUEUE, interceptors=around):
        yield FrontDesk(Server(client), shop, store, authority, people)

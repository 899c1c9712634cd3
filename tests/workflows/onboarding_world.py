"""The world of onboarding stories: the demo's own servers, as its servers file declares them, on books of their own."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp.server import MCPServer
from mcp.types import CallToolResult
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.deliveries import Delivery, DeliveryReceipt
from contracts.model import Model
from contracts.roster import Roster
from contracts.runs import RunView
from contracts.tools import ToolDefinition
from demo.mcp_servers.identity import server as identity
from demo.mcp_servers.identity.directory import Directory
from demo.mcp_servers.people_records import server as people_records
from demo.mcp_servers.people_records.archive import Archive
from demo.mcp_servers.people_records.records import PaperKind
from demo.mcp_servers.tickets import server as tickets
from demo.mcp_servers.tickets.desk import Desk
from policies.calendars import load_calendars, opening_on
from policies.engine import CedarRules, PolicyEngine
from tests.authority import NOBODY
from tests.doubles import ScriptedClaude, says
from tests.story import PATIENCE, Story, StoryRun, a_story
from tests.workflows.hotel_world import NO_FAULTS, Faults, Hotel
from workers.resources.mcp_connections.definitions import definitions_of
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import published
from workers.resources.servers_file import load_servers
from workers.settings import REPOSITORY

LENA: dict[str, Any] = {"employee_id": "E-2041"}
"""She is to join in four weeks, and has handed in nothing."""
TOMASZ: dict[str, Any] = {"employee_id": "E-2042"}
"""His contract and his identity stand in the records."""
NGOZI: dict[str, Any] = {"employee_id": "E-2043"}
"""Every paper of hers stands in the records; she is to join in two weeks."""
AMARA: dict[str, Any] = {"employee_id": "E-2044"}
"""She began two weeks ago, and has handed in nothing."""
KINDS = ("contract", "identity", "tax_form", "bank_details")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


class Books(Model):
    """What stands about one person in the servers' own databases."""

    open_tickets: int = 0
    active_accounts: int = 0
    letters: tuple[str, ...] = ()
    """What each asked for, the oldest first."""


def books_in(data: Path, employee_id: str) -> Books:
    """What stands in the books of this folder."""
    open_tickets = _rows(
        data, "tickets", "SELECT kind FROM tickets WHERE employee_id = ? AND status = 'open'", employee_id
    )
    active = _rows(
        data, "identity", "SELECT name FROM accounts WHERE employee_id = ? AND status = 'active'", employee_id
    )
    letters = _rows(
        data, "people_records", "SELECT kinds FROM letters WHERE employee_id = ? ORDER BY number", employee_id
    )
    return Books(open_tickets=len(open_tickets), active_accounts=len(active), letters=tuple(letters))


def _rows(data: Path, server: str, query: str, employee_id: str) -> list[str]:
    with closing(sqlite3.connect(f"file:{data / server}.db?mode=ro", uri=True)) as connection:  # makes no book
        return [str(row[0]) for row in connection.execute(query, (employee_id,))]


@dataclass
class Company(Hotel):
    """The company's servers as a toolbox: as those of the hotel, over other books."""

    @classmethod
    async def at(cls, data: Path, faults: Faults = NO_FAULTS) -> "Company":
        """The company whose books lie in this folder."""
        known = await _definitions()
        named = {name: list(fault) if isinstance(fault, list | tuple) else [fault] for name, fault in faults.items()}
        return cls(
            answers=dict.fromkeys(known),
            classes={name: tool.effect_class for name, tool in known.items()},
            data=data,
            faults=named,  # type: ignore[arg-type]
            _servers=_built(data),
        )

    def _definition(self, server: str, name: str) -> ToolDefinition:
        return _PUBLISHED[name]

    @property
    def archive(self) -> Archive:
        """The personnel records, as somebody of human resources has them."""
        return Archive(self.data)

    async def says(self, tool: str, **arguments: Any) -> Any:
        """What one of its servers answers somebody else who asks."""
        server, name = tool.split(".")
        result = await self._servers[server].call_tool(name, arguments)
        assert isinstance(result, CallToolResult)
        return result.structured_content

    def hand_in(self, kind: str, content: bytes = b"", employee_id: str = "E-2041", **changes: Any) -> Delivery:
        """Store a paper; what is to be delivered of it, or something else."""
        paper = self.archive.store(employee_id, PaperKind(kind), f"{kind}.pdf", content or f"my {kind}".encode())
        said = Delivery(kind=kind, reference=paper.reference, digest=paper.digest, by="rita")
        return Delivery.model_validate(said.model_dump() | changes)


@dataclass
class Onboarding:
    """An onboarding under way, and the world around it."""

    run: StoryRun
    story: Story
    company: Company
    employee_id: str

    async def delivers(self, delivery: object) -> DeliveryReceipt:
        """Deliver something as an update."""
        receipt: DeliveryReceipt = await self.run.handle.execute_update(
            "deliver", delivery, result_type=DeliveryReceipt, rpc_timeout=PATIENCE
        )
        return receipt

    async def refuses(self, delivery: object) -> str:
        """Deliver something that must be refused; the reason."""
        try:
            receipt = await self.delivers(delivery)
        except WorkflowUpdateFailedError as error:
            assert isinstance(error.cause, ApplicationError), repr(error.cause)
            return error.cause.message
        raise AssertionError(f"it was taken: {receipt}")

    async def hands_in(self, *kinds: str) -> None:
        """Store and deliver these papers, one after the other."""
        for kind in kinds:
            receipt = await self.delivers(self.company.hand_in(kind, employee_id=self.employee_id))
            assert receipt.outcome in ("taken", "known"), receipt  # the records may have told the run before

    async def withdraws(self) -> DeliveryReceipt:
        """The one who was to join writes that they will not."""
        return await self.delivers(self.company.hand_in("withdrawal", employee_id=self.employee_id))

    async def sign(self, *numbers: int, by: str = "marcus") -> None:
        """Sign for these requests."""
        for number in numbers:
            await self.run.decides(Verdict.APPROVE, by=by, number=number)

    async def moves_to(self, moment: datetime, more: timedelta = MINUTE) -> None:
        """The run's clock shows this moment, and a little more."""
        await self.story.fast_forward(self.run, moment - await self.run.now() + more)

    async def first_day_comes(self, more: timedelta = MINUTE) -> None:
        """The clock shows when the office opens on the first day in the records, and a little more."""
        day = self.company.archive.find_person(self.employee_id).first_day
        calendars = load_calendars((REPOSITORY / "policies" / "calendars.toml").read_text())
        await self.moves_to(opening_on(day, "office", calendars), more)

    async def letter(self, number: int) -> RunView:
        """Its view, once the letter `number` has left and the next one has its time."""
        words = f"after {number} of 4"
        return await self.run.until(lambda view: words in str(view.facts.get("next letter", "")))

    def books(self) -> Books:
        """What stands now, straight from the files."""
        return books_in(self.company.data, self.employee_id)


@contextmanager
def a_folder() -> Iterator[Path]:
    """The books as they are at first start."""
    with TemporaryDirectory() as folder:
        for name, content in _first_books().items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


@asynccontextmanager
async def an_onboarding(
    environment: WorkflowEnvironment,
    asked: dict[str, Any] = LENA,
    *,
    faults: Faults = NO_FAULTS,
    policy: PolicyEngine | None = None,
    held: str = "",
    roster: Roster = NOBODY,
    papers: tuple[str, ...] = (),
) -> AsyncIterator[Onboarding]:
    """A story of one onboarding; `papers` stand in the records from the beginning, calls of `held` are held."""
    with a_folder() as data:
        company = await Company.at(data, faults)
        for kind in papers:
            company.hand_in(kind, employee_id=asked["employee_id"])
        if held:
            company.holding(held)
        nobody = ScriptedClaude([says("nobody asks")])
        async with a_story(environment, nobody, company, policy=policy, roster=roster) as story:
            run = await story.start("employee_onboarding", **asked)
            yield Onboarding(run, story, company, asked["employee_id"])


def rules(*texts: str, calendars: str = "", without: str = "") -> CedarRules:
    """The rules in force, and these; `without` names a rule that is not among them."""
    folder = REPOSITORY / "policies"
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.cedar"))}
    files["calendars.toml"] = calendars or (folder / "calendars.toml").read_text()
    known = CedarRules(files)
    gone = next((rule.text for rule in known.rules if rule.id == without), None)
    if gone is not None:
        files = {name: text for name, text in files.items() if not name.endswith(".cedar")}
        files["left.cedar"] = "\n".join(rule.text for rule in known.rules if rule.id != without)
    return CedarRules(files | {f"story{number}.cedar": text for number, text in enumerate(texts)})


def closed_on(*days: date) -> str:
    """An office in Berlin that is open from nine to five on every day but these."""
    shut = ", ".join(f'"{day}"' for day in days)
    return f"""
        [calendars.office]
        time_zone = "Europe/Berlin"
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        from = "09:00"
        to = "17:00"
        holidays = [{shut}]
        """


_PUBLISHED: dict[str, ToolDefinition] = {}
"""`server.tool` -> its definition; what is published does not depend on any books."""


async def _definitions() -> dict[str, ToolDefinition]:
    if _PUBLISHED:
        return _PUBLISHED
    names = ("PYTHON", "PYTHONPATH", "INTERLOCK_DEMO_DATA")
    urls = dict.fromkeys(("INTERLOCK_DEMO_PAYMENTS_URL", "INTERLOCK_DEMO_MAIL_URL"), "http://unused/mcp")
    told = {**dict.fromkeys(names, "unused"), **urls}
    declared = {each.name: each for each in load_servers(REPOSITORY / "demo" / "servers.toml", told)}
    with a_folder() as data:
        for name, server in _built(data).items():
            tools = {tool.name: tool for tool in await server.list_tools()}
            whole = {tool.name: published(name, tool, server.instructions) or {} for tool in tools.values()}
            for definition in definitions_of(declared[name], Listing(tools, whole, False, 3600)):
                _PUBLISHED[f"{name}.{definition.name}"] = definition
    return _PUBLISHED


_SERVERS: dict[str, Callable[[Path], MCPServer]] = {
    "people_records": lambda data: people_records.build_server(Archive(data)),
    "tickets": lambda data: tickets.build_server(Desk(data)),
    "identity": lambda data: identity.build_server(Directory(data)),
}


def _built(data: Path) -> dict[str, MCPServer]:
    """The servers that an onboarding needs, over these books."""
    return {name: build(data) for name, build in _SERVERS.items()}


@cache
def _first_books() -> dict[str, bytes]:
    """Name of each file -> its content, made once for each process."""
    with TemporaryDirectory() as folder:
        _built(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}

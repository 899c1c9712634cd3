"""The world of onboarding stories: the demo's own servers, as its servers file declares them, on books of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from contracts.decisions import Verdict
from contracts.deliveries import Delivery, DeliveryReceipt
from contracts.model import Model
from contracts.roster import Roster
from contracts.runs import RunView
from demo.mcp_servers.people_records.archive import Archive
from demo.mcp_servers.people_records.records import PaperKind
from policies.calendars import load_calendars, opening_on
from policies.engine import CedarRules, PolicyEngine
from tests.authority import NOBODY
from tests.demo_servers import NO_FAULTS, DemoServers, Faults, a_folder, read_rows
from tests.doubles import ScriptedClaude, says
from tests.story import PATIENCE, Story, StoryRun, a_story
from workers.settings import REPOSITORY

COMPANY = ("people_records", "tickets", "identity")
"""The servers that an onboarding needs."""

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


_READ = {
    "open_tickets": ("tickets", "SELECT kind FROM tickets WHERE employee_id = :person AND status = 'open'"),
    "active_accounts": ("identity", "SELECT name FROM accounts WHERE employee_id = :person AND status = 'active'"),
    "letters": ("people_records", "SELECT kinds FROM letters WHERE employee_id = :person ORDER BY number"),
}


def books_in(data: Path, employee_id: str) -> Books:
    """What stands in the books of this folder."""
    found = {name: [row[0] for row in read_rows(data, *where, person=employee_id)] for name, where in _READ.items()}
    return Books(
        open_tickets=len(found["open_tickets"]),
        active_accounts=len(found["active_accounts"]),
        letters=tuple(found["letters"]),
    )


def hand_in(data: Path, employee_id: str, kind: str, content: bytes = b"") -> Delivery:
    """Store a paper with the records of this folder; what is to be delivered of it."""
    paper = Archive(data).store(employee_id, PaperKind(kind), f"{kind}.pdf", content or f"my {kind}".encode())
    return Delivery(kind=kind, reference=paper.reference, digest=paper.digest, by="rita")


@dataclass
class Onboarding:
    """An onboarding under way, and the world around it."""

    run: StoryRun
    story: Story
    company: DemoServers
    employee_id: str

    @property
    def archive(self) -> Archive:
        """The personnel records, as somebody of human resources has them."""
        return Archive(self.company.data)

    def hand_in(self, kind: str, content: bytes = b"") -> Delivery:
        """Store a paper of whoever is to join, and tell nobody of it."""
        return hand_in(self.company.data, self.employee_id, kind, content)

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
            receipt = await self.delivers(self.hand_in(kind))
            assert receipt.outcome in ("taken", "known"), receipt  # the records may have told the run before

    async def withdraws(self) -> DeliveryReceipt:
        """The one who was to join writes that they will not."""
        return await self.delivers(self.hand_in("withdrawal"))

    async def sign(self, *numbers: int, by: str = "marcus") -> None:
        """Sign for these requests."""
        for number in numbers:
            await self.run.decides(Verdict.APPROVE, by=by, number=number)

    async def moves_to(self, moment: datetime, more: timedelta = MINUTE) -> None:
        """The run's clock shows this moment, and a little more."""
        await self.story.fast_forward(self.run, moment - await self.run.now() + more)

    async def first_day_comes(self, more: timedelta = MINUTE) -> None:
        """The clock shows when the office opens on the first day in the records, and a little more."""
        day = self.archive.find_person(self.employee_id).first_day
        calendars = load_calendars((REPOSITORY / "policies" / "calendars.toml").read_text())
        await self.moves_to(opening_on(day, "office", calendars), more)

    async def letter(self, number: int) -> RunView:
        """Its view, once the letter `number` has left and the next one has its time."""
        words = f"after {number} of 4"
        return await self.run.until(lambda view: words in str(view.facts.get("next letter", "")))

    def books(self) -> Books:
        """What stands now, straight from the files."""
        return books_in(self.company.data, self.employee_id)


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
    with a_folder(COMPANY) as data:
        company = await DemoServers.at(data, COMPANY, faults)
        for kind in papers:
            hand_in(data, asked["employee_id"], kind)
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

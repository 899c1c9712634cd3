"""Every automation as MCP clients ask for it: by whom, who signs on the way, and what then stands in the books."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from contracts.decisions import Verdict
from demo.mcp_servers.people_records.archive import Archive
from tests.demo_servers import rows_in
from tests.end_to_end.company import SERVICE, Company, a_company
from tests.end_to_end.processes import until
from tests.end_to_end.skills_clients import http_endpoint
from tests.faults.journeys import JOURNEYS
from tests.faults.ways.books import differences
from tests.faults.ways.journey import Effects, Journey
from tests.workers.resources.skills import RESOURCE, STAFF, TokenIssuer
from tests.workflows.hotel_world import RUTH
from workers.settings import REPOSITORY

OUTSIDE = REPOSITORY / "demo" / "automations"
WAIT_SECONDS, WAITS = 20, 3
"""One wait, and how many of them a run has to come to its ending."""
SKILLS = f"""
resource = "{RESOURCE}"
[issuers.staff]
issuer = "{STAFF}"
keys = "staff.json"
[personas.early]
roles = ["finance_director"]
starts = ["early_refund"]
"""
"""What the demo's own skills file leaves to whoever serves it."""
WAYS = {way.name: way for way in JOURNEYS}

_STAY = {"booking_number": "B-2044"}
_UNDONE: Effects = {
    "payments.authorisations": ({**_STAY, "cents": RUTH["amount"], "status": "refunded"},),
    "property.bookings": ({**_STAY, "status": "in_house"},),
    "property.rooms": ({"room_number": "401", "status": "clean"},),
    "housekeeping.tasks": ({"room_number": "401", "status": "cancelled"},),
    "compliance.entries": ({**_STAY, "kind": "reversal"},),
}
_RUTH_LEAVES = Journey("ruth leaves", "guest_checkout", RUTH | _STAY, "checked_out")
_RUTH_STAYS = Journey(
    "a checkout is undone by a manager",
    "compensate_checkout_failure",
    {"guest_email": RUTH["guest_email"], "idempotency_token": "manager-02"},
    "compensated",
    _UNDONE,
    after=_RUTH_LEAVES,
)
_LATE_ORDERS = Journey(
    "a letter is signed",
    "errand",
    {
        "goal": "Find the late orders of customer C-7, leave a note in their file and write the customer a mail.",
        "servers": ["orders", "crm", "mail"],
    },
    "answered",
    {"crm.notes": ({"customer_id": "C-7"},), "mail.mails": ({"recipient": "dana.reeves@example.com"},)},
)
_GOODS_COME_BACK = Journey(
    "goods that come back settle it",
    "early_refund",
    {"order_id": "A-21", "cents": 8900},
    "returned",
    {
        "payments.credits": ({"order_id": "A-21", "cents": 8900, "status": "issued"},),
        "mail.mails": ({"recipient": "dana.reeves@example.com"},),
    },
)


class Clients(Protocol):
    """Real MCP clients of the company's people."""

    async def call(self, caller: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a tool answers one of them."""
        ...


@dataclass(frozen=True)
class Asked:
    """One automation, and a way through it that a client asks for."""

    way: Journey
    signals: Mapping[str, bool] = field(default_factory=dict)
    """What the world outside tells the run; clients cannot."""

    def __str__(self) -> str:
        return self.way.automation


def asked(way: Journey, requester: str, *signers: str, **signals: bool) -> Asked:
    """This way, asked for by somebody whose persona starts it, and approved by those who hold its roles."""
    people = tuple((Verdict.APPROVE, signer) for signer in signers)
    return Asked(replace(way, requester=requester, people=people), signals)


# What one requester asks for in a day is added up: no two of them ask for money.
TABLE = (
    asked(WAYS["a large credit is signed"], "rita", "fiona"),
    asked(_LATE_ORDERS, "rita", "sam"),
    asked(WAYS["a guest leaves"], "rita"),
    asked(WAYS["what was promised is credited, by a refund inside"], "sam"),
    asked(WAYS["whoever joins has begun"], "petra", "carla", "carla"),
    asked(WAYS["a deployment is signed"], "dora", "carla", "mira"),
    asked(WAYS["a contact is entered"], "rita"),
    asked(WAYS["a guest arrives"], "rita"),
    asked(WAYS["a guest has towels brought"], "rita"),
    asked(WAYS["what is urgent closes the room"], "rita"),
    asked(_RUTH_STAYS, "mira", "fiona"),
    asked(_GOODS_COME_BACK, "dora", "fiona", arrived=True),
)


@dataclass(frozen=True)
class Served:
    """A company whose automations are served to clients over HTTP."""

    company: Company
    url: str
    issuer: TokenIssuer

    async def problems_of(self, asked: Asked, clients: Clients) -> list[str]:
        """What is not as it should be once clients have gone this way."""
        way, data = asked.way, self.company.data
        request = dict(way.request)
        if way.after is not None:
            await _ends(clients, way, await _starts(clients, way, way.after.automation, way.after.request))
            request["payment_intent_id"] = self.company.payment_of(way.after.request["booking_number"])
        for kind in way.stored:
            Archive(data).store(request["employee_id"], kind, f"{kind}.pdf", f"my {kind}".encode())
        before = rows_in(data)
        run = await _starts(clients, way, way.automation, request)
        signed = set[tuple[str, str]]()
        for _, person in way.people:
            asked_of_them = await _request_for(person, clients, way, run, signed)
            await self._approves(person, clients, asked_of_them)
            signed.add((person, asked_of_them))
        for signal, value in asked.signals.items():
            await (await self.company.run(run)).handle.signal(signal, value)
        ended = await _ends(clients, way, run)
        problems = [] if ended["state"] == way.ending else [f"{run} ended as {ended['state']}, not as {way.ending}"]
        return [*problems, *differences(before, rows_in(data), way.effects)]

    async def _approves(self, person: str, clients: Clients, request: str) -> None:
        """Somebody signs with their own key, and hands that over by their client."""
        statement = await self.company.signed_by(person, request)
        answer = await clients.call(person, "approve", {"request": request, "statement": statement})
        assert answer["decided"], answer


async def _request_for(person: str, clients: Clients, way: Journey, run: str, signed: set[tuple[str, str]]) -> str:
    """What this run asks somebody, once their client is told of it; without what they have signed."""
    await clients.call(way.requester, "wait_for_run", {"run": run, "seconds": WAIT_SECONDS})
    found: list[str] = []

    async def listed() -> bool:
        answer = await clients.call(person, "pending_approvals", {"automation": way.automation})
        requests = [question["request"] for question in answer["requests"]]
        found.extend(each for each in requests if each.startswith(f"{run}#") and (person, each) not in signed)
        return bool(found)

    await until(listed, f"{run} waits for {person}")
    return found[0]


async def _starts(clients: Clients, way: Journey, automation: str, request: Mapping[str, Any]) -> str:
    """Once it is started, and asking again has attached to it; the run."""
    first, again = [await clients.call(way.requester, automation, request) for _ in range(2)]
    assert (first["attached"], again["attached"], again["run"]) == (False, True, first["run"]), again
    return str(first["run"])


async def _ends(clients: Clients, way: Journey, run: str) -> dict[str, Any]:
    """Its handle once it has ended."""
    asked = {"run": run, "seconds": WAIT_SECONDS, "for_people": True}
    for _ in range(WAITS):
        handle = await clients.call(way.requester, "wait_for_run", asked)
        if handle["final"]:
            return handle
    raise AssertionError(f"{run} is stuck: {handle}")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """A company in force, its personas those of the demo's skills file."""
    issuer = TokenIssuer(STAFF)
    issuer.publish(folder / "staff.json")
    skills = folder / "skills.toml"
    skills.write_text(SKILLS + (REPOSITORY / "demo" / "skills.toml").read_text())
    async with a_company(folder, OUTSIDE) as company:
        options = ("--skills", str(skills), "--service", SERVICE, "--address", company.dev.facts().temporal_address)
        async with http_endpoint(folder, *options, environment=company.dev.environment()) as url:
            yield Served(company, url, issuer)

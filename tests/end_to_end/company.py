"""A company in production mode: people with keys, who put roster, rules and tools in force by the CLI's commands."""

import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from contracts.runs import Ending
from contracts.wire import DATA_CONVERTER
from tests.end_to_end.development import Dev
from tests.end_to_end.processes import output_of, until
from tests.end_to_end.runs import Run
from tests.end_to_end.setup import receive_complaints
from workers.embedded.folder import Folder

PEOPLE = {
    "anna": ("roster_admin",),
    "ben": ("roster_admin",),
    "olga": ("operator",),
    "fiona": ("finance_manager",),
    "dora": ("finance_director", "data_steward"),
    "sam": ("support_lead",),
    "mira": ("duty_manager", "service_owner"),
    "petra": ("hr_manager", "security_officer"),
    "carla": ("change_manager", "line_manager"),
    "rita": ("support_agent",),
}
"""Who holds which roles; rules ask for each of them, and are not put in force while nobody does."""
SERVICE = "front-desk"
"""Signs starts in the name of MCP clients' callers."""
WHY = ("--reason", "as the company does it")


@dataclass
class Company:
    """One `interlock dev --mode production`, and the people beside it."""

    dev: Dev

    @classmethod
    def within(cls, folder: Path, automations: Path | None = None) -> "Company":
        """A folder for it, with complaints and a passphrase that nobody types; `automations` are those from outside."""
        passphrase = folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("correct horse battery staple\n")
        receive_complaints(Folder.within(folder).demo_data, wanted="60.00")
        named = {
            "INTERLOCK_KEYS": folder / "keys",
            "INTERLOCK_ROSTER": folder / "approvers.toml",
            "INTERLOCK_PASSPHRASE_FILE": passphrase,
        }
        everywhere = {"INTERLOCK_AUTOMATIONS": str(automations)} if automations else {}
        return cls(Dev(folder, "production", {name: str(path) for name, path in named.items()}, everywhere))

    @property
    def data(self) -> Path:
        """Where the demo's servers have their books."""
        return self.dev.facts().folder / "demo"

    async def enrol(self) -> None:
        """Everybody makes a key."""
        for subject, roles in PEOPLE.items():
            held = (argument for role in roles for argument in ("--role", role))
            await self.dev.interlock("approvers", "enrol", subject, *held)
        await self.dev.interlock("approvers", "enrol", SERVICE, "--service")

    async def apply(self) -> None:
        """Two roster admins put the roster in force."""
        for admin in ("anna", "ben"):
            await self.dev.interlock("approvers", "apply", "--as", admin, *WHY)

    async def activate(self) -> None:
        """The operator puts the rules in force."""
        await self.dev.interlock("policy", "activate", "--as", "olga", *WHY)

    async def pin(self, *servers: str) -> None:
        """The operator accepts the tools of these servers, or of all."""
        await self.dev.interlock("tools", "pin", *(servers or ("--all",)), "--as", "olga", *WHY)

    async def asks_for(self, order_id: str) -> Run:
        """Rita starts a refund."""
        started = ("runs", "start", "refund", "--set", f"order_id={order_id}", "--as", "rita", "--json")
        return await self.run(json.loads(await self.dev.interlock(*started))["run"])

    async def client(self) -> Client:
        """What anybody has who may write to the namespace."""
        return await Client.connect(self.dev.facts().temporal_address, data_converter=DATA_CONVERTER)

    async def run(self, run_id: str) -> Run:
        """A run as anybody sees it."""
        handle = (await self.client()).get_workflow_handle(run_id, result_type=Ending)
        return Run(handle, self.dev.facts().namespace, self.dev.facts().deployment)

    async def signed(self, run: Run) -> str:
        """Fiona's approval of the run's first request, as the CLI prints it for others to send."""
        return await self.signed_by("fiona", f"{run.id}#1")

    async def signed_by(self, person: str, request: str) -> str:
        """Somebody's approval of a request."""
        return await self.dev.interlock("approvals", "sign", request, "--verdict", "approve", "--print", "--as", person)

    async def credits_of(self, run: Run) -> int:
        """How many credits the payments server itself has given for the order of a refund."""
        asked = ("--data", str(self.data), "--count-credits", run.id.removeprefix("refund/"))
        return int(await output_of(sys.executable, "-m", "demo.mcp_servers.payments", *asked))

    def payment_of(self, booking: str) -> str:
        """The number of the payment for a stay, from the provider's own books."""
        with closing(sqlite3.connect(f"file:{self.data / 'payments.db'}?mode=ro", uri=True)) as connection:
            query = "SELECT max(number) FROM authorisations WHERE booking_number = ?"
            return f"AU-{1000 + connection.execute(query, (booking,)).fetchone()[0]}"

    async def waits(self, run: Run, person: str = "fiona") -> None:
        """Once somebody can decide the first request of the run."""

        async def listed() -> bool:
            return f"{run.id}#1" in await self.dev.interlock("approvals", "list", "--as", person, "--json")

        await run.asked()
        await until(listed, f"{run.id} waits for {person}")


@asynccontextmanager
async def a_company(folder: Path, automations: Path | None = None) -> AsyncIterator[Company]:
    """One in which roster, rules and tools are in force."""
    company = Company.within(folder, automations)
    try:
        await company.dev.start()
        await company.enrol()
        await company.apply()
        await company.activate()
        await company.pin()
        yield company
    finally:
        await company.dev.end()

"""Contact: a person is entered in the CRM, or what is known of them is brought up to date, once and read back."""

from enum import StrEnum
from typing import ClassVar, Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import Field

    from contracts.model import Model
    from contracts.runs import Case, Ending
    from contracts.tools import Scalar
    from workflows.books import Arguments, confirm, do, this_run
    from workflows.hotel import NUMBER, EmailAddress, listed
    from workflows.machine.automation import Automation
    from workflows.machine.definition import Machine
    from workflows.machine.failing import UndoAll
    from workflows.steps import read_facts

CONTENT = ("first_name", "last_name", "phone", "contact_type", "account_id")


class UpsertContactRequest(Model):
    """How the contact is to be. A phone or an account that is not given stays as it is."""

    business_key: ClassVar[tuple[str, ...]] = ("contact",)

    email: EmailAddress
    first_name: str = Field(min_length=1, max_length=80)
    last_name: str = Field(min_length=1, max_length=80)
    phone: str | None = Field(default=None, pattern=r"^\+[1-9][0-9]{6,14}$")
    """In international form, such as +4930123456."""
    contact_type: Literal["guest", "corporate", "travel_agent", "supplier"]
    account_id: str | None = Field(default=None, pattern=NUMBER)
    """The company of a corporate contact, or of a travel agent."""

    @property
    def contact(self) -> str:
        """What identifies the case: who, and how they are to be (docs/decisions/0043)."""
        return "\n".join([self.email.casefold(), *(str(getattr(self, name) or "") for name in CONTENT)])

    @property
    def given(self) -> dict[str, Scalar]:
        """What of the contact is to be so."""
        wanted = {name: getattr(self, name) for name in CONTENT}
        return {name: value for name, value in wanted.items() if value is not None}


class Known(Model):
    """What the CRM says of the contact and the account, before anything is done."""

    contacts: Scalar = None
    contact_id: Scalar = None
    first_name: Scalar = None
    last_name: Scalar = None
    phone: Scalar = None
    contact_type: Scalar = None
    account_id: Scalar = None
    account_status: Scalar = None
    """Of the account that was asked for."""


class UpsertContactCase(Case):
    """A contact's whole state."""

    request: UpsertContactRequest
    found: Known = Known()

    @property
    def contact(self) -> Arguments:
        """The contact, as the CRM knows people."""
        return {"email": self.request.email}

    @property
    def is_new(self) -> bool:
        """The CRM knows nobody of this address."""
        return self.found.contacts == 0

    @property
    def differs(self) -> bool:
        """Something has to be written."""
        return self.is_new or any(getattr(self.found, name) != value for name, value in self.request.given.items())

    @property
    def problem(self) -> str:
        """Why the contact cannot be so; empty when it can."""
        asked, found = self.request, self.found
        account = asked.account_id or found.account_id
        business = asked.contact_type in ("corporate", "travel_agent")
        moves = found.account_id is not None and account != found.account_id
        status = found.account_status
        return listed(
            {
                f"a contact of type {asked.contact_type} belongs to an account; give account_id": business
                and account is None,
                f"the contact belongs to account {found.account_id}; have sales move it first": moves,
                f"there is no account {asked.account_id}": asked.account_id is not None and status is None,
                f"account {asked.account_id} is {status}": status not in (None, "active"),
            }
        )


class State(StrEnum):
    """Where it can be."""

    READING = "reading"
    WRITING = "writing"
    VERIFYING = "verifying"

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"  # the contact was so already; nothing was written
    REFUSED = "refused"  # the contact cannot be so; nothing was written
    DECLINED = "declined"  # the CRM or policy said no; nothing is left of it


CONTACT = Machine(
    State,
    initial=State.READING,
    final=(State.CREATED, State.UPDATED, State.UNCHANGED, State.REFUSED, State.DECLINED),
    good=(State.CREATED, State.UPDATED, State.UNCHANGED),
)

CONTACT_FACTS = {"contacts": "/count", "contact_id": "/contacts/0/contact_id"} | {
    name: f"/contacts/0/{name}" for name in CONTENT
}
ACCOUNT_FACTS = {"account_status": "/accounts/0/status"}


@workflow.defn(name="upsert_contact")
class UpsertContactWorkflow(Automation[UpsertContactCase]):
    """One contact, as it is to be."""

    machine = CONTACT
    name = "upsert_contact"
    owner_role = "duty_manager"

    @workflow.init
    def __init__(self, case: UpsertContactCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: UpsertContactCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    @CONTACT.state(State.READING)
    async def read(self) -> Literal[State.WRITING, State.UNCHANGED, State.REFUSED]:
        """Look the contact and the account up; what is so already is not written again."""
        self.note(found=await self._find_known())
        if problem := self.case.problem:
            self.note(reason=problem)
            return State.REFUSED
        if not self.case.differs:
            self.note(reason=f"contact {self.case.found.contact_id} was so already")
            return State.UNCHANGED
        return State.WRITING

    @CONTACT.state(State.WRITING, fails=UndoAll(to=State.DECLINED))
    async def write(self) -> Literal[State.VERIFYING]:
        """The CRM makes the contact, or changes it."""
        contact, given = self.case.contact, self.case.request.given
        await do(self, "the change", "crm", "upsert_contact", contact, undo="restore_contact", **given)
        return State.VERIFYING

    @CONTACT.state(State.VERIFYING)
    async def verify(self) -> Literal[State.CREATED, State.UPDATED]:
        """Read the contact back: as it was asked for, by this run."""
        given = self.case.request.given | {"changed_by": this_run()}
        expected = {f"/contacts/0/{name}": value for name, value in given.items()}
        known_as = await confirm(self, "crm", "find_contact", self.case.contact, expected, "/contacts/0/contact_id")
        self.note(reason=f"contact {known_as} is as it was asked for")
        return State.CREATED if self.case.is_new else State.UPDATED

    # The words of this business.

    def summary(self) -> str:
        """One line for the Web UI; it names nobody."""
        return f"Contact of type {self.case.request.contact_type}"

    def facts(self) -> dict[str, str]:
        """What people should see."""
        asked, found = self.case.request, self.case.found
        shown = {"contact": f"{asked.first_name} {asked.last_name}", "account": str(asked.account_id or "none named")}
        return shown | ({"known as": str(found.contact_id or "nobody yet")} if found.contacts is not None else {})

    async def _find_known(self) -> Known:
        known = (await read_facts(self, "crm", "find_contact", self.case.contact, CONTACT_FACTS)).facts
        account: dict[str, Scalar] = {}
        if number := self.case.request.account_id:
            named: Arguments = {"account_id": number}
            account = (await read_facts(self, "crm", "find_account", named, ACCOUNT_FACTS)).facts
        return Known(**known, **account)


CONTACT.check()

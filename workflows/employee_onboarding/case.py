"""What an onboarding is asked, finds and remembers, and the words made from it."""

from enum import StrEnum
from typing import ClassVar, Literal, get_args

from pydantic import Field, field_validator

from contracts.decisions import Decision, DisplayLine
from contracts.deliveries import Delivery, DeliveryCase
from contracts.facts import Facts
from contracts.model import Model, Moment
from contracts.policy import Ruling, RulingEffect
from contracts.tools import Scalar, ToolCall
from contracts.working_time import CALENDAR
from workflows.books import Arguments


class PaperKind(StrEnum):
    """What somebody hands in."""

    CONTRACT = "contract"
    IDENTITY = "identity"
    TAX_FORM = "tax_form"
    BANK_DETAILS = "bank_details"
    WITHDRAWAL = "withdrawal"
    """The letter of somebody who will not come after all; nobody asks for it."""


WANTED = (PaperKind.CONTRACT, PaperKind.IDENTITY, PaperKind.TAX_FORM, PaperKind.BANK_DETAILS)


System = Literal["mail", "payroll", "source_code", "production"]
"""Where accounts are. Written out, not an enum: rules name it."""
SYSTEMS: tuple[System, ...] = get_args(System)
"""In the order they are created: all the others have the name of the mail account."""


class EmployeeOnboardingRequest(Model):
    """What human resources give: who joins, and what they are to have. All else stands in the records."""

    business_key: ClassVar[tuple[str, ...]] = ("employee_id",)

    employee_id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,39}$")
    accounts: tuple[System, ...] = Field(default=("mail", "payroll"), min_length=1, max_length=len(SYSTEMS))
    calendar: str = Field(default="office", pattern=CALENDAR)
    """Of calendars.toml: when the people of this office work."""

    @field_validator("accounts")
    @classmethod
    def _named_once(cls, accounts: tuple[System, ...]) -> tuple[System, ...]:
        twice = [system for system in SYSTEMS if accounts.count(system) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is named more than once; name each account once")
        return accounts


class Person(Facts):
    """What the records say of somebody; read again after every wait for people."""

    full_name: Scalar = None
    job_title: Scalar = None
    department: Scalar = None
    line_manager: Scalar = None
    first_day: Scalar = None


class Paper(Model):
    """A paper that stands in the records."""

    kind: PaperKind
    reference: str
    digest: str


class Account(Model):
    """An account as policy saw it and people sign for it; created exactly so."""

    system: System
    call: ToolCall
    ruling: Ruling
    created: bool = False

    @property
    def title(self) -> str:
        """Its system, in words."""
        return self.system.replace("_", " ")

    def signed(self, evidence: tuple[Decision, ...]) -> "Account":
        """With these signatures, or with none."""
        return self.model_copy(update={"call": self.call.model_copy(update={"evidence": evidence})})

    @property
    def unsigned(self) -> bool:
        """People must sign for it, and have not."""
        asks = self.ruling.effect is RulingEffect.NEEDS_APPROVAL
        return asks and not self.created and not self.call.evidence


class EmployeeOnboardingCase(DeliveryCase):
    """An onboarding's whole state."""

    request: EmployeeOnboardingRequest
    person: Person = Person()
    papers: tuple[Paper, ...] = ()
    looks: int = 0
    """How often the records were looked into: each look is asked anew."""
    letters: int = 0
    """How many letters have asked for papers, in all."""
    asked: int = 0
    """How many of them since people last chose how to go on; all but the first are reminders."""
    ask_at: Moment | None = None
    """When the next letter is due, should something still be missing; None: at once."""
    ordered: tuple[str, ...] = ()
    """The kinds of tickets that were opened; a later version may open others."""
    accounts: tuple[Account, ...] = ()
    asked_again: str = ""
    """Why people are asked to sign once more."""
    closing: Literal["", "withdrawn", "rejected", "declined"] = ""
    """How it ends once everything is undone."""

    @property
    def employee(self) -> Arguments:
        """Whom it is about, as every system names them."""
        return {"employee_id": self.request.employee_id}

    @property
    def systems(self) -> tuple[System, ...]:
        """The accounts that were asked for, in the order they are created."""
        return tuple(system for system in SYSTEMS if system in self.request.accounts)

    @property
    def missing(self) -> tuple[PaperKind, ...]:
        """The papers that do not stand in the records, as far as the run knows."""
        return tuple(kind for kind in WANTED if self.paper(kind) is None)

    @property
    def words_of_missing(self) -> str:
        """The same for people."""
        return ", ".join(kind.value.replace("_", " ") for kind in self.missing) or "nothing"

    @property
    def words_of_papers(self) -> str:
        """What stands, and where."""
        return ", ".join(f"{each.kind.value.replace('_', ' ')} {each.reference}" for each in self.papers) or "none"

    @property
    def withdrawn(self) -> bool:
        """The one who was to join has said that they will not."""
        return self.paper(PaperKind.WITHDRAWAL) is not None

    def paper(self, kind: str) -> Paper | None:
        """The paper of this kind that stands."""
        return next((each for each in self.papers if each.kind == kind), None)

    def papers_with(self, paper: Paper) -> tuple[Paper, ...]:
        """All of them with this one; of a kind there is one."""
        return (*(each for each in self.papers if each.kind is not paper.kind), paper)

    @property
    def unsigned(self) -> tuple[Account, ...]:
        """The accounts that people have still to sign for."""
        return tuple(account for account in self.accounts if account.unsigned)

    def account(self, system: System) -> Account | None:
        """The account in this system, once policy has ruled on it."""
        return next((each for each in self.accounts if each.system == system), None)

    def accounts_with(self, account: Account) -> tuple[Account, ...]:
        """All of them with this one, in the order they are created."""
        known = {each.system: each for each in self.accounts} | {account.system: account}
        return tuple(known[system] for system in SYSTEMS if system in known)

    def account_arguments(self, system: System) -> Arguments:
        """What `identity.create_account` is told beside whom it is for."""
        bank_details = self.paper(PaperKind.BANK_DETAILS) if system == "payroll" else None
        stands = bank_details.reference if bank_details else ""
        return {"full_name": str(self.person.full_name), "system": system, "bank_details": stands}

    def question(self, account: Account) -> str:
        """What people are asked."""
        return f"Create the {account.title} account of {self.person.full_name}, {self.person.job_title}?"

    def context(self) -> tuple[DisplayLine, ...]:
        """What people are shown beside the action itself."""
        person = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.person.model_dump().items())
        again = (DisplayLine(label="asked again because", text=self.asked_again),) if self.asked_again else ()
        return (
            *again,
            DisplayLine(label="the person", text=person),
            DisplayLine(label="accounts in all", text=", ".join(self.systems)),
            DisplayLine(label="cost of waiting", text=f"nobody can work without it on {self.person.first_day}"),
            DisplayLine(label="approving also permits", text="identity.disable_accounts, should they not come"),
        )


def problem_with(delivery: Delivery, kind: Scalar, digest: Scalar, replaced_by: Scalar) -> str:
    """How what stands in the records differs from what a delivery says; empty when it does not."""
    if kind != delivery.kind:
        return f"{delivery.reference} is a {kind}, not a {delivery.kind}; deliver it as what it is"
    if digest != delivery.digest:
        told, stands = delivery.digest[:19], str(digest)[:19]
        return f"{delivery.reference} has the digest {stands}... in the records, not {told}...; store the paper anew"
    if replaced_by is not None:
        return f"{delivery.reference} was replaced by {replaced_by}; deliver that one"
    return ""

"""What the personnel records answer with."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class PaperKind(StrEnum):
    CONTRACT = "contract"
    IDENTITY = "identity"
    TAX_FORM = "tax_form"
    BANK_DETAILS = "bank_details"
    WITHDRAWAL = "withdrawal"


class Person(Record):
    employee_id: str
    full_name: str
    job_title: str
    department: str
    line_manager: str
    first_day: date


class Paper(Record):
    reference: str = Field(description="such as DOC-1001")
    employee_id: str
    kind: PaperKind
    digest: str = Field(description="sha256 of the content")
    file_name: str
    size_bytes: int
    stored_at: datetime
    replaced_by: str | None = Field(description="the paper of the same kind that was handed in later, or null")


class Standing(Record):
    reference: str
    digest: str


class Papers(Record):
    employee_id: str
    contract: Standing | None
    identity: Standing | None
    tax_form: Standing | None
    bank_details: Standing | None
    withdrawal: Standing | None = Field(description="the letter by which somebody says that they will not come")


class Letter(Record):
    letter_id: str
    employee_id: str
    kinds: list[PaperKind] = Field(description="the papers that it asks for")
    reference: str
    sent_at: datetime


class Letters(Record):
    employee_id: str
    count: int
    letters: list[Letter] = Field(description="the oldest first")

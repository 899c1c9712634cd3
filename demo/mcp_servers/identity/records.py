"""What the directory answers with."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from demo.mcp_servers.record import Record


class System(StrEnum):
    MAIL = "mail"
    PAYROLL = "payroll"
    SOURCE_CODE = "source_code"
    PRODUCTION = "production"


class AccountStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class Account(Record):
    account_id: str
    employee_id: str
    system: System
    name: str = Field(description="unique in its system, for good")
    reference: str
    status: AccountStatus
    bank_details: str = Field(description="of a payroll account: where the bank details stand in the records")
    created_at: datetime


class Accounts(Record):
    employee_id: str
    active_count: int
    accounts: list[Account] = Field(description="the oldest first")


class Disabling(Record):
    employee_id: str
    reference: str
    disabled_count: int = Field(description="0 when none was active")

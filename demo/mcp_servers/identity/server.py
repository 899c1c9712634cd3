"""The directory's tools."""

from typing import Annotated, Literal

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.identity.directory import Directory
from demo.mcp_servers.identity.records import Account, Accounts, Disabling, System
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    EmployeeId,
    IdempotencyKey,
    Reference,
    saying_why,
)

AnyReference = Annotated[str, Field(max_length=200, description="only accounts of this reference; empty for any")]
FullName = Annotated[str, Field(min_length=1, max_length=200, description="the account's name is made from it")]
# Written out, not referred to: rules name it.
SystemName = Annotated[
    Literal["mail", "payroll", "source_code", "production"], Field(description="mail first, then the others")
]
BankDetails = Annotated[
    str, Field(max_length=40, description="of payroll: where they stand in the personnel records; empty for the others")
]


def build_server(directory: Directory) -> MCPServer:
    """The directory over the given accounts."""
    instructions = "Accounts of the people who work here."
    server = MCPServer("identity", version="1.0", instructions=instructions, log_level="WARNING")

    @server.tool(annotations=READ)
    def accounts_of(employee_id: EmployeeId, reference: AnyReference = "") -> Accounts:
        """List a person's accounts, active and disabled."""
        return directory.accounts_of(employee_id, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def create_account(
        employee_id: EmployeeId,
        full_name: FullName,
        system: SystemName,
        bank_details: BankDetails,
        reference: Reference,
        idempotency_key: IdempotencyKey,
    ) -> Account:
        """Create an account: mail first, payroll only with bank details. A repeated key gives the same account."""
        with saying_why():
            return directory.create(employee_id, full_name, System(system), bank_details, reference, idempotency_key)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def disable_accounts(employee_id: EmployeeId, reference: Reference) -> Disabling:
        """Disable a person's accounts of this reference. Succeeds when there is none; their names stay taken."""
        with saying_why():
            return directory.disable(employee_id, reference)

    return server

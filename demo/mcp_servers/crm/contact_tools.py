"""The customer file's tools about contacts and their accounts."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.crm.contacts import ContactFile
from demo.mcp_servers.crm.records import Accounts, Contact, Contacts, ContactType
from demo.mcp_servers.tools import IDEMPOTENT_ADDITION, IDEMPOTENT_REMOVAL, READ, Reference, saying_why

Email = Annotated[str, Field(min_length=3, max_length=254, description="The contact's e-mail address")]
Name = Annotated[str, Field(min_length=1, max_length=80)]
AccountId = Annotated[str, Field(min_length=1, max_length=40, description="Account number, such as AC-100")]
KeptPhone = Annotated[str, Field(max_length=20, description="in international form; empty leaves what is there")]
KeptAccount = Annotated[str, Field(max_length=40, description="account number; empty leaves what is there")]


def add_contacts(server: MCPServer, contacts: ContactFile) -> None:
    """What can be asked and changed about contacts."""

    @server.tool(annotations=READ)
    def find_contact(email: Email) -> Contacts:
        """Look up the contact with this e-mail address, if there is one."""
        return contacts.contacts(email)

    @server.tool(annotations=READ)
    def find_account(account_id: AccountId) -> Accounts:
        """Look up a company that contacts belong to, if there is one of this number."""
        return contacts.accounts(account_id)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def upsert_contact(
        email: Email,
        first_name: Name,
        last_name: Name,
        contact_type: ContactType,
        reference: Reference,
        phone: KeptPhone = "",
        account_id: KeptAccount = "",
    ) -> Contact:
        """Make a contact, or change the one with this e-mail address. Repeating it changes nothing."""
        names = {"first_name": first_name, "last_name": last_name}
        wanted = names | {"contact_type": contact_type.value, "phone": phone, "account_id": account_id}
        with saying_why():
            return contacts.upsert(email, wanted, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def restore_contact(email: Email, reference: Reference) -> Contacts:
        """Take back the last change of a contact if it was made under this reference. Succeeds when it was not."""
        with saying_why():
            return contacts.restore(email, reference)

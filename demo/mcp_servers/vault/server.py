"""The vault's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.tools import IDEMPOTENT_ADDITION, IDEMPOTENT_REMOVAL, READ, Reference, saying_why
from demo.mcp_servers.vault.records import Credential, Credentials
from demo.mcp_servers.vault.strongroom import Strongroom

CredentialName = Annotated[str, Field(min_length=1, max_length=60, description="such as payments-gateway-key")]
ConsumerName = Annotated[str, Field(min_length=1, max_length=60, description="a service that uses it")]
VersionNumber = Annotated[int, Field(strict=True, ge=1, le=100_000, description="of the credential, such as 7")]


def build_server(strongroom: Strongroom) -> MCPServer:
    """The vault over the given strongroom."""
    server = MCPServer("vault", version="1.0", instructions="Credentials and their versions.", log_level="WARNING")
    _add_reads(server, strongroom)
    _add_switching(server, strongroom)
    _add_revoking(server, strongroom)
    return server


def _add_reads(server: MCPServer, strongroom: Strongroom) -> None:
    @server.tool(annotations=READ)
    def find_credential(credential: CredentialName) -> Credentials:
        """Look at a credential: its versions, and which consumer uses which. Secrets are never shown."""
        return strongroom.find(credential)


def _add_switching(server: MCPServer, strongroom: Strongroom) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def issue_version(credential: CredentialName, reference: Reference) -> Credential:
        """Issue a new version beside the current one; both are valid. Repeating it changes nothing."""
        with saying_why():
            return strongroom.issue(credential, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def switch_consumer(credential: CredentialName, consumer: ConsumerName, reference: Reference) -> Credential:
        """Have one consumer use the pending version. Repeating it changes nothing."""
        with saying_why():
            return strongroom.switch(credential, consumer, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def switch_back(credential: CredentialName, reference: Reference) -> Credential:
        """Have every consumer use the current version again. Succeeds when none was switched under this reference."""
        with saying_why():
            return strongroom.switch_back(credential, reference)


def _add_revoking(server: MCPServer, strongroom: Strongroom) -> None:
    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def withdraw_version(credential: CredentialName, reference: Reference) -> Credential:
        """Take back the pending version of this reference. Succeeds when there is none."""
        with saying_why():
            return strongroom.withdraw(credential, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def revoke_version(credential: CredentialName, version: VersionNumber, reference: Reference) -> Credential:
        """Revoke the current version; the pending one takes its place. Nothing takes it back."""
        with saying_why():
            return strongroom.revoke(credential, version, reference)

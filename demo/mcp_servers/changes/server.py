"""The change register's tools."""

from typing import Annotated, Literal

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.changes.records import Change, ChangeKind, Changes, Step
from demo.mcp_servers.changes.register import ChangeRegister
from demo.mcp_servers.tools import IDEMPOTENT_ADDITION, IDEMPOTENT_REMOVAL, READ, Reference, saying_why

ChangeId = Annotated[str, Field(min_length=1, max_length=40, description="such as CHG-2041")]
Kind = Annotated[Literal["deployment", "credential_rotation", "data_deletion"], Field(description="what is changed")]
Subject = Annotated[str, Field(min_length=1, max_length=60, description="the service, credential or dataset")]


def build_server(register: ChangeRegister) -> MCPServer:
    """The change register over the given register."""
    server = MCPServer("changes", version="1.0", instructions="Changes to production.", log_level="WARNING")

    @server.tool(annotations=READ)
    def changes_of(subject: Subject) -> Changes:
        """List the changes of a service, a credential or a dataset, and how many of them are open."""
        return register.of_subject(subject)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def open_change(
        change_id: ChangeId,
        kind: Kind,
        subject: Subject,
        summary: Annotated[str, Field(min_length=1, max_length=400)],
        plan_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="over the steps as JSON")],
        steps: Annotated[list[Step], Field(min_length=1, max_length=20, description="what will be done, in order")],
        reference: Reference,
    ) -> Change:
        """Write down a change and its plan, before anything is done. A subject has one open change at a time."""
        with saying_why():
            return register.open(change_id, ChangeKind(kind), subject, summary, plan_digest, steps, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def close_change(change_id: ChangeId, reference: Reference) -> Change:
        """Say that a change is done and was checked. Repeating it under the same reference changes nothing."""
        with saying_why():
            return register.close(change_id, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def withdraw_change(change_id: ChangeId, reference: Reference) -> Changes:
        """Say that a change under this reference is not done, or was taken back. Succeeds when there is none."""
        with saying_why():
            return register.withdraw(change_id, reference)

    return server

"""The tools of the personnel records. No paper is ever handed out: only where it stands, and its digest."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.people_records.archive import Archive
from demo.mcp_servers.people_records.records import Letter, Letters, Paper, PaperKind, Papers, Person
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    READ,
    EmployeeId,
    IdempotencyKey,
    Reference,
    saying_why,
)

PaperReference = Annotated[str, Field(min_length=1, max_length=100, description="such as DOC-1001")]
Kinds = Annotated[list[PaperKind], Field(min_length=1, max_length=5, description="what is missing")]


def build_server(archive: Archive) -> MCPServer:
    """The personnel records over the given archive."""
    instructions = "Who is to join the company, and the papers they have handed in."
    server = MCPServer("people_records", version="1.0", instructions=instructions, log_level="WARNING")

    @server.tool(annotations=READ)
    def find_person(employee_id: EmployeeId) -> Person:
        """Look somebody up who is to join: job, department, line manager and first day."""
        with saying_why():
            return archive.find_person(employee_id)

    @server.tool(annotations=READ)
    def papers_of(employee_id: EmployeeId) -> Papers:
        """Say which papers of a person stand in the records: reference and digest, never the content."""
        with saying_why():
            return archive.papers_of(employee_id)

    @server.tool(annotations=READ)
    def find_paper(employee_id: EmployeeId, reference: PaperReference) -> Paper:
        """Look one paper of a person up by its reference: its kind, its digest, and whether it was replaced."""
        with saying_why():
            return archive.find_paper(employee_id, reference)

    @server.tool(annotations=READ)
    def letters_to(employee_id: EmployeeId) -> Letters:
        """List the letters by which a person was asked for papers."""
        with saying_why():
            return archive.letters_to(employee_id)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def ask_for_papers(
        employee_id: EmployeeId, kinds: Kinds, reference: Reference, idempotency_key: IdempotencyKey
    ) -> Letter:
        """Write to a person for papers that are missing. Refused for what stands; a repeated key is the same letter."""
        with saying_why():
            return archive.ask_for_papers(employee_id, kinds, reference, idempotency_key)

    return server

"""The compliance log's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.compliance.journal import Journal
from demo.mcp_servers.compliance.records import Entries, Entry
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    READ,
    REPEATABLE_ADDITION,
    BookingNumber,
    Cents,
    MadeBy,
    Reference,
)

EntryKey = Annotated[
    str, Field(min_length=1, max_length=255, description="Kept with the entry, so that it can be looked up; not a key")
]


def build_server(journal: Journal) -> MCPServer:
    """The compliance log over the given journal."""
    server = MCPServer("compliance", version="1.0", instructions="What was charged, for good.", log_level="WARNING")

    @server.tool(annotations=READ)
    def entries_of(booking_number: BookingNumber, reference: Reference) -> Entries:
        """Read every entry about a booking under this reference, and what of it stands."""
        return journal.entries(booking_number, reference)

    @server.tool(annotations=REPEATABLE_ADDITION)
    def record_checkout(
        booking_number: BookingNumber, cents: Cents, reference: Reference, entry_key: EntryKey
    ) -> Entry:
        """Write that a guest was charged at departure. Every call writes one more entry, repeated or not."""
        return journal.record_checkout(booking_number, cents, reference, entry_key)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def record_reversal(booking_number: BookingNumber, reference: Reference, entry_key: EntryKey) -> Entries:
        """Write that the charge under this reference was reversed. Succeeds when none stands, and writes nothing."""
        return journal.record_reversal(booking_number, reference, entry_key)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def correct_checkout(booking_number: BookingNumber, made_by: MadeBy, entry_key: EntryKey) -> Entries:
        """Write that the charge of somebody else was reversed. Succeeds when none stands, and writes nothing."""
        return journal.record_reversal(booking_number, made_by, entry_key)

    return server

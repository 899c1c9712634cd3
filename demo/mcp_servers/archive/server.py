"""The archive's tools."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.archive.records import Dataset, Datasets, Sample
from demo.mcp_servers.archive.stacks import Stacks
from demo.mcp_servers.tools import (
    IDEMPOTENT_ADDITION,
    IDEMPOTENT_REMOVAL,
    READ,
    REPEATABLE_ADDITION,
    Reference,
    saying_why,
)

DatasetName = Annotated[str, Field(min_length=1, max_length=60, description="such as newsletter-2019")]
KeepHours = Annotated[int, Field(strict=True, ge=1, le=2160, description="so long it can still be restored")]
ContentDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="of what is to be purged")]
Hold = Annotated[str, Field(min_length=1, max_length=200, description="who forbids it, and why")]
RowCount = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


def build_server(stacks: Stacks) -> MCPServer:
    """The archive over the given stacks."""
    server = MCPServer("archive", version="1.0", instructions="Datasets, and their deletion.", log_level="WARNING")
    _add_reads(server, stacks)
    _add_keeping(server, stacks)
    _add_deleting(server, stacks)
    return server


def _add_reads(server: MCPServer, stacks: Stacks) -> None:
    @server.tool(annotations=READ)
    def find_dataset(dataset: DatasetName) -> Datasets:
        """Look at a dataset: what it is, when it was used last, whether it is held or marked. That is no use of it."""
        return stacks.find(dataset)


def _add_keeping(server: MCPServer, stacks: Stacks) -> None:
    @server.tool(annotations=REPEATABLE_ADDITION)
    def sample_rows(dataset: DatasetName) -> Sample:
        """Read a few rows of a dataset. That is a use of it, and is remembered as one."""
        with saying_why():
            return stacks.sample(dataset)

    @server.tool(annotations=REPEATABLE_ADDITION)
    def add_rows(dataset: DatasetName, row_count: RowCount) -> Dataset:
        """Take in a late delivery of rows, also into a dataset that is marked for deletion."""
        with saying_why():
            return stacks.add_rows(dataset, row_count)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def place_hold(dataset: DatasetName, hold: Hold) -> Dataset:
        """Forbid to delete a dataset, for legal reasons. The last word counts."""
        with saying_why():
            return stacks.hold(dataset, hold)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def lift_hold(dataset: DatasetName) -> Dataset:
        """Forbid it no longer."""
        with saying_why():
            return stacks.hold(dataset, None)


def _add_deleting(server: MCPServer, stacks: Stacks) -> None:
    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def mark_for_deletion(dataset: DatasetName, keep_hours: KeepHours, reference: Reference) -> Dataset:
        """Mark a dataset for deletion; it is kept so many hours. Not under a legal hold. Repeating changes nothing."""
        with saying_why():
            return stacks.mark(dataset, keep_hours, reference)

    @server.tool(annotations=IDEMPOTENT_ADDITION)
    def restore(dataset: DatasetName, reference: Reference) -> Dataset:
        """Take back a mark of this reference. Succeeds when there is none; not once the dataset is purged."""
        with saying_why():
            return stacks.restore(dataset, reference)

    @server.tool(annotations=IDEMPOTENT_REMOVAL)
    def purge(dataset: DatasetName, content_digest: ContentDigest, reference: Reference) -> Dataset:
        """Delete a marked dataset for good, once its time has come, if it is still what was looked at."""
        with saying_why():
            return stacks.purge(dataset, content_digest, reference)

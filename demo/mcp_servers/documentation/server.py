"""The documentation's tools: all of them read, and the database lets them do nothing else."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from demo.mcp_servers.documentation.library import Library
from demo.mcp_servers.documentation.records import Headings, Matches, Page
from demo.mcp_servers.tools import READ, saying_why

PageId = Annotated[str, Field(min_length=1, max_length=60, description="Name of a page, such as late-delivery")]


def build_server(library: Library) -> MCPServer:
    """The documentation over the given library."""
    server = MCPServer("documentation", version="1.0", instructions="The shop's own rules.", log_level="WARNING")

    @server.tool(annotations=READ)
    def search(
        text: Annotated[str, Field(min_length=1, max_length=4_000, description="in the words of whoever asks")],
        most: Annotated[int, Field(ge=1, le=10, description="so many pages at most")] = 5,
    ) -> Matches:
        """Find the pages that are about something, the best match first, with the place where it stands."""
        return library.search(text, most)

    @server.tool(annotations=READ)
    def list_pages(
        page_id: Annotated[str, Field(max_length=60, description="only this page; empty for all")] = "",
    ) -> Headings:
        """List the pages that are published, by section; none when there is no such page."""
        return library.headings(page_id)

    @server.tool(annotations=READ)
    def read_page(page_id: PageId) -> Page:
        """Read one page: the rule in full, and since when it is in force."""
        with saying_why():
            return library.page(page_id)

    return server

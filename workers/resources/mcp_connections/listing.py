"""What a server publishes: all pages of its tools, and whether it has resources."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mcp import Client, MCPError
from mcp.client.caching import CacheEntry, CacheKey
from mcp_types import METHOD_NOT_FOUND, ListToolsResult, PaginatedResult, Resource, ResourceTemplate, Tool

from activities.toolbox import Health, NotSent
from workers.resources.itself import refuse_itself
from workers.resources.mcp_connections import limits
from workers.resources.mcp_connections.published import Published, published

_DEFAULT_SECONDS = 60.0
_LONGEST_SECONDS = 3600.0

P = TypeVar("P", bound=PaginatedResult)


class Listing:
    """The tools of one server as last published."""

    def __init__(
        self, tools: dict[str, Tool], published: dict[str, Published], has_resources: bool, fresh_seconds: float
    ) -> None:
        """`tools` and `published` have the same names."""
        self.tools = tools
        self.published = published
        self.has_resources = has_resources
        self._stale_at = time.monotonic() + fresh_seconds

    @property
    def fresh(self) -> bool:
        """Whether the server's time to live has not passed."""
        return time.monotonic() < self._stale_at

    def expire(self) -> None:
        """The server said that its list has changed."""
        self._stale_at = 0.0


async def listed(server: str, client: Client) -> Listing:
    """Ask for everything. Raises IsItself, and NotSent when the server publishes more than can be taken."""
    refuse_itself(server, client)
    capabilities = client.server_capabilities
    pages: list[ListToolsResult] = []
    if capabilities.tools is not None:
        pages = await _pages(server, lambda cursor: client.list_tools(cursor=cursor, cache_mode="bypass"))
    tools = {tool.name: tool for page in pages for tool in page.tools}
    if len(tools) > limits.TOOLS:
        too_many = f"server {server!r} publishes {len(tools)} tools, more than {limits.TOOLS}; split it"
        raise NotSent(too_many, health=Health.HEALTHY)
    taken = {name: whole for name, tool in tools.items() if (whole := published(server, tool, client.instructions))}
    kept = {name: tools[name] for name in taken}
    return Listing(kept, taken, capabilities.resources is not None, _fresh_seconds(pages))


async def resources(server: str, client: Client) -> tuple[list[Resource], list[ResourceTemplate]]:
    """All resources and all templates."""
    found = await _pages(server, lambda cursor: client.list_resources(cursor=cursor, cache_mode="bypass"))
    return [resource for page in found for resource in page.resources], await _templates(server, client)


async def _templates(server: str, client: Client) -> list[ResourceTemplate]:
    try:
        pages = await _pages(server, lambda cursor: client.list_resource_templates(cursor=cursor, cache_mode="bypass"))
    except MCPError as error:
        if error.code == METHOD_NOT_FOUND:  # templates are optional even where there are resources
            return []
        raise
    return [template for page in pages for template in page.resource_templates]


async def _pages(server: str, page_at: Callable[[str | None], Awaitable[P]]) -> list[P]:
    pages = [await page_at(None)]
    while cursor := pages[-1].next_cursor:
        if len(pages) == limits.PAGES:
            endless = f"server {server!r} publishes a list of more than {limits.PAGES} pages; shorten it"
            raise NotSent(endless, health=Health.HEALTHY)
        pages.append(await page_at(cursor))
    return pages


def _fresh_seconds(pages: list[ListToolsResult]) -> float:
    """The shortest time to live of the pages. 0 is what SDKs send when nothing was said, so it counts as that."""
    said = [page.ttl_ms / 1000 for page in pages if page.ttl_ms > 0]
    return min([*said, _LONGEST_SECONDS]) if said else _DEFAULT_SECONDS


class OneTool:
    """A response cache for a client that makes one call: it serves the listing of that one tool, without asking.

    The SDK checks a result against the tool's published output schema, and would fetch the list for it each time.
    """

    def __init__(self, tool: Tool | None) -> None:
        self._listing = ListToolsResult(tools=[tool] if tool else [])

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """The listing; nothing else is cached."""
        if key.method != "tools/list":
            return None
        return CacheEntry(value=self._listing, scope="private", expires_at=float("inf"))

    async def set(self, key: CacheKey, entry: CacheEntry) -> None:
        """Kept nowhere: the client lives for one call."""

    async def delete(self, key: CacheKey) -> None:
        """Nothing to delete."""

    async def clear(self) -> None:
        """Nothing to clear."""

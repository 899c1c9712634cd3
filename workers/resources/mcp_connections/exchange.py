"""One call on its way to a server and back: the key where the tool wants it, one retry at most, one outcome."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from mcp import Client
from mcp_types import RequestParamsMeta
from pydantic import JsonValue

from activities.toolbox import Health, NotSent, OutcomeUnknown, ServerRefused
from contracts.tools import Delivered, EffectClass, ToolDefinition
from workers.resources.mcp_connections import limits, results
from workers.resources.mcp_connections.definitions import LIST_RESOURCES
from workers.resources.mcp_connections.failures import delivered_despite, not_reachable, worth_reopening
from workers.resources.mcp_connections.http_containment import CALL_HEADERS
from workers.resources.mcp_connections.isolation import Severed, isolated
from workers.resources.mcp_connections.listing import resources
from workers.resources.mcp_connections.ways import Way

_GRACE_SECONDS = 2.0
"""Past the tool's own timeout, for the SDK to report it."""

_LEAST_SECONDS = 0.05

Ask = Callable[[Client, float], Awaitable[Delivered]]
"""Asks an open client, which has that many seconds to answer."""


async def exchanged(
    way: Way, tool: ToolDefinition, arguments: dict[str, JsonValue], key: str, most: int = limits.ARGUMENT_BYTES
) -> Delivered:
    """Make the call, with at most so many bytes of arguments. Raises NotSent, ServerRefused, OutcomeUnknown."""
    what = f"{tool.server}.{tool.name}"
    ask = _asking(tool, arguments, key, most)
    deadline = asyncio.get_running_loop().time() + tool.timeout_seconds
    exchange = await _attempt(way, tool, ask, deadline)
    if exchange.failure and worth_reopening(exchange.failure) and await _reconsidered(way, exchange, deadline):
        # Refused before it was executed, and now there is another way.
        exchange = await _attempt(way, tool, ask, deadline)
    if exchange.answer is not None:
        return exchange.answer
    if exchange.failure is not None:
        return delivered_despite(exchange.failure, what)
    raise OutcomeUnknown(f"{what}: the connection ended during the call; nobody knows whether it happened")


class _Exchange:
    """One attempt, with what is known of it even when its connection comes apart around it."""

    def __init__(self) -> None:
        self.client: Client | None = None
        """Set from the moment on when bytes may leave."""
        self.answer: Delivered | None = None
        self.failure: Exception | None = None

    async def run(self, way: Way, tool: ToolDefinition, ask: Ask, deadline: float) -> None:
        began = asyncio.get_running_loop().time()
        async with way.client(tool.name) as client:
            _require_open(client)
            _require_in_time(tool, asyncio.get_running_loop().time() - began)
            self.client = client
            left = deadline - asyncio.get_running_loop().time()
            try:
                self.answer = await ask(client, max(left, _LEAST_SECONDS))
            except Exception as error:  # noqa: BLE001 - outside this block the SDK wraps it beyond recognition
                self.failure = _plain(error, client)


def _require_open(client: Client) -> None:
    """Raise RuntimeError when the client was closed underneath us: better now than after something was sent."""
    _ = client.session


def _require_in_time(tool: ToolDefinition, seconds: float) -> None:
    """Raise NotSent when an effect would leave too late: others have given it up, or have looked for it.

    The connection is open now, and trying again is free.
    """
    if tool.effect_class is not EffectClass.READ and seconds > tool.leaves_within_seconds:
        raise NotSent(f"it took {seconds:.0f} s until {tool.server} was open", health=Health.HEALTHY)


def _plain(error: Exception, client: Client) -> Exception:
    """The SDK says RuntimeError for a result that breaks its schema, and for a client that is closed."""
    if isinstance(error, RuntimeError):
        try:
            _require_open(client)
        except RuntimeError:
            return Severed()
    return error


async def _attempt(way: Way, tool: ToolDefinition, ask: Ask, deadline: float) -> _Exchange:
    exchange = _Exchange()
    left = deadline - asyncio.get_running_loop().time() + _GRACE_SECONDS
    try:
        await isolated(exchange.run(way, tool, ask, deadline), left)
    except Exception as error:  # noqa: BLE001 - whatever it was, what matters is whether anything was sent
        if exchange.client is None:
            not_reachable(tool.server, error)
    return exchange


async def _reconsidered(way: Way, exchange: _Exchange, deadline: float) -> bool:
    assert exchange.client
    left = deadline - asyncio.get_running_loop().time() + _GRACE_SECONDS
    try:
        return await isolated(way.reconsider(exchange.client), left)
    except (NotSent, Severed):
        return False


def _asking(tool: ToolDefinition, arguments: dict[str, JsonValue], key: str, most: int) -> Ask:
    if tool.kind == "tool":
        return _calling(tool, arguments, key, most)
    return _listing(tool.server) if tool.name == LIST_RESOURCES else _reading(tool, arguments, most)


def _calling(tool: ToolDefinition, arguments: dict[str, JsonValue], key: str, most: int) -> Ask:
    where = tool.key
    # Whatever stands in the key's place was written by somebody else.
    sent = {**arguments, where.argument: key} if where and where.argument else dict(arguments)
    _check_size(tool, sent, most)

    async def ask(client: Client, seconds: float) -> Delivered:
        if where and where.header:
            CALL_HEADERS.set({where.header: key})  # this exchange has a context of its own
        meta = RequestParamsMeta(**{where.meta: key}) if where and where.meta else None  # type: ignore[misc]  # an open map
        result = await client.call_tool(tool.name, sent, read_timeout_seconds=seconds, meta=meta)
        return results.of_tool(result)

    return ask


def _reading(tool: ToolDefinition, arguments: dict[str, JsonValue], most: int) -> Ask:
    uri = arguments.get("uri")
    if not isinstance(uri, str):
        raise ServerRefused(f"{tool.server}.{tool.name} needs the argument 'uri', a string; nothing was sent")
    _check_size(tool, arguments, most)

    async def ask(client: Client, seconds: float) -> Delivered:
        async with asyncio.timeout(seconds):
            return results.of_read(await client.read_resource(uri, cache_mode="bypass"))

    return ask


def _listing(server: str) -> Ask:
    async def ask(client: Client, seconds: float) -> Delivered:
        async with asyncio.timeout(seconds):
            return results.of_list(*await resources(server, client))

    return ask


def _check_size(tool: ToolDefinition, arguments: dict[str, JsonValue], most: int) -> None:
    size = len(json.dumps(arguments, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > most:
        raise ServerRefused(
            f"{tool.server}.{tool.name} was given {size} bytes of arguments, more than {most}; "
            "nothing was sent; make them smaller"
        )

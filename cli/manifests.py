"""What servers publish now, beside what was accepted of it."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from activities.toolbox import NotSent, Toolbox, UnknownServer
from cli.exits import Refused, WrongInput
from cli.operating import store_exists
from cli.printing import tell
from contracts.authority import DocumentKind, PinnedTool
from contracts.model import Model
from contracts.tools import ToolDefinition
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.resources.servers_file import ServerDeclaration

Pins = dict[str, PinnedTool]
"""`server.tool` -> what was accepted: the content of the pins document."""
_PINS = TypeAdapter(Pins)


class Pinned(StrEnum):
    """Whether a tool may be called."""

    YES = "yes"
    CHANGED = "changed"
    NO = "no"


class Seen(Model):
    """A declared server as it was found now."""

    server: str
    tools: tuple[ToolDefinition, ...] = ()
    problem: str = ""
    """Why it could not be asked; empty when it answered."""


class Wanted(Model):
    """What an argument names: a server, or one tool of it."""

    server: str
    tool: str = ""
    """Empty for all of them."""

    def covers(self, name: str) -> bool:
        """Whether `server.tool` is meant."""
        server, _, tool = name.partition(".")
        return server == self.server and self.tool in ("", tool)


def name_of(definition: ToolDefinition) -> str:
    """`server.tool`; a server's name has no dot."""
    return f"{definition.server}.{definition.name}"


def wanted(arguments: Iterable[str], declared: Sequence["ServerDeclaration"]) -> tuple[Wanted, ...]:
    """What the arguments name. Raises WrongInput for a server that is not declared."""
    known = [server.name for server in declared]
    found = tuple(Wanted(server=server, tool=tool) for server, _, tool in (each.partition(".") for each in arguments))
    for one in found:
        if one.server not in known:
            raise WrongInput(f"no server {one.server!r} is declared; declared are: {', '.join(known)}")
    return found


async def look(settings: Settings, servers: Sequence["ServerDeclaration"]) -> list[Seen]:
    """Ask these servers for their tools, all at once; each within the time a connection may take to open."""
    from workers.operators import open_toolbox

    with _told_what_is_left_out():
        async with open_toolbox(settings, servers) as toolbox:
            return list(await asyncio.gather(*(_seen(toolbox, server.name) for server in servers)))


async def _seen(toolbox: Toolbox, server: str) -> Seen:
    try:
        return Seen(server=server, tools=await toolbox.definitions(server))
    except (NotSent, UnknownServer) as problem:
        return Seen(server=server, problem=str(problem))


async def accepted(settings: Settings) -> Pins:
    """The pins in force; none where no worker has made a store yet. Raises the ways in which a command can fail."""
    from cli.office import office_here

    if not store_exists(settings):
        return {}
    async with office_here() as office:
        standing = await office.documents.in_force(DocumentKind.PINS)
    try:
        return _PINS.validate_python(standing.content) if standing else {}
    except ValidationError as error:
        raise Refused(f"the pins in force are no pins: {error.error_count()} problems; restore the store") from error


def state_of(definition: ToolDefinition, pins: Mapping[str, PinnedTool]) -> Pinned:
    """Whether a tool was accepted, and is still what was accepted."""
    pinned = pins.get(name_of(definition))
    if pinned is None:
        return Pinned.NO
    return Pinned.YES if pinned.pin == definition.pin() else Pinned.CHANGED


class _Telling(logging.Handler):
    """Tells operators which tools were left out of a listing."""

    def emit(self, record: logging.LogRecord) -> None:
        said = vars(record)
        tell(f"{said.get('server')}.{said.get('tool')} is left out: {said.get('reason')}")


@contextmanager
def _told_what_is_left_out() -> Iterator[None]:
    logger, handler = logging.getLogger("workers.resources.mcp_connections.published"), _Telling()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)

"""How Interlock recognises itself, so that no automation calls Interlock as if it were a server like any other."""

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import PurePath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from activities.toolbox import UnknownServer

if TYPE_CHECKING:  # commands that only read the servers file need not load the SDK
    from mcp import Client

WORKER: Final = "interlock"
"""The name by which a worker introduces itself to servers."""
SKILLS: Final = "interlock-skills"
"""The name by which the MCP server of skills introduces itself."""
MARK: Final = "dev.interlock/skills"
"""The extension by which it is told as well, in the protocol's modern era."""
_PROGRAMS: Final = ("interlock", "cli.main")
_USUAL_PORTS: Final = {"http": 80, "https": 443}
_HERE: Final = "localhost"


class IsItself(UnknownServer):
    """A declared server is Interlock's own MCP server."""

    def __init__(self, server: str) -> None:
        super().__init__(
            f"server {server!r} is Interlock itself: an automation that called it would start runs in another's name; "
            "start a child run in the workflow instead, and take the server out of the servers file"
        )


def refuse_itself(server: str, client: "Client") -> None:
    """Raises IsItself when the server that answers is Interlock's own."""
    named = client.server_info
    if (named is not None and named.name == SKILLS) or MARK in (client.server_capabilities.extensions or {}):
        raise IsItself(server)


def starts_itself(command: Sequence[str]) -> bool:
    """Whether a command line starts Interlock's own MCP server."""
    words = [PurePath(word).name for given in command for word in given.split()]  # a shell is given one text
    begun = next((number for number, word in enumerate(words) if word in _PROGRAMS), None)
    return begun is not None and ("mcp", "serve") in zip(words[begun:], words[begun + 1 :], strict=False)


def is_same_place(url: str, other: str) -> bool:
    """Whether two addresses name one endpoint, however they are written; one that cannot be read names none."""
    try:
        return _place(url) == _place(other)
    except ValueError:
        return False


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    port = parts.port or _USUAL_PORTS.get(parts.scheme)
    return parts.scheme, _host(parts.hostname or ""), port, parts.path.rstrip("/")


def _host(name: str) -> str:
    """One name for this machine, whichever of its own is given."""
    plain = name.lower().rstrip(".")
    try:
        address = ip_address(plain)
    except ValueError:
        return plain
    return _HERE if address.is_loopback or address.is_unspecified else plain

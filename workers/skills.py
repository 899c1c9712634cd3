"""Skills for MCP clients, served from this process: what a desk can do, over stdio or over HTTP."""

import socket
from importlib.metadata import version

from starlette.applications import Starlette

from contracts.skills import Caller
from workers.resources.skills.desk import Desk
from workers.resources.skills.http import caller_of_request, serve_http, skills_app
from workers.resources.skills.server import skill_server
from workers.resources.skills.stdio import serve_stdio
from workers.resources.skills_file import Skills

_VERSION = version("interlock")


async def over_stdio(desk: Desk, user: Caller) -> None:
    """Serve the user of this machine, until the client closes its end."""
    await serve_stdio(skill_server(desk, lambda _: user, _VERSION))


def http_endpoint(desk: Desk, skills: Skills) -> Starlette:
    """What serves whoever brings a token of a configured issuer. Raises SkillsFileUnusable for keys it cannot use."""
    return skills_app(skill_server(desk, caller_of_request, _VERSION), skills)


async def over_http(endpoint: Starlette, listener: socket.socket) -> None:
    """Serve until the process is told to stop."""
    await serve_http(endpoint, listener)

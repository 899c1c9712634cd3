"""Interlock's own MCP server of skills over stdio, under a command that does not look like it."""

import asyncio

from contracts.skills import Caller
from tests.workers.resources.skills import NoticingDesk
from workers.resources.skills.server import skill_server
from workers.resources.skills.stdio import serve_stdio

if __name__ == "__main__":
    asyncio.run(serve_stdio(skill_server(NoticingDesk(), lambda _: Caller(name="rita"), "test")))

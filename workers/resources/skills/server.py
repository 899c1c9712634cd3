"""The MCP server of skills: a tool for each, in either protocol era. Whoever carries them out stands behind a port."""

import json
from collections.abc import Callable
from typing import Any, Final

from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from contracts.model import Model
from contracts.skills import Caller, Skill
from workers.resources.itself import MARK, SKILLS, WORKER
from workers.resources.skills.beside_tools import answer_what_is_asked_beside_tools
from workers.resources.skills.desk import Desk, NotDone, UnknownSkill
from workers.resources.skills.talking import Context, InputNeeded, Talking

INSTRUCTIONS: Final = (
    "Each automation is one tool: calling it starts a run for a business case, or attaches to the run that was started "
    "for the same case before, and answers with its handle at once. Follow it with wait_for_run or run_status. "
    "Where a run waits for a person, tell the user which command they run; nothing here can decide in their place."
)
_READS: Final = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
# The same case attaches: calling a second time starts nothing.
_ACTS: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
CallerOf = Callable[[Context], Caller]
"""Who calls, from what was proved of the request. It lets nobody through whom it does not know."""


def skill_server(desk: Desk, caller_of: CallerOf, version: str) -> Server[Any]:
    """The server, for whichever transport it is run on."""

    async def list_tools(context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        _refuse_workers(context)
        try:
            skills = await desk.skills(caller_of(context))
        except NotDone as not_done:
            raise MCPError(INTERNAL_ERROR, str(not_done)) from not_done
        return ListToolsResult(tools=[_tool(skill) for skill in skills])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        _refuse_workers(context)
        talk = Talking(context, params)
        try:
            answer = await desk.call(caller_of(context), params.name, params.arguments or {}, talk)
        except UnknownSkill as unknown:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:100]}") from unknown
        except InputNeeded as needed:
            return needed.result
        except NotDone as not_done:
            return CallToolResult(content=[TextContent(text=str(not_done))], is_error=True)
        return _answered(answer)

    server: Server[Any] = Server(
        SKILLS,
        version=version,
        title="Interlock",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda _: None,  # no argument of a skill travels in a header
    )
    server.extensions[MARK] = {}
    answer_what_is_asked_beside_tools(server)
    return server


def _refuse_workers(context: Context) -> None:
    """A worker that calls would start runs for an automation, in the name of whoever's token it holds."""
    client = context.session.client_params
    if client is not None and client.client_info.name == WORKER:
        raise MCPError(INVALID_REQUEST, "Interlock's workers are no clients of its skills; start a child run instead")


def _tool(skill: Skill) -> Tool:
    return Tool(
        name=skill.name,
        description=skill.description,
        input_schema=dict(skill.takes),
        output_schema=dict(skill.answers),
        annotations=_READS if skill.reads else _ACTS,
    )


def _answered(answer: Model) -> CallToolResult:
    document = answer.model_dump(mode="json")
    return CallToolResult(content=[TextContent(text=json.dumps(document))], structured_content=document)

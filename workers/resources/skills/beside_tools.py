"""What any client may ask of a server beside its tools: skills come with no prompts, resources or log messages."""

from typing import Any, NoReturn

from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    GetPromptRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SetLevelRequestParams,
)

from workers.resources.skills.talking import Context


def answer_what_is_asked_beside_tools(server: Server[Any]) -> None:
    """Clients that ask whoever they meet for these are told that there are none, and not that something is broken."""
    server.add_request_handler("prompts/list", PaginatedRequestParams, _no_prompts)
    server.add_request_handler("prompts/get", GetPromptRequestParams, _no_such_prompt)
    server.add_request_handler("resources/list", PaginatedRequestParams, _no_resources)
    server.add_request_handler("resources/templates/list", PaginatedRequestParams, _no_templates)
    server.add_request_handler("resources/read", ReadResourceRequestParams, _no_such_resource)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, _any_level)


async def _no_prompts(_: Context, __: PaginatedRequestParams) -> ListPromptsResult:
    return ListPromptsResult(prompts=[])


async def _no_such_prompt(_: Context, wanted: GetPromptRequestParams) -> NoReturn:
    raise MCPError(INVALID_PARAMS, f"Unknown prompt: {wanted.name[:100]}")


async def _no_resources(_: Context, __: PaginatedRequestParams) -> ListResourcesResult:
    return ListResourcesResult(resources=[])


async def _no_templates(_: Context, __: PaginatedRequestParams) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=[])


async def _no_such_resource(_: Context, wanted: ReadResourceRequestParams) -> NoReturn:
    raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": wanted.uri})


async def _any_level(_: Context, __: SetLevelRequestParams) -> EmptyResult:
    """Nothing is logged to clients, from whichever level on they would hear of it."""
    return EmptyResult()

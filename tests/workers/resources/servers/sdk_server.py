"""An MCP server made with the SDK, for both eras: over stdio, or over HTTP, where it can refuse the modern era."""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

OBJECT: dict[str, Any] = {"type": "object"}
CENTS = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}
KEYED = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}, "idempotency_key": {"type": "string"}},
    "required": ["cents", "idempotency_key"],
}
TTL_MS = int(os.environ.get("TTL_MS", "0"))
"""How long listings may be kept, in the modern era; 0 says nothing."""
PAGES = [
    [
        types.Tool(name="wait", input_schema=OBJECT),
        types.Tool(name="heard", input_schema=KEYED, description="says what it heard"),
        types.Tool(
            name="echo",
            input_schema=OBJECT,
            output_schema={"type": "object", "properties": {"n": {"type": "integer"}}},
            annotations=types.ToolAnnotations(read_only_hint=True),
        ),
    ],
    [
        types.Tool(name="wrong_schema", input_schema=OBJECT, output_schema=CENTS),
        types.Tool(name="say_no", input_schema=OBJECT),
        types.Tool(name="huge", input_schema=OBJECT),
        types.Tool(name="code", input_schema=OBJECT),
        types.Tool(
            name="put",
            input_schema=OBJECT,
            annotations=types.ToolAnnotations(idempotent_hint=True, destructive_hint=False),
        ),
        types.Tool(name="half", input_schema=OBJECT, annotations=types.ToolAnnotations(idempotent_hint=True)),
    ],
]


async def list_tools(context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    second = params is not None and params.cursor == "2"
    page, following = (PAGES[1], None) if second else (PAGES[0], "2")
    return types.ListToolsResult(tools=page, next_cursor=following, ttl_ms=TTL_MS)


async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    given = params.arguments or {}
    match params.name:
        case "echo":
            return structured({"n": given.get("n"), "pid": os.getpid()})
        case "heard":
            request = context.request
            headers = dict(request.headers) if request is not None else {}
            return structured({"arguments": given, "meta": dict(context.meta or {}), "headers": headers})
        case "wait":
            Path(given["marker"]).touch()
            await asyncio.sleep(given["seconds"])
            return structured({"waited": given["seconds"]})
        case "wrong_schema":
            return structured({"cents": "many"})
        case "say_no":
            return types.CallToolResult(content=[types.TextContent(type="text", text="card declined")], is_error=True)
        case "huge":
            return types.CallToolResult(content=[types.TextContent(type="text", text="x" * given["bytes"])])
        case "code":
            raise MCPError(given["code"], "told so")
        case _:
            raise MCPError(types.INVALID_PARAMS, "no such tool")


def structured(content: dict[str, Any]) -> types.CallToolResult:
    text = types.TextContent(type="text", text=json.dumps(content))
    return types.CallToolResult(content=[text], structured_content=content)


async def list_resources(context: Any, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[types.Resource(uri="demo://open", name="open")])


async def list_templates(context: Any, params: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(uri_template="demo://order/{id}", name="order")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    if params.uri != "demo://open":
        raise MCPError(types.INVALID_PARAMS, "no such resource")
    content = types.TextResourceContents(uri=params.uri, mime_type="application/json", text='{"open": [7]}')
    return types.ReadResourceResult(contents=[content])


SERVER: Server[Any] = Server(
    "sdk",
    instructions=os.environ.get("INSTRUCTIONS"),
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_templates,
    on_read_resource=read_resource,
)


class HandshakeOnly:
    """Refuses what has neither session nor handshake, as servers of the older SDKs do."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        names = dict(scope.get("headers", []))
        if scope["type"] != "http" or names.get(b"mcp-protocol-version") != b"2026-07-28":
            await self.app(scope, receive, send)
            return
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Missing session ID"}})
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body.encode()})


class Announcing(uvicorn.Server):
    """Says on stderr when it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stderr.write("listening\n")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int)
    parser.add_argument("--handshake-only", action="store_true")
    chosen = parser.parse_args()
    if chosen.http is None:
        async with stdio_server() as (reading, writing):
            await SERVER.run(reading, writing, SERVER.create_initialization_options())
        return
    app: Any = SERVER.streamable_http_app()
    if chosen.handshake_only:
        app = HandshakeOnly(app)
    await Announcing(uvicorn.Config(app, port=chosen.http, log_level="warning", ws="none")).serve()


if __name__ == "__main__":
    asyncio.run(main())

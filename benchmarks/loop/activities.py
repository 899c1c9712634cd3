"""The loop's activities: one client of the model and one of the MCP server, shared by all runs of the worker."""

from typing import Any

from anthropic import AsyncAnthropic
from mcp import Client
from temporalio import activity

from benchmarks.loop.messages import Call, Question, Reply

SYSTEM = (
    "You run an errand for somebody in a company. Work towards the goal with the tools you are offered. "
    "When the goal is reached, answer without asking for tools: say what was done."
)
MODEL = "claude-sonnet-5-5"
KEY = "idempotency_key"


class Activities:
    """Asking the model, and calling tools."""

    def __init__(self, claude: AsyncAnthropic, server: Client, tools: list[Any]) -> None:
        self._claude, self._server, self._tools = claude, server, tools

    @activity.defn
    async def ask(self, question: Question) -> Reply:
        """One turn."""
        message = await self._claude.messages.create(
            model=MODEL,
            max_tokens=8192,
            system=SYSTEM,
            messages=question.messages,
            tools=self._tools,
            cache_control={"type": "ephemeral"},
        )
        plain: dict[str, Any] = message.to_dict(mode="json")
        return Reply(content=plain["content"], stop_reason=plain["stop_reason"])

    @activity.defn
    async def call(self, call: Call) -> str:
        """One tool call. Raises when the tool says no."""
        name = call.name.removeprefix("bench__")
        arguments = call.input | ({KEY: call.id} if name == "post" else {})
        result = await self._server.call_tool(name, arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            raise RuntimeError(text)
        return text


async def tools_of(server: Client) -> list[Any]:
    """The server's tools as the Messages API takes them; the key of a call is not the model's business."""
    return [
        {
            "name": f"bench__{tool.name}",
            "description": tool.description or "",
            "input_schema": _without_key(tool.input_schema),
        }
        for tool in (await server.list_tools()).tools
    ]


def _without_key(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {name: value for name, value in schema["properties"].items() if name != KEY}
    return schema | {"properties": properties, "required": [name for name in schema["required"] if name != KEY]}

"""How the demo's tests talk to the pretend systems, in memory and as processes."""

from typing import Any

from mcp import Client
from mcp.types import TextContent

Answer = dict[str, Any]  # a tool's structured content: JSON of any shape

BOWL: Answer = {
    "order_id": "A-17",
    "customer_id": "C-7",
    "cents": 4000,
    "currency": "EUR",
    "reason": "the bowl arrived broken",
    "reference": "refund/A-17",
    "idempotency_key": "key-1",
}


async def ask(client: Client, tool: str, **arguments: object) -> Answer:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool} should have refused, but answered {result.structured_content}"
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text

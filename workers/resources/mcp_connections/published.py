"""A tool exactly as its server publishes it: what a pin stands for."""

import logging

from mcp_types import Tool
from pydantic import JsonValue

from contracts.canonical import canonical_json
from workers.resources.mcp_connections import limits

Published = dict[str, JsonValue]
"""The tool's fields under their names in the protocol, and `instructions`, the server's own, which may steer Claude."""

logger = logging.getLogger(__name__)


def published(server: str, tool: Tool, instructions: str | None) -> Published | None:
    """Everything that is published of a tool; None, with a warning, when it cannot be taken.

    Fields that the protocol does not know are left out: nothing of ours ever sees them.
    """
    whole = tool.model_dump(by_alias=True, exclude_none=True)  # in JSON mode NaN would become null
    if instructions is not None:
        whole["instructions"] = instructions
    if problem := _problem(tool, whole):
        logger.warning("mcp_tool_left_out", extra={"server": server, "tool": tool.name[:100], "reason": problem})
        return None
    return whole


def _problem(tool: Tool, whole: Published) -> str:
    if "/" in tool.name:  # so are the readings of resources called, and no tool may pass for one
        return "its name has a slash"
    try:
        size = len(canonical_json(whole))
        schemas = [len(canonical_json(schema)) for schema in (tool.input_schema, tool.output_schema) if schema]
    except (ValueError, RecursionError) as error:
        return f"its definition has no canonical JSON: {type(error).__name__}"
    if max(schemas, default=0) > limits.SCHEMA_BYTES:
        return f"a schema has {max(schemas)} bytes, more than {limits.SCHEMA_BYTES}"
    if size > limits.DEFINITION_BYTES:
        return f"its definition has {size} bytes, more than {limits.DEFINITION_BYTES}"
    return ""

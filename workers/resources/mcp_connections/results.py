"""What a server answered, as plain JSON: structured content, else text, else a word about anything else."""

from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ReadResourceResult,
    Resource,
    ResourceLink,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)
from pydantic import JsonValue, ValidationError

from contracts.canonical import parse_json
from contracts.tools import Delivered


def of_tool(result: CallToolResult) -> Delivered:
    """The answer of a tool."""
    structured = "structured_content" in result.model_fields_set and result.structured_content is not None
    content = result.structured_content if structured else "\n".join(map(_said, result.content))
    return delivered(content, bool(result.is_error))


def of_read(result: ReadResourceResult) -> Delivered:
    """A resource that was read: its content, or a list when it has several."""
    contents = [_resource_content(item) for item in result.contents]
    return delivered(contents[0] if len(contents) == 1 else contents)


def of_list(resources: list[Resource], templates: list[ResourceTemplate]) -> Delivered:
    """The resources of a server and their templates."""
    return delivered(
        {
            "resources": [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in resources],
            "templates": [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in templates],
        }
    )


def delivered(content: JsonValue, is_error: bool = False) -> Delivered:
    """`content` as delivered; unreadable when it is nested deeper than anything of ours can take."""
    try:
        return Delivered(is_error=is_error, content=content)
    except (ValidationError, RecursionError):
        return Delivered(is_error=is_error, unreadable="the answer is nested too deeply to be read")


def _said(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return f"[{block.type} {block.mime_type}, {len(block.data)} characters of base64, not shown]"
        case ResourceLink():
            return f"[resource {block.uri}]"
        case EmbeddedResource():
            return (
                block.resource.text
                if isinstance(block.resource, TextResourceContents)
                else f"[resource {block.resource.uri}]"
            )


def _resource_content(item: object) -> JsonValue:
    if not isinstance(item, TextResourceContents):
        return "[binary content, not shown]"
    if (item.mime_type or "").partition(";")[0].strip() != "application/json":
        return item.text
    try:
        return parse_json(item.text)
    except (ValueError, RecursionError):
        return item.text

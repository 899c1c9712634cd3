"""Tool definitions as automations and Claude see them: published by the server, overruled by the operator."""

from mcp_types import Tool
from pydantic import JsonValue

from contracts.tools import EffectClass, KeyDelivery, Risk, Taint, ToolDefinition
from workers.resources.mcp_connections.listing import Listing
from workers.resources.mcp_connections.published import Published
from workers.resources.servers_file import ServerDeclaration, ToolRule

LIST_RESOURCES = "resources/list"
READ_RESOURCE = "resources/read"
"""No real tool can be called so: the specification allows no slash in a tool's name."""

_NOTHING: dict[str, JsonValue] = {"type": "object", "properties": {}, "additionalProperties": False}
_URI: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"uri": {"type": "string", "description": "URI of the resource"}},
    "required": ["uri"],
    "additionalProperties": False,
}


def definitions_of(server: ServerDeclaration, listing: Listing) -> tuple[ToolDefinition, ...]:
    """Everything the server offers, sorted by name."""
    found = [_tool(server, tool, listing.published[name]) for name, tool in listing.tools.items()]
    if listing.has_resources:
        found += [
            _resource(server, LIST_RESOURCES, "Lists the resources of this server and their templates.", _NOTHING),
            _resource(server, READ_RESOURCE, "Reads one resource of this server.", _URI),
        ]
    return tuple(sorted(found, key=lambda definition: definition.name))


def _tool(server: ServerDeclaration, tool: Tool, published: Published) -> ToolDefinition:
    rule = server.rule(tool.name)
    key = rule.key.delivery() if rule.key else None
    effect_class = _effect_class(server, tool)
    closed = server.trusted and tool.annotations is not None and tool.annotations.open_world_hint is False
    return ToolDefinition(
        server=server.name,
        name=tool.name,
        description=tool.description or "",
        input_schema=_without_key(tool.input_schema, key),
        output_schema=tool.output_schema,
        annotations=_annotations(tool),
        effect_class=effect_class,
        key=key,
        timeout_seconds=rule.timeout.total_seconds(),
        risk=_risk(rule, effect_class),
        taints=_taints(rule, closed),
        sends_out=_sends_out(rule, effect_class, closed),
        lookup=rule.lookup.lookup(rule.timeout) if rule.lookup else None,
        resource=rule.resource,
        undoes=rule.undoes,
        owner=server.owner,
        reference=rule.reference,
        credential=server.credential or "",
        published=published,
    )


def _resource(server: ServerDeclaration, name: str, description: str, schema: dict[str, JsonValue]) -> ToolDefinition:
    rule = server.rule(name)
    return ToolDefinition(
        server=server.name,
        name=name,
        description=description,
        input_schema=schema,
        effect_class=EffectClass.READ,
        timeout_seconds=rule.timeout.total_seconds(),
        kind="resource",
        owner=server.owner,
        risk=_risk(rule, EffectClass.READ),
        taints=_taints(rule, closed=False),
        sends_out=_sends_out(rule, EffectClass.READ, closed=False),
        credential=server.credential or "",
    )


def _risk(rule: ToolRule, effect_class: EffectClass) -> Risk:
    """The operator's word; else high for whatever is not a read."""
    return rule.risk or (Risk.LOW if effect_class is EffectClass.READ else Risk.HIGH)


def _taints(rule: ToolRule, closed: bool) -> tuple[Taint, ...]:
    """The operator's word; else everything an answer may hold. In a closed world nobody outside has written it."""
    reads = rule.reads if rule.reads is not None else ((Taint.PRIVATE,) if closed else tuple(Taint))
    return tuple(taint for taint in Taint if taint in reads)


def _sends_out(rule: ToolRule, effect_class: EffectClass, closed: bool) -> bool:
    """The operator's word; else yes, but for reads in a closed world: what fetches a page tells its address."""
    return rule.sends_out if rule.sends_out is not None else not (closed and effect_class is EffectClass.READ)


def _annotations(tool: Tool) -> dict[str, JsonValue]:
    return tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True) if tool.annotations else {}


def _effect_class(server: ServerDeclaration, tool: Tool) -> EffectClass:
    """The operator's word, then the hints of a trusted server, else the worst."""
    rule = server.rule(tool.name)
    if rule.effect_class is not None:
        return rule.effect_class
    if rule.key is not None:
        return EffectClass.KEYED if rule.lookup is None else EffectClass.QUERYABLE
    hints = tool.annotations if server.trusted else None
    if hints and hints.read_only_hint:
        return EffectClass.READ
    # Absent means destructive: only an explicit "no" makes a repetition harmless.
    if hints and hints.idempotent_hint and hints.destructive_hint is False:
        return EffectClass.IDEMPOTENT
    return EffectClass.OPAQUE


def _without_key(schema: dict[str, JsonValue], key: KeyDelivery | None) -> dict[str, JsonValue]:
    """The schema without the argument that we alone supply."""
    if key is None or key.argument is None:
        return schema
    shown = dict(schema)
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict):
        shown["properties"] = {name: value for name, value in properties.items() if name != key.argument}
    if isinstance(required, list):
        shown["required"] = [name for name in required if name != key.argument]
    return shown

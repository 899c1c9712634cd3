"""What the commands about policy work on: the files of the policy folders, and what the store knows of the world."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, TypeAdapter, ValidationError

from cli.exits import NotReachable, Refused, WrongInput
from cli.printing import tell
from contracts.authority import DocumentKind, PinnedTool
from contracts.canonical import parse_json
from contracts.roster import Roster
from contracts.tools import EffectClass, Risk
from policies.document import PolicyBroken, document_of, files_of
from policies.engine import CedarRules
from policies.lint import Surroundings
from policies.rules import Problem, Rule
from policies.vectors import VECTORS, ToolDescribed, VectorTable, read_vectors
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.office import Office
    from workers.resources.servers_file import ServerDeclaration, ToolRule

_PINS = TypeAdapter(dict[str, PinnedTool])
_SCALARS = ("integer", "string", "boolean")


@dataclass(frozen=True)
class Rulebook:
    """The policy folders as they stand on disk."""

    folders: tuple[Path, ...]
    content: JsonValue
    """The document that would be made active."""
    tables: tuple[VectorTable, ...]

    @cached_property
    def files(self) -> dict[str, str]:
        """File name -> text."""
        return files_of(self.content)

    @cached_property
    def described(self) -> dict[str, ToolDescribed]:
        """`server.tool` -> what the vectors say of it."""
        return {name: tool for table in self.tables for name, tool in table.tools.items()}

    def rules(self) -> CedarRules:
        """Raises Refused naming the rule that cannot be used."""
        try:
            return CedarRules.from_document(self.content)
        except PolicyBroken as broken:
            raise Refused(f"{broken}; see `interlock policy lint`") from broken

    def place(self, of: Rule | Problem) -> str:
        """`path:line` as an editor opens it."""
        found = next((folder / of.file for folder in self.folders if (folder / of.file).is_file()), Path(of.file))
        here = Path.cwd()
        return f"{found.relative_to(here) if found.is_relative_to(here) else found}:{of.line}"


@dataclass(frozen=True)
class Stored:
    """What is in force here, and what operators say; empty where no store can be read."""

    tools: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    """`server.tool` -> its input schema as it was pinned."""
    roster: Roster | None = None
    servers: "tuple[ServerDeclaration, ...]" = ()
    """The servers file."""

    def operators_word(self, name: str) -> "ToolRule | None":
        """What operators say of `server.tool`."""
        server, _, tool = name.partition(".")
        return next((each.rule(tool) for each in self.servers if each.name == server), None)


def open_rulebook(folders: Sequence[Path]) -> Rulebook:
    """The files in `folders`, or in those of the settings. Raises WrongInput."""
    chosen = tuple(folder.resolve() for folder in folders) or Settings.read().policy_folders()
    try:
        content = document_of(chosen)
        found = [folder / VECTORS for folder in chosen if (folder / VECTORS).is_file()]
        return Rulebook(chosen, content, tuple(map(read_vectors, found)))
    except PolicyBroken as broken:
        raise WrongInput(str(broken)) from broken


async def read_store() -> Stored:
    """Pins and roster in force; nothing when there is no store to read here."""
    from cli.office import office_here
    from cli.operating import operators_settings

    servers = _servers(operators_settings().servers)
    try:
        async with office_here() as office:
            return Stored(await _pinned(office), await _roster(office), servers)
    except NotReachable:
        return Stored(servers=servers)


def surroundings(book: Rulebook, stored: Stored, roster: Roster | None) -> Surroundings:
    """What lint may hold the rules against; `roster` comes before that of the store."""
    known = roster or stored.roster
    declared = {f"{server.name}.{tool}" for server in stored.servers for tool in server.tools}
    described = {name: tool.input_schema() for name, tool in book.described.items()}
    return Surroundings(
        tools=described | stored.tools,
        reads=frozenset(name for name, tool in book.described.items() if tool.effect_class is EffectClass.READ),
        accepted=declared | stored.tools.keys() if stored.tools else None,
        held=frozenset(role for person in known.people for role in person.roles) if known else None,
        inputs=inputs(),
    )


def inputs() -> dict[str, dict[str, JsonValue]]:
    """Automation -> JSON schema of its input. Raises as load_catalog does."""
    from cli.automations import load_catalog

    return {entry.name: entry.request.model_json_schema(mode="serialization") for entry in load_catalog().entries()}


def tool_described(book: Rulebook, stored: Stored, name: str) -> ToolDescribed:
    """What rules see of a tool: as the vectors describe it, else as it is pinned; operators' word comes first.

    Raises WrongInput for a tool that nobody describes.
    """
    if name not in book.described and name not in stored.tools:
        known = ", ".join(sorted({*book.described, *stored.tools})) or "none"
        raise WrongInput(f"nobody describes the tool {name!r}; pin it or add it to {VECTORS}; known are {known}")
    tool = book.described.get(name) or _as_pinned(stored.tools[name])
    if (word := stored.operators_word(name)) is None:
        return tool
    said = {"effect_class": word.effect_class, "risk": word.risk, "sends_out": word.sends_out}
    return tool.model_copy(update={field: value for field, value in said.items() if value is not None})


def _as_pinned(input_schema: dict[str, JsonValue]) -> ToolDescribed:
    """A tool of which operators say nothing: the worst is assumed, as the gate does."""
    properties = input_schema.get("properties")
    schemas = properties.items() if isinstance(properties, dict) else ()
    kinds = {argument: schema.get("type") for argument, schema in schemas if isinstance(schema, dict)}
    scalars = {argument: kind for argument, kind in kinds.items() if kind in _SCALARS}
    return ToolDescribed.model_validate({"arguments": scalars, "risk": Risk.HIGH, "sends_out": True})


def read_roster(path: Path | None) -> Roster | None:
    """The roster in a file. Raises WrongInput."""
    if path is None:
        return None
    from cli.roster_file import RosterFile

    return RosterFile.read(path).roster


async def _pinned(office: "Office") -> dict[str, dict[str, JsonValue]]:
    standing = await office.documents.in_force(DocumentKind.PINS)
    try:
        pins = _PINS.validate_python(standing.content) if standing else {}
    except ValidationError as error:
        raise Refused("the pins in force cannot be read; see `interlock tools list`") from error
    return {name: _input_schema(await office.contents.get(pin.definition)) for name, pin in pins.items()}


def _input_schema(definition: bytes | None) -> dict[str, JsonValue]:
    """The input schema in a definition, as its server published it or as we first saw it."""
    form = parse_json(definition or b"{}")
    form = form if isinstance(form, dict) else {}
    published = form.get("published")
    schema = published.get("inputSchema") if isinstance(published, dict) else form.get("input_schema")
    return schema if isinstance(schema, dict) else {}


async def _roster(office: "Office") -> Roster | None:
    standing = await office.documents.in_force(DocumentKind.ROSTER)
    return Roster.model_validate(standing.content) if standing else None


def _servers(path: Path | None) -> "tuple[ServerDeclaration, ...]":
    from workers.resources.servers_file import ServersFileUnusable, load_servers

    try:
        return load_servers(path) if path else ()
    except ServersFileUnusable as unusable:
        tell(f"not read: {unusable}")
        return ()

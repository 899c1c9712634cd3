"""The one TOML file that declares the MCP servers: who owns them, how they are reached, what operators say of them."""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, ValidationError, model_validator
from pydantic_core import ErrorDetails

from contracts.model import Model
from contracts.tools import EffectClass, KeyDelivery

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_NEVER_SHOWN = ("credential", "env")
"""Fields into which somebody may have pasted a secret."""
_HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"


class ServersFileUnusable(Exception):
    """The servers file cannot be used; the message names the file, the server, the field and the way out."""


def _iso_8601(value: object) -> object:
    if not isinstance(value, str) or not value.startswith("P"):
        raise ValueError('must be an ISO 8601 duration in quotes, for example "PT30S" or "P1D"')
    return value


Duration = Annotated[timedelta, BeforeValidator(_iso_8601), Field(gt=timedelta(0))]
"""A positive ISO 8601 duration."""


class KeyRule(Model):
    """How a tool takes our idempotency key, and how long its server remembers one."""

    argument: str | None = Field(default=None, min_length=1)
    meta: str | None = Field(default=None, min_length=1)
    header: str | None = Field(default=None, pattern=_HEADER)
    horizon: Duration = timedelta(days=1)

    @model_validator(mode="after")
    def _delivered_somehow(self) -> Self:
        if not (self.argument or self.meta or self.header):
            raise ValueError("says nowhere to put the key; give argument, meta or header")
        return self

    def delivery(self) -> KeyDelivery:
        """The same as the tool definition carries it."""
        return KeyDelivery(
            argument=self.argument,
            meta=self.meta,
            header=self.header,
            horizon_seconds=max(1, int(self.horizon.total_seconds())),
        )


class ToolRule(Model):
    """What the operator says of one tool. It comes before anything the server says of itself."""

    effect_class: EffectClass | None = None
    key: KeyRule | None = None
    timeout: Duration = timedelta(seconds=60)

    @model_validator(mode="after")
    def _keyed_has_a_key(self) -> Self:
        if self.effect_class is EffectClass.KEYED and self.key is None:
            raise ValueError('is "keyed" but has no key; add key = { argument = "..." }')
        return self


class ServerDeclaration(Model):
    """One MCP server."""

    name: str = Field(pattern=_NAME)
    owner: str = Field(min_length=1)
    purpose: str = Field(min_length=1)
    transport: Literal["stdio", "http"]
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    env: dict[str, str] = Field(default={})
    credential: str | None = Field(default=None, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$")
    header: str = Field(default="Authorization", pattern=_HEADER)
    scheme: str = Field(default="Bearer", pattern=r"^[A-Za-z0-9._~+-]*$")
    """Stands before the value in the header; empty for the bare value."""
    env_name: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    protocol: Literal["auto", "legacy", "2026-07-28"] = "auto"
    trusted: bool = False
    """Whether the tools' own annotations are believed."""
    tools: dict[str, ToolRule] = Field(default={})

    @model_validator(mode="after")
    def _fits_its_transport(self) -> Self:
        problem = _stdio_problem(self) if self.transport == "stdio" else _http_problem(self)
        if problem:
            raise ValueError(problem)
        return self

    def rule(self, tool: str) -> ToolRule:
        """What the operator says of this tool, or the defaults."""
        return self.tools.get(tool, _SILENCE)


_SILENCE = ToolRule()


def _stdio_problem(server: ServerDeclaration) -> str:
    if server.url is not None:
        return 'has transport "stdio" and a url; remove the url, or set transport = "http"'
    if server.command is None:
        return 'has transport "stdio" and no command; add command = ["program", "argument"]'
    if server.credential and server.env_name is None:
        return "has a credential and no env_name; name the environment variable the server reads it from"
    if named := [name for name, rule in server.tools.items() if rule.key and rule.key.header]:
        return f'has transport "stdio", which has no headers; give tools.{named[0]}.key an argument or meta'
    return ""


def _http_problem(server: ServerDeclaration) -> str:
    if server.command is not None:
        return 'has transport "http" and a command; remove the command, or set transport = "stdio"'
    if server.url is None:
        return 'has transport "http" and no url; add url = "https://..."'
    if server.env or server.env_name:
        return 'has transport "http", where env and env_name mean nothing; use credential with header and scheme'
    return ""


def load_servers(path: Path, environment: Mapping[str, str] = os.environ) -> tuple[ServerDeclaration, ...]:
    """The declared servers, in the order of the file. Raises ServersFileUnusable."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ServersFileUnusable(
            f"{path}: cannot be read as TOML: {error}; give --servers or INTERLOCK_SERVERS "
            "a file with [servers.NAME] tables"
        ) from error
    tables = document.pop("servers", None)
    if document or not isinstance(tables, dict) or not tables:
        found = f"found {', '.join(map(repr, document))}" if document else "found none"
        raise ServersFileUnusable(f"{path}: only tables named [servers.NAME] belong here, at least one; {found}")
    return tuple(_declared(path, name, table, environment) for name, table in tables.items())


def _declared(path: Path, name: str, table: JsonValue, environment: Mapping[str, str]) -> ServerDeclaration:
    if not isinstance(table, dict):
        raise ServersFileUnusable(f"{path}: servers.{name} must be a table; write [servers.{name}]")
    fields = dict(table)
    for field in fields.keys() & {"command", "url", "env"}:
        fields[field] = _expanded(path, name, field, fields[field], environment)
    try:
        return ServerDeclaration.model_validate({**fields, "name": name})
    except ValidationError as error:
        raise ServersFileUnusable(f"{path}: {_sentences(name, error)}") from error


def _expanded(path: Path, server: str, field: str, value: JsonValue, environment: Mapping[str, str]) -> JsonValue:
    """`value` with every ${NAME} in it taken from the environment."""

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            raise ServersFileUnusable(
                f"{path}: servers.{server}.{field} needs the environment variable {name!r}, which is not set; "
                f"export {name}=... and try again"
            )
        return environment[name]

    if isinstance(value, str):
        return _VARIABLE.sub(variable, value)
    if isinstance(value, list):
        return [_expanded(path, server, field, item, environment) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(path, server, field, item, environment) for key, item in value.items()}
    return value


def _sentences(server: str, error: ValidationError) -> str:
    first, *more = error.errors(include_url=False, include_context=False)
    rest = f" (and {len(more)} more problems)" if more else ""
    return f"{_place(server, first)} {_problem(first)}{rest}"


def _place(server: str, problem: ErrorDetails) -> str:
    loc = () if problem["loc"] == ("name",) else problem["loc"]
    return ".".join(["servers", server, *map(str, loc)])


def _problem(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "is not a field this file knows; correct its spelling or remove it"
        case "missing":
            return "is missing; add it"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case _ if problem["loc"][0] in _NEVER_SHOWN:
            return 'is not what belongs here; a credential is a reference, "env:NAME" or "file:/path", never a value'
        case _:
            return f"is {problem['input']!r}: {problem['msg']}; correct it"
